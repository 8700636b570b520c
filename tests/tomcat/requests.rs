//! Tomcat gets the facts about a request that httpd has.

use std::process::Command;
use std::sync::OnceLock;
use test_support::http::Generated;
use test_support::httpd::{Httpd, Setup};
use test_support::relay::Relay;
use test_support::tomcat::Tomcat;

fn setup() -> Setup {
    Httpd::setup().define("AJP_PORT", Tomcat::shared().port)
}

/// An httpd in front of a Tomcat, for tests without special needs.
fn plain() -> &'static Httpd {
    static SHARED: OnceLock<Httpd> = OnceLock::new();
    let httpd = SHARED.get_or_init(|| setup().example("proxy.conf").start());
    assert!(!httpd.error_log().contains("exit signal"), "{}", httpd.error_log());
    httpd
}

#[test]
fn every_method_reaches_the_application() {
    let methods = [
        "GET",
        "POST",
        "PUT",
        "DELETE",
        "OPTIONS",
        "PROPFIND",
        "PROPPATCH",
        "MKCOL",
        "COPY",
        "MOVE",
        "LOCK",
        "UNLOCK",
        "ACL",
        "REPORT",
        "VERSION-CONTROL",
        "CHECKIN",
        "CHECKOUT",
        "UNCHECKOUT",
        "SEARCH",
        "MKWORKSPACE",
        "UPDATE",
        "LABEL",
        "MERGE",
        "BASELINE-CONTROL",
        "MKACTIVITY",
        "PATCH",
        "FOO",
        "x-lower",
    ];
    let mut client = plain().client();
    for method in methods {
        let page = client.request(method, "/app/echo", "Content-Length: 0\r\n", b"");
        assert_eq!(page.expect(200).said("method"), method);
    }
}

#[test]
fn head_reaches_the_application_as_head() {
    let httpd = plain();
    httpd.request("HEAD", "/app/status?code=200&cl=5", "").expect(200);
    let page = httpd.request("HEAD", "/app/echo/was-head", "").expect(200);

    assert!(page.body.is_empty());
}

#[test]
fn the_addresses_and_ports_of_the_client_s_connection_reach_the_application() {
    let mut client = plain().client();
    let own = client.local_addr();
    let page = client.get("/app/echo").expect(200);

    assert_eq!(page.said("remoteAddr"), "127.0.0.1");
    assert_eq!(page.said("remotePort"), own.port().to_string());
    assert_eq!(page.said("localAddr"), "127.0.0.1");
    assert_eq!(page.said("localPort"), plain().port().to_string());
}

#[test]
fn the_server_s_name_is_the_host_header_s_and_its_port_the_connection_s() {
    let mut client = plain().client();
    client.send("GET /app/echo HTTP/1.1\r\nHost: www.example.test:8888\r\n\r\n");
    let page = client.response("GET").expect(200);

    assert_eq!(page.said("serverName"), "www.example.test");
    assert_eq!(page.said("header host"), "www.example.test:8888");
    assert_eq!(page.said("protocol"), "HTTP/1.1");
    assert_eq!(page.said("scheme"), "http");
    assert_eq!(page.said("secure"), "false");
}

#[test]
fn path_and_query_arrive_as_they_were_sent() {
    let httpd = plain();
    for (path, query) in [
        ("/app/echo/a%20b", "q=%20+%26"),
        ("/app/echo/%C3%A4%C3%B6", "name=%C3%A4"),
        ("/app/echo/a;p=1/b", "x=[1]{2}|3"),
        ("/app/echo/a:@!$&'()*+,=", "a=b&a=c&&=;%00"),
        ("/app/echo/~user", "?"),
    ] {
        let page = httpd.get(&format!("{path}?{query}")).expect(200);
        assert_eq!(page.said("uri"), path);
        assert_eq!(page.said("query"), query);
    }
    assert_eq!(httpd.get("/app/echo").expect(200).said("query"), "null");
}

#[test]
fn every_request_header_arrives() {
    let headers = "Accept: text/x\r\nAccept-Charset: utf-8\r\nAccept-Encoding: br\r\n\
        Accept-Language: de\r\nAuthorization: Bearer abc\r\nContent-Type: text/plain\r\n\
        Cookie: a=1; b=2\r\nCookie2: $Version=1\r\nPragma: no-cache\r\nReferer: http://r/\r\n\
        User-Agent: tester/1\r\nX-Empty:\r\nX-Latin: caf\u{e9}\r\nX-Long: ";
    let headers = format!("{headers}{}\r\n", "y".repeat(4000));
    let page = plain().request("GET", "/app/echo", &headers).expect(200);

    for (name, value) in [
        ("accept", "text/x"),
        ("accept-charset", "utf-8"),
        ("accept-encoding", "br"),
        ("accept-language", "de"),
        ("authorization", "Bearer abc"),
        ("content-type", "text/plain"),
        ("cookie", "a=1; b=2"),
        ("cookie2", "$Version=1"),
        ("pragma", "no-cache"),
        ("referer", "http://r/"),
        ("user-agent", "tester/1"),
        ("x-empty", ""),
        ("x-latin", "caf\u{e9}"),
        ("x-long", "y".repeat(4000).as_str()),
    ] {
        assert_eq!(page.said(&format!("header {name}")), value);
    }
}

#[test]
fn variables_named_ajp_become_attributes_without_the_prefix() {
    let conf = "SetEnv AJP_department \"shipping & receiving\"\nSetEnv AJP_empty \"\"\n\
        SetEnvIf X-Colour \"(.*)\" AJP_colour=$1\nSetEnv NOT_AJP_other no";
    let httpd = setup().example("proxy.conf").conf(conf).start();
    let target = "/app/echo?attr=department&attr=empty&attr=colour&attr=other&attr=NOT_AJP_other";
    let page = httpd.request("GET", target, "X-Colour: blue\r\n").expect(200);

    assert_eq!(page.said("attribute department"), "shipping & receiving");
    assert_eq!(page.said("attribute empty"), "");
    assert_eq!(page.said("attribute colour"), "blue");
    assert_eq!(page.said("attribute other"), "null");
    assert_eq!(page.said("attribute NOT_AJP_other"), "null");
}

/// A password file with one user: alice, with the password `wonder land`.
fn passwords() -> tempfile::NamedTempFile {
    use std::os::unix::fs::PermissionsExt;
    let output = Command::new("openssl")
        .args(["passwd", "-apr1", "wonder land"])
        .output()
        .expect("openssl is installed (ci/setup)");
    let hash = String::from_utf8(output.stdout).expect("base64");
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(&file, format!("alice:{hash}")).expect("it is ours");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    file
}

#[test]
fn the_user_whom_httpd_has_authenticated_is_the_application_s_user() {
    let passwords = passwords();
    let httpd =
        setup().define("PASSWORDS", passwords.path().display()).example("attributes.conf").start();
    let authorization = "Authorization: Basic YWxpY2U6d29uZGVyIGxhbmQ=\r\nUser-Agent: curl/8\r\n";
    let target = "/app/echo?attr=department&attr=client";
    let page = httpd.request("GET", target, authorization).expect(200);

    assert_eq!(page.said("remoteUser"), "alice");
    assert_eq!(page.said("authType"), "Basic");
    assert_eq!(page.said("attribute department"), "shipping & receiving");
    assert_eq!(page.said("attribute client"), "curl");
    assert_eq!(httpd.get(target).status, 401);
    assert_eq!(plain().get("/app/echo").expect(200).said("remoteUser"), "null");
}

#[test]
fn a_nocanon_path_reaches_the_application_untouched() {
    let conf = "AllowEncodedSlashes NoDecode\n\
        ProxyPass /app ajp://127.0.0.1:${AJP_PORT}/app nocanon";
    let page = setup().conf(conf).start().get("/app/echo/%7Euser/%41?q=%41").expect(200);

    assert_eq!(page.said("uri"), "/app/echo/%7Euser/%41");
    assert_eq!(page.said("query"), "q=%41");
}

#[test]
fn a_raw_path_with_control_characters_or_spaces_is_forbidden_and_never_sent() {
    let relay = Relay::to(Tomcat::shared().address());
    // [NE] passes the decoded path on as a raw one: so a line feed gets into it.
    let target = format!("ajp://127.0.0.1:{}/app/echo/$1", relay.port);
    let httpd = Httpd::setup()
        .conf(&format!("RewriteEngine On\nRewriteRule ^/raw/(.*)$ {target} [P,NE]"))
        .start();
    for bad in ["a%0ab", "a%0d%0ab", "a%01b", "a%20b", "a%7fb"] {
        let answer = httpd.get(&format!("/raw/{bad}"));
        assert_eq!(answer.status, 403, "{bad:?}: {}", answer.text());
    }

    assert_eq!(relay.connections(), 0);
    httpd.get("/raw/ab").expect(200);
}

#[test]
fn encoded_slashes_follow_allowencodedslashes() {
    let relayed = "ProxyPass /app ajp://127.0.0.1:${AJP_PORT}/app";
    let refused = setup().conf(relayed).start();
    let kept = setup().conf(&format!("AllowEncodedSlashes NoDecode\n{relayed}")).start();

    assert_eq!(refused.get("/app/echo/a%2fb").status, 404);
    // Tomcat's own default refuses them: its 400 shows that the slash was still encoded.
    assert_eq!(kept.get("/app/echo/a%2fb").status, 400);
}

#[test]
fn a_rewritten_request_reaches_the_application() {
    let conf = "RewriteEngine On\n\
        RewriteRule ^/rewritten/(.*) ajp://127.0.0.1:${AJP_PORT}/app/echo/$1?added=1 [P,QSA]";
    let page = setup().conf(conf).start().get("/rewritten/x?own=2").expect(200);

    assert_eq!(page.said("uri"), "/app/echo/x");
    assert_eq!(page.said("query"), "added=1&own=2");
}

#[test]
fn a_proxypassmatch_with_groups_reaches_the_application() {
    let conf = "ProxyPassMatch \"^/shop/([a-z]+)/(.*)$\" \"ajp://127.0.0.1:${AJP_PORT}/app/$1/$2\"";
    let page = setup().conf(conf).start().get("/shop/echo/12?q=1").expect(200);

    assert_eq!(page.said("uri"), "/app/echo/12");
    assert_eq!(page.said("query"), "q=1");
}

#[test]
fn a_blocked_backend_is_forbidden_and_never_connected_to() {
    let relay = Relay::to(Tomcat::shared().address());
    let httpd = Httpd::setup()
        .conf("ProxyBlock 127.0.0.1")
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app", relay.port))
        .start();

    assert_eq!(httpd.get("/app/echo").status, 403);
    assert_eq!(relay.connections(), 0);
}

#[test]
fn the_source_address_is_the_configured_one() {
    let relay = Relay::to(Tomcat::shared().address());
    let httpd = Httpd::setup()
        .conf("ProxySourceAddress 127.0.0.2")
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app", relay.port))
        .start();
    httpd.get("/app/echo").expect(200);

    assert_eq!(relay.peers()[0].ip().to_string(), "127.0.0.2");
}

#[test]
fn ambiguous_body_lengths_never_reach_the_backend() {
    let relay = Relay::to(Tomcat::shared().address());
    let httpd =
        Httpd::setup().conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app", relay.port)).start();
    for headers in [
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunkedx\r\n",
        "Content-Length: 5x\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 99999999999999999999999\r\n",
    ] {
        let answer =
            httpd.client().request("POST", "/app/upload", headers, b"5\r\nhello\r\n0\r\n\r\n");
        assert!((400..=501).contains(&answer.status), "{headers:?}: {}", answer.status);
    }

    // The one connection is that of the request that follows.
    httpd.get("/app/echo").expect(200);
    assert!(!relay.sent().windows(7).any(|bytes| bytes == b"/upload"), "a request was sent");
    assert_eq!(relay.connections(), 1);
}

#[test]
fn a_request_that_is_too_large_is_the_client_s_error_and_no_member_s() {
    let httpd = Httpd::setup()
        .conf("LimitRequestFieldSize 100000\nLimitRequestLine 100000")
        .conf("<Proxy balancer://one>")
        .conf(&format!("BalancerMember ajp://127.0.0.1:{} retry=600", Tomcat::shared().port))
        .conf("</Proxy>\nProxyPass /app balancer://one/app")
        .start();
    let header = format!("X-Huge: {}\r\n", "h".repeat(70_000));
    let path = format!("/app/echo/{}", "p".repeat(70_000));

    assert_eq!(httpd.request("GET", "/app/echo", &header).status, 431);
    assert_eq!(httpd.get(&path).status, 414);
    httpd.get("/app/echo").expect(200);
}

#[test]
fn a_large_packet_size_lets_large_headers_through() {
    let conf = "LimitRequestFieldSize 100000\n\
        ProxyPass /app ajp://127.0.0.1:${AJP_LARGE_PORT}/app iobuffersize=65536";
    let httpd = Httpd::setup().define("AJP_LARGE_PORT", Tomcat::shared().large_port).conf(conf);
    let header = format!("X-Huge: {}\r\n", "h".repeat(50_000));
    let page = httpd.start().request("GET", "/app/echo", &header).expect(200);

    assert_eq!(page.said("header x-huge").len(), 50_000);
}

#[test]
fn packets_larger_than_configured_are_accepted_from_the_backend() {
    let conf = "ProxyPass /app ajp://127.0.0.1:${AJP_LARGE_PORT}/app";
    let httpd = Httpd::setup().define("AJP_LARGE_PORT", Tomcat::shared().large_port).conf(conf);
    let page = httpd.start().get("/app/download?size=1000000&seed=4").expect(200);

    assert!(page.body == Generated::bytes(1_000_000, 4));
}
