//! A response that is cut never looks complete to the client, whatever filters of httpd's it passes and
//! whatever protocol the client speaks.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use test_support::ajp::request::forward_request;
use test_support::ajp::{Packet, ScriptedPeer, chunk, end_response, flush, headers};
use test_support::filters;
use test_support::httpd::{Httpd, Setup};
use test_support::process::{DEADLINE, wait_for};
use test_support::tls::Certificates;

/// Several lines; the last has no line end, and some filters hold it back.
const TEXT: &str = "the first line\nthe second line\nthe third";

/// The filters between the backend and the client, and their configuration.
const FILTERS: [(&str, &str); 7] = [
    ("none", ""),
    ("sed", "SetOutputFilter SED\nOutputSed s/line/row/"),
    ("lua", "SetOutputFilter UPPER"),
    ("deflate", "SetOutputFilter DEFLATE"),
    ("ratelimit", "SetOutputFilter RATE_LIMIT\nSetEnv rate-limit 100000"),
    ("substitute", "SetOutputFilter SUBSTITUTE\nSubstitute s/line/row/"),
    ("ext", "SetOutputFilter CAT"),
];

/// Begins a response and closes the connection; the path says how.
fn breaking_off() -> ScriptedPeer {
    ScriptedPeer::start(|conn| {
        while let Some(payload) = conn.read_packet()? {
            let path = forward_request(&payload)?.uri;
            let plain = || headers(200).header("Content-Type", "text/plain");
            let start = match path.rsplit('/').next().unwrap_or_default() {
                "whole" => {
                    [plain().into_bytes(), chunk(TEXT), end_response().into_bytes()].concat()
                }
                "flushed" => [plain().into_bytes(), chunk(TEXT), flush()].concat(),
                "unflushed" => [plain().into_bytes(), chunk(TEXT)].concat(),
                "announced" => {
                    let length = TEXT.len() + 1000;
                    let head = plain().header("Content-Length", length.to_string());
                    [head.into_bytes(), chunk(TEXT), flush()].concat()
                }
                other => panic!("the script does not know {other}"),
            };
            conn.send(start)?;
            if !path.ends_with("whole") {
                break;
            }
        }
        Ok(())
    })
}

fn front(peer: &ScriptedPeer) -> Setup {
    let modules = ["sed", "lua", "deflate", "ratelimit", "substitute", "ext_filter"];
    let directory = tempfile::tempdir().expect("a temporary directory").keep();
    test_support::process::remove_at_end(&directory);
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let script = directory.join("upper.lua");
    let text = "function filter(r)\n coroutine.yield()\n while bucket ~= nil do\n  \
                coroutine.yield(string.upper(bucket))\n end\nend\n";
    fs::write(&script, text).expect("it is ours");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let mut setup = Httpd::setup()
        .modules(&modules)
        .conf(&format!("LuaOutputFilter UPPER \"{}\" filter", script.display()))
        .conf("ExtFilterDefine CAT mode=output cmd=/bin/cat")
        .conf(&filters::load());
    for (name, lines) in FILTERS {
        let pass = format!("ProxyPass ajp://127.0.0.1:{}/{name}", peer.port());
        setup = setup.conf(&format!("<Location /{name}>\n{pass}\n{lines}\n</Location>"));
    }
    setup
}

const ENDINGS: [&str; 3] = ["flushed", "unflushed", "announced"];

#[test]
fn an_http_1_client_never_sees_a_complete_answer() {
    let peer = breaking_off();
    let httpd = front(&peer).start();
    let mut complete = Vec::new();
    for (filter, _) in FILTERS {
        let ask = |ending: &str| {
            let mut client = httpd.client();
            let path = format!("/{filter}/{ending}");
            let answer = client.request("GET", &path, "Accept-Encoding: gzip\r\n", b"");
            (client, answer)
        };
        assert!(!ask("whole").1.expect(200).body.is_empty(), "{filter}");
        for ending in ENDINGS {
            let (mut client, answer) = ask(ending);
            // If nothing has been sent to the client yet, there is still time for a 502.
            if answer.status != 502 && answer.complete {
                complete.push(format!("{filter}/{ending}"));
            } else if !answer.complete {
                assert!(client.ends(), "{filter}/{ending}: the connection is closed");
            }
        }
    }
    assert_eq!(complete, [""; 0], "these look complete");
}

/// Asks with curl, which knows for each protocol when an answer is complete.
fn never_complete(httpd: &Httpd, arguments: &[&str], scheme: &str) {
    let curl = |path: &str| {
        let output = Command::new("curl")
            .args(["--silent", "--max-time", "60", "--noproxy", "*", "--output", "/dev/null"])
            .args(["--write-out", "%{http_code}", "--header", "Accept-Encoding: gzip"])
            .args(arguments)
            .arg(format!("{scheme}://localhost:{}{path}", httpd.port()))
            .output()
            .expect("curl is installed (ci/setup)");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let mut complete = Vec::new();
    for (filter, _) in FILTERS {
        assert_eq!(curl(&format!("/{filter}/whole")), (Some(0), "200".into()), "{filter}");
        for ending in ENDINGS {
            let path = format!("/{filter}/{ending}");
            let (code, status) = curl(&path);
            if status != "502" && code == Some(0) {
                complete.push(path);
            }
        }
    }
    assert_eq!(complete, [""; 0], "these look complete with {arguments:?}");
}

#[test]
fn a_tls_client_never_sees_a_complete_answer_whatever_the_version_of_http() {
    let peer = breaking_off();
    let certificates = Certificates::new();
    let authority = certificates.file("ca.pem").to_str().expect("ASCII").to_owned();
    let directory = certificates.directory().display();
    let httpd = front(&peer)
        .modules(&["socache_shmcb", "ssl", "http2"])
        .conf("Protocols h2 http/1.1\nSSLEngine On")
        .conf(&format!("SSLCertificateFile \"{directory}/server.pem\""))
        .conf(&format!("SSLCertificateKeyFile \"{directory}/server.key\""))
        .start();
    for version in [&["--http1.0", "--no-alpn"][..], &["--http1.1"], &["--http2"]] {
        let arguments = [version, &["--cacert", &authority]].concat();
        never_complete(&httpd, &arguments, "https");
    }
}

#[test]
fn an_http_2_client_without_tls_never_sees_a_complete_answer_and_its_other_streams_continue() {
    let peer = breaking_off();
    let httpd = front(&peer).modules(&["http2"]).conf("Protocols h2c http/1.1").start();

    never_complete(&httpd, &["--http2-prior-knowledge"], "http");

    // One connection, with one stream that is cut and one that is not.
    let url = |path: &str| format!("http://localhost:{}{path}", httpd.port());
    let output = Command::new("nghttp")
        .args(["--verbose", "--null-out", "--timeout=60"])
        .args([url("/sed/flushed"), url("/sed/whole")])
        .output()
        .expect("nghttp is installed (ci/setup)");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.matches("recv RST_STREAM frame").count(), 1, "{said}");
    let whole =
        format!("recv DATA frame <length={}, flags=0x01", TEXT.replace("line", "row").len() + 1);
    assert!(said.contains(&whole), "the other stream has its end: {said}");
}

#[test]
fn a_filter_that_fails_while_the_client_is_there_cuts_the_response() {
    let peer = ScriptedPeer::start(|conn| {
        while conn.read_packet()?.is_some() {
            conn.send([headers(200).into_bytes(), chunk("the beginning"), flush()].concat())?;
            for _ in 0..200 {
                // It may be closed in the middle of this.
                let _ = conn.send(chunk(vec![b'x'; 8000]));
            }
            let _ = conn.send(end_response());
        }
        Ok(())
    });
    let mut setup = front(&peer);
    for filter in ["RESET", "BROKEN_PIPE"] {
        let pass = format!("ProxyPass ajp://127.0.0.1:{}/{filter}", peer.port());
        let lines = format!("{pass}\nSetOutputFilter {filter}");
        setup = setup.conf(&format!("<Location /{filter}>\n{lines}\n</Location>"));
    }
    let httpd = setup.start();
    for filter in ["RESET", "BROKEN_PIPE"] {
        let mut client = httpd.client();
        let answer = client.request("GET", &format!("/{filter}/x"), "", b"");

        let log = wait_for("the failure is in the log", || {
            let log = httpd.error_log();
            log.contains("while reading the response body").then_some(log)
        });
        assert!(answer.status >= 500 || !answer.complete, "{filter}: {} {log}", answer.status);
        assert!(client.ends(), "{filter}: the connection is closed");
        assert!(!log.contains("the client is gone"), "{filter}: {log}");
        assert!(log.contains("an output filter failed with status"), "{filter}: {log}");
    }
}

#[test]
fn a_page_that_includes_a_response_that_is_cut_is_not_complete_and_nothing_follows_it() {
    let peer = breaking_off();
    let httpd = front(&peer)
        .modules(&["include"])
        .conf("AddOutputFilter INCLUDES .shtml\nAddType text/html .shtml")
        .conf("<Location />\nOptions +Includes\n</Location>")
        .start();
    for ending in ENDINGS {
        for (size, filter) in [(10, "none"), (100_000, "none"), (10, "sed"), (100_000, "sed")] {
            let fill = "x".repeat(size);
            let page = format!("{fill}<!--#include virtual=\"/{filter}/{ending}\" -->{fill}\n");
            fs::write(httpd.root().join("htdocs/page.shtml"), page).expect("it is ours");
            let mut client = httpd.client();
            let answer = client.get("/page.shtml");

            let what = format!("{size} {filter}/{ending}");
            assert!(answer.status == 502 || !answer.complete, "{what}: {answer:?}");
            if answer.complete {
                let next = client.try_get("/none/whole");
                assert!(next.is_none_or(|next| next.text() == TEXT), "{what}");
            }
        }
    }
}

#[test]
fn an_http_1_0_client_sees_a_reset_if_nothing_else_can_show_that_the_response_is_incomplete() {
    let peer = breaking_off();
    let httpd = front(&peer).start();
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(httpd.address()).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("not zero");
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("it reads");
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        (String::from_utf8_lossy(&answer).into_owned(), end.map_err(|error| error.kind()))
    };
    for (filter, _) in FILTERS {
        assert!(ask(&format!("/{filter}/whole")).1.is_ok(), "{filter}");
        for ending in ["flushed", "unflushed"] {
            let (answer, end) = ask(&format!("/{filter}/{ending}"));
            let is_error_page = answer.starts_with("HTTP/1.1 502 ");
            assert!(is_error_page || end == Err(ErrorKind::ConnectionReset), "{filter}: {answer}");
        }
    }
}
