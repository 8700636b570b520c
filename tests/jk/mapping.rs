//! Mappings after `jk2ajp`: rows 92, 95, 96 and 99 of what mod_jk's users know (see `jk/reuse.rs`).
//!
//! Where the others of the rows 89-100, and rows 13 and 40, are tested:
//!
//! | row | file | test |
//! |---|---|---|
//! | 13 | `migrate/golden.rs` | `22-as-1.2.6-read-it`: `node2` has no `cachesize` |
//! | 40 | `migrate/golden.rs` | `21-workers-that-cannot-be` |
//! | 89-91, 94 | `migrate/behaviour.rs` | beside mod_jk: 01, 02, 03 and 04, 20; `/app` and `/apple` are among the requests of all |
//! | 92 | `migrate/behaviour.rs` | paths written in more than one way, in all; above the root: here |
//! | 93 | `migrate/watch.rs`, `migrate/command.rs` | marked `// row 93`: by `jk2ajp --watch`, beside a running httpd; a broken line also in `src/migrate/read/rules.rs` |
//! | 97 | `migrate/command.rs` | marked `// row 97`; also in `src/migrate/read/definitions.rs` |
//! | 98, 100 | `httpd/requests/attributes.rs` | marked `// row N` |

use std::collections::HashMap;

use mod_proxy_ajp_rs::migrate::{Files, Input, convert};
use test_support::ajp::{ScriptedPeer, chunk, end_response, headers};
use test_support::httpd::{Httpd, Setup};
use test_support::members::{backend, named};

/// mod_jk's files, in memory.
struct Memory {
    workers: String,
    map: &'static str,
}

impl Files for Memory {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        Ok(if path == "map" { self.map.as_bytes() } else { self.workers.as_bytes() }.to_vec())
    }
    fn find(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

/// An httpd with these rules as `jk2ajp` converts them, for a balancer `lb` of `a` and `b`.
fn migrated(setup: Setup, [a, b]: [&ScriptedPeer; 2], map: &'static str) -> Httpd {
    let workers = format!(
        "worker.list=lb\nworker.lb.type=lb\nworker.lb.balance_workers=a,b\n\
         worker.a.host=127.0.0.1\nworker.a.port={}\nworker.b.host=127.0.0.1\nworker.b.port={}\n",
        a.port(),
        b.port()
    );
    let input = Input {
        workers: Some("workers".into()),
        map: Some("map".into()),
        variables: HashMap::new(),
        ..Input::default()
    };
    let done = convert(&input, &Memory { workers, map }, &|_| None).expect("it is in memory");
    assert!(done.messages.is_empty(), "{:?}", done.messages);
    setup.conf(&done.files[0].text).start()
}

// row 92
#[test]
fn a_path_above_the_root_is_a_400_and_parameters_on_dots_lead_nowhere() {
    let (a, b) = (named("a"), named("b"));
    let httpd = migrated(Httpd::setup(), [&a, &b], "/app/*=lb");
    assert_eq!(httpd.get("/app/../../x").status, 400);
    for target in ["/app/..;v=1/other", "/app/x/..;/..;/other", "/app/.;/x", "/app/%2e%2e;/other"] {
        assert_eq!(httpd.get(target).status, 404, "{target}");
    }
    assert_eq!((a.requests(), b.requests()), (0, 0));
    httpd.get("/app/x/../y").expect(200);
}

// row 95
#[test]
fn jk_route_in_the_environment_names_the_member_whatever_the_session_says() {
    let (a, b) = (named("a"), named("b"));
    let setup = Httpd::setup().conf("SetEnvIf X-Node (.+) JK_ROUTE=$1");
    let httpd = migrated(setup, [&a, &b], "/app/*=lb");
    for _ in 0..5 {
        let headers = "Cookie: JSESSIONID=1.a\r\nX-Node: b\r\n";
        assert_eq!(httpd.request("GET", "/app/x", headers).expect(200).text(), "b");
        let headers = "Cookie: JSESSIONID=1.a\r\n";
        assert_eq!(httpd.request("GET", "/app/x", headers).expect(200).text(), "a");
    }
}

// row 96
#[test]
fn with_use_server_errors_httpd_s_own_page_is_sent_from_that_status_on() {
    let answer = |conn: &mut test_support::ajp::PeerConnection,
                  request: &test_support::ajp::ForwardRequest| {
        let status = request.uri.rsplit('/').next().and_then(|last| last.parse().ok());
        conn.send(headers(status.unwrap_or(200)))?;
        conn.send(chunk("of the backend"))?;
        conn.send(end_response())?;
        Ok(true)
    };
    let (a, b) = (backend(answer), backend(answer));
    let setup =
        Httpd::setup().conf("ErrorDocument 404 \"of httpd\"\nErrorDocument 503 \"of httpd\"");
    let map = "/all/*=lb;use_server_errors=400\n/some/*=lb;use_server_errors=500\n/none/*=lb";
    let httpd = migrated(setup, [&a, &b], map);
    for (target, status, page) in [
        ("/all/404", 404, "of httpd"),
        ("/all/200", 200, "of the backend"),
        ("/some/404", 404, "of the backend"),
        ("/some/503", 503, "of httpd"),
        ("/none/404", 404, "of the backend"),
        ("/none/503", 503, "of the backend"),
    ] {
        assert_eq!(httpd.get(target).expect(status).text(), page, "{target}");
    }
}

// row 99
#[test]
fn the_container_s_content_length_reaches_the_client() {
    let answer = |conn: &mut test_support::ajp::PeerConnection,
                  _: &test_support::ajp::ForwardRequest| {
        conn.send(headers(200).header("Content-Length", "5"))?;
        conn.send(chunk("12345"))?;
        conn.send(end_response())?;
        Ok(true)
    };
    let (a, b) = (backend(answer), backend(answer));
    let httpd = migrated(Httpd::setup(), [&a, &b], "/app/*=lb");
    let page = httpd.get("/app/x").expect(200);
    assert_eq!((page.header("Content-Length"), page.text().as_str()), (Some("5"), "12345"));
    assert_eq!(page.header("Transfer-Encoding"), None);
}

#[test]
fn a_rule_s_reply_timeout_is_for_its_requests_alone() {
    let answer = |conn: &mut test_support::ajp::PeerConnection,
                  request: &test_support::ajp::ForwardRequest| {
        if request.uri.ends_with("/app/slow") {
            return conn.expect_close().map(|()| false);
        }
        if request.uri.ends_with("/slow") {
            std::thread::sleep(std::time::Duration::from_millis(900));
        }
        conn.send(headers(200))?;
        conn.send(chunk("done"))?;
        conn.send(end_response())?;
        Ok(true)
    };
    let (a, b) = (backend(answer), backend(answer));
    let map = "/app/*=lb;reply_timeout=300\n/app/patient/*=lb";
    let httpd = migrated(Httpd::setup(), [&a, &b], map);
    assert_eq!(httpd.get("/app/slow").status, 504);
    httpd.get("/app/patient/slow").expect(200);
}

#[test]
fn the_status_worker_s_page_is_ajp_status_for_this_machine() {
    let a = named("a");
    let workers = format!(
        "worker.list=a,jkstatus\nworker.a.host=127.0.0.1\nworker.a.port={}\n\
         worker.jkstatus.type=status\nworker.jkstatus.read_only=1\n",
        a.port()
    );
    let input =
        Input { workers: Some("workers".into()), map: Some("map".into()), ..Input::default() };
    let memory = Memory { workers, map: "/*=a\n/jkstatus=jkstatus\n" };
    let done = convert(&input, &memory, &|_| None).expect("it is in memory");
    let httpd = Httpd::setup().conf(&done.files[0].text).start();
    assert_eq!(httpd.get("/other").expect(200).text(), "a");
    assert!(httpd.get("/jkstatus?mime=prop").expect(200).text().contains("worker."));
    let order = httpd.request("POST", "/jkstatus", "Content-Length: 0\r\n");
    assert_eq!(order.status, 403, "it is read only");
}
