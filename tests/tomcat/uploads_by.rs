//! Uploads that go ahead, by clients of every kind: TLS, HTTP/2, `Expect`, compressed bodies, more than 4 GB.

use std::process::Command;

use test_support::http::{Generated, said, sha256};
use test_support::httpd::{Httpd, Setup};
use test_support::members::one_child;
use test_support::tls::Certificates;
use test_support::tomcat::Tomcat;

const AHEAD: &str = "uploadahead=262144";

fn pass(setup: Setup) -> Httpd {
    let port = Tomcat::shared().port;
    setup.conf(&format!("ProxyPass /app/ ajp://127.0.0.1:{port}/app/ {AHEAD}")).start()
}

/// A file with these bytes, as an argument of curl.
fn file(bytes: &[u8]) -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(&file, bytes).expect("it is ours");
    let argument = format!("@{}", file.path().display());
    (file, argument)
}

#[test]
fn a_tls_client_s_upload_arrives_whole() {
    let certificates = Certificates::new();
    let path = |name: &str| certificates.file(name).display().to_string();
    let httpd = pass(
        Httpd::setup()
            .modules(&["socache_shmcb", "ssl", "http2"])
            .conf("SSLEngine On\nProtocols h2 http/1.1")
            .conf(&format!("SSLCertificateFile {}", path("server.pem")))
            .conf(&format!("SSLCertificateKeyFile {}", path("server.key"))),
    );
    let authority = path("ca.pem");
    let body = Generated::bytes(3_000_000, 31);
    let (_file, from_file) = file(&body);
    let hash = sha256([body]);
    for version in ["--http1.1", "--http2"] {
        for more in [&[][..], &["--header", "Transfer-Encoding: chunked"], &["--limit-rate", "9M"]]
        {
            if version == "--http2" && more.contains(&"--header") {
                continue;
            }
            for form in ["upload", "reads?ms=1"] {
                let arguments = [version, "--cacert", &authority, "--data-binary", &from_file];
                let page =
                    httpd.curl(&[&arguments[..], more].concat(), "https", &format!("/app/{form}"));

                assert_eq!(said(&page, "length"), "3000000", "{version} {more:?} {form}");
                assert_eq!(said(&page, "sha256"), hash, "{version} {more:?} {form}");
            }
        }
    }
}

#[test]
fn an_answer_that_comes_early_leaves_a_tls_connection_that_serves_the_next_request() {
    let certificates = Certificates::new();
    let path = |name: &str| certificates.file(name).display().to_string();
    let httpd = pass(
        Httpd::setup()
            .modules(&["socache_shmcb", "ssl"])
            .conf("SSLEngine On")
            .conf(&format!("SSLCertificateFile {}", path("server.pem")))
            .conf(&format!("SSLCertificateKeyFile {}", path("server.key"))),
    );
    let authority = path("ca.pem");
    let (_file, from_file) = file(&Generated::bytes(1_000_000, 37));
    let url = format!("https://localhost:{}/app/reads?read=200000", httpd.port());
    for framing in ["X-Framing: length", "Transfer-Encoding: chunked"] {
        let more = ["--header", framing, "--data-binary", &from_file, &url, &url];
        let arguments = [&["--http1.1", "--cacert", &authority][..], &more].concat();
        // A container that closes with packets unread may lose its answer (docs/uploads.md): not each time.
        let mut attempts = (0..4).map(|_| httpd.curl(&arguments, "https", "/app/upload"));
        let is_lost = |pages: &String| pages.contains("<title>502");
        let pages = attempts.find(|pages| !is_lost(pages)).expect("answers that are not lost");

        let early = pages.matches("length=200000\n").count();
        let whole = pages.matches("length=1000000\n").count();
        assert_eq!((early, whole), (2, 1), "{framing}: {pages}");
    }
    let log = httpd.error_log();
    assert!(!log.contains("exit signal"), "{log}");
}

#[test]
fn http_2_uploads_arrive_whole_with_and_without_a_length() {
    let httpd = pass(Httpd::setup().modules(&["http2"]).conf("Protocols h2c http/1.1"));
    let body = Generated::bytes(3_000_000, 32);
    let (_file, from_file) = file(&body);
    let hash = sha256([body]);
    for more in [&[][..], &["--header", "Content-Length:"][..]] {
        for form in ["upload", "reads?ms=1"] {
            let arguments = ["--http2-prior-knowledge", "--data-binary", &from_file];
            let target = format!("/app/{form}");
            let page = httpd.curl(&[&arguments[..], more].concat(), "http", &target);

            assert_eq!(said(&page, "length"), "3000000", "{more:?} {form}");
            assert_eq!(said(&page, "sha256"), hash, "{more:?} {form}");
        }
    }
}

#[test]
fn a_body_that_httpd_unpacks_arrives_whole() {
    let httpd = pass(
        Httpd::setup()
            .modules(&["filter", "deflate"])
            .conf("<Location /app>\nSetInputFilter DEFLATE\n</Location>"),
    );
    let body = Generated::bytes(1_000_000, 33);
    let (plain, _) = file(&body);
    let output = Command::new("gzip").arg("-c").arg(plain.path()).output().expect("gzip");
    let (_file, from_file) = file(&output.stdout);
    for form in ["upload", "reads?ms=1"] {
        let arguments = ["--header", "Content-Encoding: gzip", "--data-binary", &from_file];
        let page = httpd.curl(&arguments, "http", &format!("/app/{form}"));

        assert_eq!(said(&page, "length"), "1000000", "{form}");
        assert_eq!(said(&page, "sha256"), sha256([body.clone()]), "{form}");
    }
}

#[test]
fn a_client_that_expects_100_continue_is_told_to_send() {
    let httpd = pass(Httpd::setup());
    let body = Generated::bytes(200_000, 34);
    let mut client = httpd.client();
    for framing in ["Content-Length: 200000", "Transfer-Encoding: chunked"] {
        client.send(format!(
            "POST /app/upload HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"
        ));
        assert_eq!(client.head().status, 100, "{framing}");
        match framing.starts_with('C') {
            true => client.send(&body),
            false => body.chunks(777).for_each(|piece| client.send_chunk(piece)),
        }
        if framing.starts_with('T') {
            client.send("0\r\n\r\n");
        }
        let answer = client.response("POST").expect(200);
        assert_eq!(answer.said("sha256"), sha256([body.clone()]), "{framing}");
    }
}

#[test]
fn an_upload_of_100_mb_arrives_byte_for_byte_in_both_framings() {
    const SIZE: u64 = 100_000_000;
    let httpd = pass(Httpd::setup().conf("LimitRequestBody 0"));
    let mut client = httpd.client();
    for framing in [format!("Content-Length: {SIZE}"), "Transfer-Encoding: chunked".into()] {
        client.send(format!("POST /app/upload HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
        let mut generated = Generated::new(SIZE, 35);
        let hash = sha256(std::iter::from_fn(|| {
            let piece = generated.piece(50_000)?;
            match framing.starts_with('C') {
                true => client.send(&piece),
                false => client.send_chunk(&piece),
            }
            Some(piece)
        }));
        if framing.starts_with('T') {
            client.send("0\r\n\r\n");
        }
        let answer = client.response("POST").expect(200);
        assert_eq!(answer.said("length"), SIZE.to_string(), "{framing}");
        assert_eq!(answer.said("sha256"), hash, "{framing}");
    }
}

/// The most memory that httpd's child has ever had, in bytes.
fn peak(httpd: &Httpd) -> u64 {
    let [child] = httpd.children()[..] else { panic!("one child") };
    let status = std::fs::read_to_string(format!("/proc/{child}/status")).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux has it");
    let kilobytes = peak.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
    1024 * kilobytes.expect("a number")
}

#[test]
fn an_upload_of_more_than_4_gb_arrives_and_httpd_holds_little_of_it() {
    const BLOCKS: u64 = 4097;
    let httpd = pass(one_child().conf("LimitRequestBody 0"));
    httpd.get("/app/echo/").expect(200);
    let before = peak(&httpd);
    let mut client = httpd.client();
    let mut block = Generated::bytes(1 << 20, 38);
    let size = BLOCKS * block.len() as u64;
    client.send(format!("POST /app/upload HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"));
    let hash = sha256((0..BLOCKS).map(|number| {
        block[..8].copy_from_slice(&number.to_be_bytes());
        client.send(&block);
        block.clone()
    }));
    let answer = client.response("POST").expect(200);
    assert_eq!((answer.said("length"), answer.said("sha256")), (size.to_string(), hash));
    // A window, and what httpd's filters and the threads' allocators have.
    let grown = peak(&httpd) - before;
    assert!(grown < 16 << 20, "{grown} bytes");
}

#[test]
fn a_body_that_trickles_in_arrives_whole() {
    let httpd = pass(Httpd::setup());
    let mut client = httpd.client();
    let body = Generated::bytes(30_000, 36);
    client.send("POST /app/upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (at, piece) in body.chunks(613).enumerate() {
        // A chunk's size and its data in writes of their own.
        client.send(format!("{:x}\r", piece.len()));
        client.send("\n");
        client.send(piece);
        client.send("\r\n");
        if at % 7 == 0 {
            std::thread::yield_now();
        }
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.response("POST").expect(200).said("sha256"), sha256([body]));
}
