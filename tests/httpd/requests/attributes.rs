//! Attributes without a prefix, and the chain of a client's certificate: rows 98 and 100 of what
//! mod_jk's users know (see `jk/reuse.rs`).

use test_support::ajp::{ForwardRequest, ScriptedPeer};
use test_support::http::{Client, said};
use test_support::httpd::{Httpd, Setup};
use test_support::tls::Certificates;
use test_support::tomcat::Tomcat;

/// The request that the backend gets for `/app/x`, with these lines and headers.
fn told(setup: Setup, headers: &str) -> (ForwardRequest, Httpd, ScriptedPeer) {
    let peer = ScriptedPeer::echo();
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port());
    let httpd = setup.conf(&pass).start();
    httpd.request("GET", "/app/x", headers).expect(200);
    (peer.last_request().expect("it was asked"), httpd, peer)
}

// row 98
#[test]
fn an_attribute_without_a_prefix_is_accepted_or_403_as_the_connector_s_pattern_says() {
    let tomcat = Tomcat::start_with(&[
        "allowedRequestAttributesPattern='TENANT'",
        "allowedRequestAttributesPattern='OTHER'",
    ]);
    let httpd = Httpd::setup()
        .conf("SetEnvIf X-Tenant \"(.+)\" TENANT=$1\nProxyAjpEnvVar TENANT")
        .conf(&format!("ProxyPass /open/ ajp://127.0.0.1:{}/app/", tomcat.more_ports[0]))
        .conf(&format!("ProxyPass /shut/ ajp://127.0.0.1:{}/app/", tomcat.more_ports[1]))
        .start();
    let ask = |path: &str| {
        let target = format!("{path}/echo?attr=TENANT");
        httpd.request("GET", &target, "X-Tenant: shop & co\r\n")
    };
    assert_eq!(ask("/open").expect(200).said("attribute TENANT"), "shop & co");
    assert_eq!(ask("/shut").status, 403);
    // Nothing is sent if the variable is not set.
    let page = httpd.get("/shut/echo?attr=TENANT").expect(200);
    assert_eq!(page.said("attribute TENANT"), "null");
}

#[test]
fn a_default_is_sent_if_the_variable_is_not_set_and_nothing_without_a_default() {
    let conf = "SetEnvIf X-A \"(.+)\" A=$1\nSetEnvIf X-A \"(.+)\" B=$1\n\
        ProxyAjpEnvVar A \"a default\"\nProxyAjpEnvVar B\nProxyAjpEnvVar C \"\"";
    let (request, httpd, peer) = told(Httpd::setup().conf(conf), "");
    assert_eq!(request.attribute("A"), Some("a default"));
    // httpd takes an empty word for no word.
    assert_eq!((request.attribute("B"), request.attribute("C")), (None, None));
    httpd.request("GET", "/app/x", "X-A: 1\r\n").expect(200);
    let request = peer.last_request().expect("it was asked");
    assert_eq!((request.attribute("A"), request.attribute("B")), (Some("1"), Some("1")));
}

#[test]
fn the_variables_of_cgi_programs_can_be_sent_too() {
    let conf = "ProxyAjpEnvVar REMOTE_ADDR\nProxyAjpEnvVar HTTP_X_A\nProxyAjpEnvVar NOTHING";
    let (request, _httpd, _peer) = told(Httpd::setup().conf(conf), "X-A: 1\r\n");
    assert_eq!(request.attribute("REMOTE_ADDR"), Some("127.0.0.1"));
    assert_eq!(request.attribute("HTTP_X_A"), Some("1"));
    assert_eq!(request.attribute("NOTHING"), None);
}

#[test]
fn a_virtual_host_sends_the_main_server_s_variables_and_its_own() {
    let peer = ScriptedPeer::echo();
    let setup = Httpd::setup();
    let port = test_support::process::free_port();
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port());
    let host = |name: &str, lines: &str| {
        format!("<VirtualHost *:{port}>\nServerName {name}\n{lines}\n{pass}\n</VirtualHost>")
    };
    let httpd = setup
        .port(port)
        .conf("ProxyAjpEnvVar A main\nProxyAjpEnvVar B main")
        .conf(&host("plain.example", ""))
        .conf(&host("own.example", "ProxyAjpEnvVar B host\nProxyAjpEnvVar C host"))
        .start();
    let told = |name: &str| {
        let mut client = Client::connect(httpd.address());
        client.send(format!("GET /app/x HTTP/1.1\r\nHost: {name}\r\n\r\n"));
        client.response("GET").expect(200);
        let request = peer.last_request().expect("it was asked");
        ["A", "B", "C"].map(|name| request.attribute(name).unwrap_or("-").to_owned())
    };
    assert_eq!(told("plain.example"), ["main", "main", "-"]);
    assert_eq!(told("own.example"), ["main", "host", "host"]);
}

#[test]
fn a_wrong_line_keeps_httpd_from_starting() {
    for conf in ["ProxyAjpEnvVar \"\"", "ProxyAjpEnvVar", "ProxyAjpCertChain perhaps"] {
        let (is_fine, said) = Httpd::setup().conf(conf).configtest();
        assert!(!is_fine && said.contains("ProxyAjp"), "{conf}: {said}");
    }
}

// row 100
#[test]
fn with_proxyajpcertchain_the_application_sees_all_three_certificates() {
    let certificates = Certificates::new();
    certificates.add_chained_client();
    for (line, seen) in [("ProxyAjpCertChain On", "3"), ("ProxyAjpCertChain Off", "1"), ("", "1")] {
        let httpd = Httpd::setup()
            .modules(&["socache_shmcb", "ssl"])
            .define("AJP_PORT", Tomcat::shared().port)
            .define("CERTIFICATES", certificates.directory().display())
            .example("tls.conf")
            .conf("SSLVerifyDepth 5")
            .conf(line)
            .start();
        let file = |name: &str| certificates.file(name).to_str().expect("ASCII").to_owned();
        let (ca, pem, key) = (file("ca.pem"), file("chained.pem"), file("chained.key"));
        let page =
            httpd.curl(&["--cacert", &ca, "--cert", &pem, "--key", &key], "https", "/app/echo");
        assert_eq!(said(&page, "certificates"), seen, "{line}: {page}");
        assert_eq!(said(&page, "certificate"), "O=tests,CN=bob");
    }
}
