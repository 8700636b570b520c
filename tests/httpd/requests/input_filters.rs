//! Request bodies behind filters of httpd's that deliver nothing, for a while or forever.

use std::fs;

use test_support::ajp::ScriptedPeer;
use test_support::filters;
use test_support::httpd::{Httpd, Setup};

fn behind(filter: &str, peer: &ScriptedPeer) -> Setup {
    let lines = format!(
        "<Location /app>\nProxyPass ajp://127.0.0.1:{}/app\nSetInputFilter {filter}\n</Location>",
        peer.port()
    );
    Httpd::setup().conf(&filters::load()).conf(&lines)
}

/// The head of a POST, and its framed body.
const UPLOADS: [(&str, &str); 2] = [
    ("Content-Length: 5\r\n", "hello"),
    ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
];

/// The processor time that httpd's processes have used, in hundredths of seconds.
fn computed(httpd: &Httpd) -> u64 {
    let of = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>()
    };
    httpd.children().into_iter().map(of).sum()
}

#[test]
fn an_input_filter_that_delivers_nothing_forever_is_a_408_after_timeout_and_keeps_no_thread_busy() {
    let peer = ScriptedPeer::echo();
    // The container has longer than the filter.
    let httpd = behind("NOTHING", &peer).conf("Timeout 2\nProxyTimeout 60").start();
    for (head, body) in UPLOADS {
        let before = computed(&httpd);
        let answer = httpd.client().request("POST", "/app/x", head, body.as_bytes());

        assert_eq!(answer.status, 408, "{head}");
        // Without pauses it would have been two seconds.
        let spent = computed(&httpd) - before;
        assert!(spent < 100, "{head}: {spent} hundredths of a second");
    }
    let log = httpd.error_log();
    assert!(log.contains("httpd's input filters delivered nothing of the request body"), "{log}");
    // The container that asked for it cannot use its connection any more.
    peer.wait_for_open_connections(0);
}

#[test]
fn an_input_filter_that_delivers_nothing_for_a_while_loses_no_byte_of_the_body() {
    let peer = ScriptedPeer::echo();
    let httpd = behind("HESITATING", &peer).start();
    for (head, body) in UPLOADS {
        let answer = httpd.client().request("POST", "/app/x", head, body.as_bytes()).expect(200);
        assert!(answer.text().contains("body-length: 5\n"), "{head}: {}", answer.text());
    }
}
