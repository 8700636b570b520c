//! Error pages in place of an answer that has been waited for without a thread.

use std::fs;

use test_support::ajp::{HoldingPeer, Packet, chunk, end_response, headers};
use test_support::http::Response;
use test_support::parking::{
    all_logged, ask, logged, sixteen_threads, wait_for_parked, wait_for_rest,
};

/// What the client gets for an answer of this status, with these lines, with or without parking.
fn answer(parking: &str, status: u16, conf: &str) -> Response {
    let peer = HoldingPeer::start();
    let short = "SetEnvIf Request_URI ^/app/x$ ajp-reply-timeout=2000";
    let httpd = sixteen_threads()
        .conf(&format!("ProxyAjpParking {parking}\n{conf}"))
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port()))
        .conf(if status == 504 { short } else { "" })
        .start();
    fs::write(httpd.root().join("htdocs/page.html"), "a page of httpd's own").expect("it is ours");
    let mut client = ask(&httpd, "/app/x");
    peer.wait_for_held(1);
    if parking == "On" {
        wait_for_parked(&httpd, 1);
    }
    if status != 504 {
        let answer = headers(status).header("X-Own", "yes").header("WWW-Authenticate", "Basic");
        let body = chunk("the container's page");
        peer.send("/app/x", [answer.into_bytes(), body, end_response().into_bytes()].concat());
    }
    let is_page_of_ajp = conf.contains("/app/page");
    if is_page_of_ajp {
        // This one waits in its thread.
        let held = || peer.held().iter().any(|uri| uri == "/app/page");
        test_support::process::wait_for("the page", || held().then_some(()));
        peer.answer("/app/page");
    }
    let response = client.response("GET");
    wait_for_rest(&httpd);
    assert_eq!(logged(&httpd, "/app/x").status, status);
    assert_eq!(all_logged(&httpd, "/app/page"), []);
    if status == 404 {
        // The connection goes on.
        assert_eq!(client.get("/page.html").expect(200).text(), "a page of httpd's own");
    }
    response
}

/// The same with and without parking.
#[track_caller]
fn same(status: u16, conf: &str) -> Response {
    let [on, off] = ["On", "Off"].map(|parking| answer(parking, status, conf));
    let compared = |response: &Response| {
        let headers = response.headers.iter().filter(|(name, _)| name != "Date");
        let headers = headers.filter(|(name, _)| !matches!(&**name, "ETag" | "Last-Modified"));
        let headers: Vec<_> = headers.cloned().collect();
        (response.status, response.reason.clone(), headers, response.text())
    };
    assert_eq!(compared(&on), compared(&off), "{conf}");
    on
}

#[test]
fn with_proxyerroroverride_the_client_gets_httpd_s_own_page() {
    for status in [404, 500, 503, 401] {
        let response = same(status, "ProxyErrorOverride On").expect(status);
        assert!(!response.text().contains("container"), "{}", response.text());
        assert!(response.text().contains("<title>"), "{}", response.text());
    }
    assert_eq!(same(404, "").text(), "the container's page");
}

#[test]
fn an_error_document_that_is_a_file_takes_the_answer_s_place() {
    for status in [404, 503] {
        let conf = format!("ProxyErrorOverride On\nErrorDocument {status} /page.html");
        assert_eq!(same(status, &conf).expect(status).text(), "a page of httpd's own");
    }
    assert_eq!(
        same(504, "ErrorDocument 504 /page.html").expect(504).text(),
        "a page of httpd's own"
    );
    assert_eq!(same(504, "ErrorDocument 504 \"a text\"").text(), "a text");
}

#[test]
fn an_error_document_that_is_a_container_s_page_takes_the_answer_s_place() {
    for status in [404, 503, 504] {
        let conf = format!("ProxyErrorOverride On\nErrorDocument {status} /app/page");
        assert_eq!(same(status, &conf).expect(status).text(), "/app/page");
    }
    // Without that, the status is the page's.
    assert_eq!(same(504, "ErrorDocument 504 /app/page").expect(200).text(), "/app/page");
}
