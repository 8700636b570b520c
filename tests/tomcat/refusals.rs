//! Requests that Tomcat's connector refuses before an application has them: the client gets Tomcat's answer,
//! and one line a minute says where to look.

use test_support::httpd::Setup;
use test_support::members::one_child;
use test_support::tomcat::{SECRET, Tomcat};

/// One child, since each child logs a line a minute.
fn setup(port: u16, parameters: &str) -> Setup {
    one_child().conf(&format!("ProxyPass /app ajp://127.0.0.1:{port}/app {parameters}"))
}

#[test]
fn a_wrong_or_missing_secret_is_explained_once_a_minute() {
    let port = Tomcat::shared().secret_port;
    for (parameters, fact) in
        [("secret=wrong", "(secret is set here)"), ("", "(secret is not set here)")]
    {
        let httpd = setup(port, parameters).start();

        for _ in 0..3 {
            httpd.get("/app/static.txt").expect(403);
        }
        assert_eq!(httpd.request("POST", "/app/echo", "Content-Length: 0\r\n").status, 403);

        let found = httpd.messages("AJP0131");
        assert_eq!(found.len(), 1, "{found:?}");
        let backend = format!("AJP0131: ajp://127.0.0.1:{port}: 403 with reuse=0");
        for part in [":warn]", &backend, "secretRequired", fact, "allowedRequestAttributesPattern"]
        {
            assert!(found[0].contains(part), "{part}: {}", found[0]);
        }
        assert!(!found[0].contains("wrong"), "a secret is never in the log: {}", found[0]);
    }
}

#[test]
fn an_attribute_that_the_connector_does_not_allow_is_explained() {
    let tomcat = Tomcat::start_with(&["allowedRequestAttributesPattern='(?!forbidden).*'"]);
    let httpd =
        setup(tomcat.more_ports[0], "").conf("SetEnvIf X-Odd forbidden AJP_forbidden=1").start();

    httpd.get("/app/static.txt").expect(200);
    assert_eq!(httpd.messages("AJP0131"), [""; 0]);
    assert_eq!(httpd.request("GET", "/app/static.txt", "X-Odd: forbidden\r\n").status, 403);
    assert_eq!(httpd.messages("AJP0131").len(), 1);
}

#[test]
fn the_application_s_own_403_is_not_explained() {
    let httpd = setup(Tomcat::shared().port, "").start();
    let protected = setup(Tomcat::shared().secret_port, &format!("secret={SECRET}")).start();

    for httpd in [&httpd, &protected] {
        for path in ["/app/status?code=403", "/app/status?code=403&error=no"] {
            httpd.get(path).expect(403);
        }
        let body = "Content-Length: 0\r\n";
        assert_eq!(httpd.request("POST", "/app/status?code=403", body).status, 403);
        assert_eq!(httpd.messages("AJP0131"), [""; 0]);
    }
}

#[test]
fn a_request_larger_than_packetsize_with_a_larger_iobuffersize_is_explained() {
    let port = Tomcat::shared().port;
    let httpd = setup(port, "iobuffersize=16384").conf("LimitRequestFieldSize 100000").start();
    let large = format!("X-Large: {}\r\n", "x".repeat(12_000));

    for _ in 0..2 {
        let status = httpd.request("GET", "/app/static.txt", &large).status;
        assert!(matches!(status, 400 | 500), "{status}");
    }
    httpd.get("/app/static.txt").expect(200);

    let found = httpd.messages("AJP0124");
    assert_eq!(found.len(), 1, "{}", httpd.error_log());
    for part in [":warn]", " with reuse=0 ", "packetSize", "iobuffersize=16384 here"] {
        assert!(found[0].contains(part), "{part}: {}", found[0]);
    }
}
