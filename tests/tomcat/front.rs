//! Clients may speak TLS and HTTP/2, and Tomcat gets the details.

use std::process::Command;
use test_support::http::{Generated, said, sha256};
use test_support::httpd::{Httpd, Mpm};
use test_support::tls::Certificates;
use test_support::tomcat::Tomcat;

fn path(certificates: &Certificates, name: &str) -> String {
    certificates.file(name).to_str().expect("ASCII").to_owned()
}

fn tls_front(certificates: &Certificates) -> Httpd {
    Httpd::setup()
        .modules(&["socache_shmcb", "ssl", "http2"])
        .define("AJP_PORT", Tomcat::shared().port)
        .define("CERTIFICATES", certificates.directory().display())
        .conf("SSLProtocol TLSv1.3\nSSLCipherSuite TLSv1.3 TLS_AES_256_GCM_SHA384")
        .conf("Protocols h2 http/1.1")
        .example("tls.conf")
        .start()
}

#[test]
fn a_tls_client_is_secure_for_the_application_with_cipher_key_size_session_and_protocol() {
    let certificates = Certificates::new();
    let httpd = tls_front(&certificates);
    let authority = path(&certificates, "ca.pem");
    for version in ["--http1.1", "--http2"] {
        let page = httpd.curl(&[version, "--cacert", &authority], "https", "/app/echo");

        assert_eq!(said(&page, "secure"), "true", "{version}");
        assert_eq!(said(&page, "scheme"), "https");
        let cipher = said(&page, "attribute jakarta.servlet.request.cipher_suite");
        assert_eq!(cipher, "TLS_AES_256_GCM_SHA384");
        assert_eq!(said(&page, "attribute jakarta.servlet.request.key_size"), "256");
        let protocol = "attribute org.apache.tomcat.util.net.secure_protocol_version";
        assert_eq!(said(&page, protocol), "TLSv1.3");
        assert!(!page.contains("certificates="), "no client certificate was given: {page}");
    }
}

#[test]
fn the_tls_session_id_reaches_the_application() {
    let certificates = Certificates::new();
    let httpd = Httpd::setup()
        .modules(&["socache_shmcb", "ssl"])
        .define("AJP_PORT", Tomcat::shared().port)
        .define("CERTIFICATES", certificates.directory().display())
        // Before TLS 1.3, sessions have an id from the server, if it caches them.
        .conf("SSLProtocol TLSv1.2\nSSLSessionCache shmcb:cache(512000)\nSSLSessionTickets Off")
        .example("tls.conf")
        .start();
    let authority = path(&certificates, "ca.pem");
    let page = httpd.curl(&["--cacert", &authority], "https", "/app/echo");

    let id = said(&page, "attribute jakarta.servlet.request.ssl_session_id");
    assert_eq!(id.len(), 64, "{page}");
    assert!(id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
}

#[test]
fn the_client_s_certificate_reaches_the_application() {
    let certificates = Certificates::new();
    let httpd = tls_front(&certificates);
    let [authority, own, key] =
        ["ca.pem", "client.pem", "client.key"].map(|name| path(&certificates, name));
    for version in ["--http1.1", "--http2"] {
        let arguments = [version, "--cacert", &authority, "--cert", &own, "--key", &key];
        let page = httpd.curl(&arguments, "https", "/app/echo");

        assert_eq!(said(&page, "certificate"), "O=tests,CN=alice", "{version}");
        assert_eq!(said(&page, "certificates"), "1");
    }
}

fn h2c(mpm: Mpm) -> Httpd {
    Httpd::setup()
        .mpm(mpm)
        .modules(&["http2"])
        .define("AJP_PORT", Tomcat::shared().port)
        .conf("Protocols h2c http/1.1")
        .example("proxy.conf")
        .start()
}

#[test]
fn an_http_2_client_is_served_under_event_and_worker() {
    for mpm in [Mpm::Event, Mpm::Worker] {
        let httpd = h2c(mpm);
        let page = httpd.curl(&["--http2-prior-knowledge"], "http", "/app/echo/h2?q=1");

        assert_eq!(said(&page, "protocol"), "HTTP/2.0", "{mpm:?}");
        assert_eq!(said(&page, "uri"), "/app/echo/h2");
        assert_eq!(said(&page, "query"), "q=1");
        assert_ne!(said(&page, "remotePort"), "-1");
    }
}

#[test]
fn http_2_uploads_arrive_whole_with_and_without_a_length() {
    let httpd = h2c(Mpm::Event);
    let body = Generated::bytes(3_000_000, 21);
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(&file, &body).expect("it is ours");
    let from_file = format!("@{}", file.path().display());
    let hash = sha256([body]);
    for more in [&[][..], &["--header", "Content-Length:"][..]] {
        let arguments = ["--http2-prior-knowledge", "--data-binary", &from_file];
        let page = httpd.curl(&[&arguments[..], more].concat(), "http", "/app/upload");

        assert_eq!(said(&page, "length"), "3000000", "{more:?}");
        assert_eq!(said(&page, "sha256"), hash);
    }
}

#[test]
fn many_streams_of_http_2_at_once_are_all_answered() {
    let httpd = h2c(Mpm::Event);
    let output = Command::new("h2load")
        .args(["--requests=600", "--clients=4", "--max-concurrent-streams=20"])
        .arg(format!("http://localhost:{}/app/download?size=30000", httpd.port()))
        .output()
        .expect("h2load is installed (ci/setup)");
    let report = String::from_utf8_lossy(&output.stdout);

    assert!(report.contains("600 succeeded, 0 failed, 0 errored, 0 timeout"), "{report}");
    assert!(report.contains("status codes: 600 2xx"), "{report}");
    let bodies = 600 * 30_000;
    assert!(report.contains(&format!("({bodies}) data")), "{report}");
}
