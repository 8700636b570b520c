//! Tomcat's responses as httpd changes them: mapped headers, replaced error pages, included pieces.

use std::fs;
use test_support::httpd::{Httpd, Setup};
use test_support::tomcat::Tomcat;

/// Tomcat's `/app` under another name.
fn setup() -> Setup {
    Httpd::setup()
        .define("AJP_PORT", Tomcat::shared().port)
        .conf("ProxyPass /front ajp://127.0.0.1:${AJP_PORT}/app")
}

#[test]
fn a_redirect_is_mapped_to_the_path_of_the_front() {
    let httpd = setup().conf("ProxyPassReverse /front /app").start();
    let own = format!("http://localhost:{}/front/static.txt", httpd.port());
    let host = format!("Host: localhost:{}\r\n", httpd.port());
    let mut client = httpd.client();
    client.send(format!("GET /front/headers?redirect=/app/static.txt HTTP/1.1\r\n{host}\r\n"));
    let answer = client.response("GET").expect(302);

    let location = answer.header("Location").expect("a redirect has one");
    assert!(location == own || location == "/front/static.txt", "{location}");
}

#[test]
fn absolute_urls_in_headers_are_mapped_too() {
    let httpd = setup().conf("ProxyPassReverse /front http://inner.test/app").start();
    for name in ["Location", "Content-Location", "URI", "Destination"] {
        let answer = httpd.get(&format!("/front/headers?h={name}:http://inner.test/app/x%3Fy=1"));
        let mapped = answer.expect(200).header(name).map(str::to_owned).expect(name);
        assert!(mapped.ends_with("/front/x?y=1"), "{name}: {mapped}");
        assert!(!mapped.contains("inner"), "{name}: {mapped}");
    }
    let other = httpd.get("/front/headers?h=Location:http://other.test/app/x").expect(200);
    assert_eq!(other.header("Location"), Some("http://other.test/app/x"));
}

#[test]
fn paths_and_domains_of_cookies_are_mapped() {
    let httpd = setup()
        .conf("ProxyPassReverseCookiePath /app /front")
        .conf("ProxyPassReverseCookieDomain inner.test outer.test")
        .start();
    let answer = httpd.get(
        "/front/headers?h=Set-Cookie:a=1%3B%20Path=/app%3B%20Domain=inner.test\
         &h=Set-Cookie:b=2%3B%20Path=/other%3B%20HttpOnly",
    );
    let answer = answer.expect(200);
    let cookies = answer.all("Set-Cookie");

    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert!(cookies[0].starts_with("a=1") && cookies[0].contains("Path=/front"), "{cookies:?}");
    assert!(cookies[0].contains("Domain=outer.test"), "{cookies:?}");
    assert_eq!(cookies[1], "b=2; Path=/other; HttpOnly");
}

#[test]
fn a_header_that_comes_several_times_stays_so() {
    let answer = setup().start().get("/front/headers?h=X-A:1&h=X-A:2&h=Vary:a&h=Vary:b");
    let answer = answer.expect(200);

    let joined = |name: &str| answer.all(name).join(",").replace(", ", ",");
    assert_eq!(joined("X-A"), "1,2");
    assert_eq!(joined("Vary"), "a,b");
}

#[test]
fn an_overridden_error_gets_httpd_s_page_and_keeps_its_status() {
    let httpd = setup()
        .conf("ProxyErrorOverride On")
        .conf("ErrorDocument 404 \"our own page for missing things\"")
        .conf("ErrorDocument 500 \"our own page for errors\"")
        .start();
    let mut client = httpd.client();
    for _ in 0..3 {
        let missing = client.get("/front/no-such-page").expect(404);
        assert_eq!(missing.text(), "our own page for missing things");
        let thrown = httpd.get("/front/error").expect(500);
        assert_eq!(thrown.text(), "our own page for errors");
        assert_eq!(client.get("/front/static.txt").expect(200).body.len(), 33);
    }
}

#[test]
fn only_the_listed_codes_are_overridden() {
    let httpd = setup()
        .conf("ProxyErrorOverride On 404")
        .conf("ErrorDocument 404 \"our own page\"\nErrorDocument 410 \"our own page\"")
        .start();

    assert_eq!(httpd.get("/front/status?code=404&body=theirs").expect(404).text(), "our own page");
    assert_eq!(httpd.get("/front/status?code=410&body=theirs").expect(410).text(), "theirs");
}

#[test]
fn an_overridden_error_may_get_a_page_made_by_tomcat() {
    let httpd = setup().conf("ProxyErrorOverride On\nErrorDocument 503 /front/page.jsp").start();
    let answer = httpd.get("/front/status?code=503&body=theirs").expect(503);

    assert!(answer.text().contains("made by a JSP"), "{}", answer.text());
}

#[test]
fn an_overridden_401_keeps_its_challenges() {
    let httpd = setup().conf("ProxyErrorOverride On\nErrorDocument 401 \"who are you?\"").start();
    let target = "/front/status?code=401&body=theirs&challenge=Basic%20realm=%22inner%22";
    let answer = httpd.get(target).expect(401);

    assert_eq!(answer.text(), "who are you?");
    assert_eq!(answer.header("WWW-Authenticate"), Some("Basic realm=\"inner\""));
}

#[test]
fn an_error_document_of_httpd_may_be_made_by_tomcat() {
    let httpd = setup().conf("ErrorDocument 404 /front/page.jsp\nProxyErrorOverride On").start();
    let mut client = httpd.client();
    let answer = client.get("/not-here-at-all").expect(404);

    assert!(answer.text().contains("42; asked with GET"), "{}", answer.text());
}

#[test]
fn an_error_document_after_an_unread_upload_is_made_by_tomcat_too() {
    let httpd = setup().conf("ErrorDocument 404 /front/page.jsp\nProxyErrorOverride On").start();
    let body = vec![b'b'; 20_000];
    let mut client = httpd.client();
    let answer = client.request("POST", "/not-here", "Content-Length: 20000\r\n", &body);

    // The body belonged to the first request: the page's own request, a GET, has none.
    assert!(answer.expect(404).text().contains("42; asked with GET"));
    let after =
        client.try_get("/front/static.txt").unwrap_or_else(|| httpd.get("/front/static.txt"));
    assert_eq!(after.expect(200).body.len(), 33);
}

#[test]
fn a_page_with_server_side_includes_contains_tomcat_s_pages() {
    let conf = "AddOutputFilter INCLUDES .shtml\nAddType text/html .shtml\n\
        <Location />\nOptions +Includes\n</Location>";
    let httpd = setup().modules(&["include"]).conf(conf).start();
    let page = "before <!--#include virtual=\"/front/static.txt\" --> between \
        <!--#include virtual=\"/front/echo?from=ssi\" --> after\n";
    fs::write(httpd.root().join("htdocs/page.shtml"), page).expect("it is ours");
    let mut client = httpd.client();
    let answer = client.get("/page.shtml").expect(200);

    let text = answer.text();
    assert!(text.starts_with("before a static file of the application\n between"), "{text}");
    assert!(text.contains("query=from=ssi") && text.ends_with(" after\n"), "{text}");
    // A body belongs to the page, not to the pieces it includes.
    let body = vec![b'b'; 20_000];
    client.request("POST", "/page.shtml", "Content-Length: 20000\r\n", &body);
    client.get("/front/static.txt").expect(200);
}

#[test]
fn filters_of_httpd_work_on_tomcat_s_responses() {
    let httpd = setup()
        .modules(&["deflate", "substitute"])
        .conf("AddOutputFilterByType SUBSTITUTE;DEFLATE text/plain")
        .conf("Substitute \"s/static/mended/\"")
        .start();
    let plain = httpd.get("/front/static.txt").expect(200);
    let zipped = httpd.request("GET", "/front/range.txt", "Accept-Encoding: gzip\r\n").expect(200);

    assert_eq!(plain.text(), "a mended file of the application\n");
    assert_eq!(zipped.header("Content-Encoding"), Some("gzip"));
    assert!(zipped.body.starts_with(&[0x1f, 0x8b]) && zipped.body.len() < 16_000);
}

#[test]
fn header_directives_and_the_access_log_see_the_answer() {
    let httpd = setup().conf("Header set X-Front yes\nHeader edit X-Inner inner outer").start();
    let answer = httpd.get("/front/headers?h=X-Inner:inner").expect(200);

    assert_eq!(answer.header("X-Front"), Some("yes"));
    assert_eq!(answer.header("X-Inner"), Some("outer"));
    let log = test_support::process::wait_for("the request is logged", || {
        httpd.access_log().into_iter().find(|line| line.contains("/front/headers"))
    });
    assert!(log.starts_with("127.0.0.1 200 8 \"GET /front/headers"), "{log}");
}
