//! Request bodies sent ahead of being asked for, to a real Tomcat: whole, and with applications that stop reading.

use std::fmt::Write as _;
use std::sync::OnceLock;

use serde_json::Value;
use test_support::http::{Client, Generated, Response, said, sha256};
use test_support::httpd::{Httpd, Setup};
use test_support::members::one_child;
use test_support::status::{number, report, with_status};
use test_support::tomcat::Tomcat;

/// The connectors that are tried, with a name for the URL of each.
const CONNECTORS: [(&str, &str); 3] = [
    ("nio", "protocol='org.apache.coyote.ajp.AjpNioProtocol'"),
    ("nio2", "protocol='org.apache.coyote.ajp.AjpNio2Protocol'"),
    ("large", "protocol='org.apache.coyote.ajp.AjpNioProtocol' packetSize='65536'"),
];

/// Bytes that may go ahead.
const WINDOWS: [usize; 4] = [0, 8186, 65_536, 262_144];

/// A Tomcat 10.1 and a Tomcat 9, with a connector of each kind for each window, so that each is a worker with
/// a pool of its own.
fn tomcats() -> &'static [(&'static str, Tomcat); 2] {
    static TOMCATS: OnceLock<[(&str, Tomcat); 2]> = OnceLock::new();
    TOMCATS.get_or_init(|| {
        let more = CONNECTORS.map(|(_, attributes)| [attributes; WINDOWS.len()]).concat();
        [("10", Tomcat::start_with(&more)), ("9", Tomcat::start_nine_with(&more))]
    })
}

/// The prefixes of all workers, `/RELEASE/CONNECTOR/WINDOW`, with port and window.
fn workers() -> impl Iterator<Item = (String, u16, usize)> {
    tomcats().iter().flat_map(|(release, tomcat)| {
        let kinds = CONNECTORS.iter().flat_map(|(name, _)| WINDOWS.map(|window| (name, window)));
        kinds.zip(&tomcat.more_ports).map(move |((name, window), port)| {
            (format!("/{release}/{name}/{window}"), *port, window)
        })
    })
}

/// A worker of each kind, and at `/once` one that closes the connection after each request.
fn setup() -> Setup {
    let mut conf = String::new();
    for (prefix, port, window) in workers() {
        writeln!(
            conf,
            "ProxyPass {prefix}/ ajp://127.0.0.1:{port}/app/ uploadahead={window}\n\
             ProxyPass /once{prefix}/ ajp://localhost:{port}/app/ uploadahead={window} forceclose=On",
        )
        .expect("a String");
    }
    with_status(one_child()).conf(&conf)
}

fn httpd() -> &'static Httpd {
    static HTTPD: OnceLock<Httpd> = OnceLock::new();
    HTTPD.get_or_init(|| setup().start())
}

fn post(client: &mut Client, target: &str, body: &[u8]) -> Response {
    let length = format!("Content-Length: {}\r\n", body.len());
    client.request("POST", target, &length, body)
}

fn chunked(client: &mut Client, target: &str, body: &[u8]) -> Response {
    client.request("POST", target, "Transfer-Encoding: chunked\r\n", &in_chunks(body))
}

fn in_chunks(body: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    for piece in body.chunks(10_000) {
        framed.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        framed.extend(piece);
        framed.extend(b"\r\n");
    }
    framed.extend(b"0\r\n\r\n");
    framed
}

/// Uploads `body` in both framings, and holds the answers against it.
fn arrives(client: &mut Client, target: &str, body: &[u8]) {
    let hash = sha256([body.to_vec()]);
    for answer in [post(client, target, body), chunked(client, target, body)] {
        let page = answer.expect(200).text();
        assert_eq!(said(&page, "length"), body.len().to_string(), "{target}");
        assert_eq!(said(&page, "sha256"), hash, "{target} {}", body.len());
    }
}

/// Sizes at the edges of packets, of the shortest one that goes ahead, and of several.
const SIZES: [u64; 11] =
    [1, 4095, 4096, 8186, 8187, 12_281, 12_282, 16_372, 16_373, 65_530, 300_000];

#[test]
fn bodies_of_every_size_at_the_edges_of_packets_arrive_whole() {
    let httpd = httpd();
    for (worker, ..) in workers() {
        let mut client = httpd.client();
        for size in SIZES {
            let body = Generated::bytes(size, size);
            for form in ["upload", "reads"] {
                arrives(&mut client, &format!("{worker}/{form}"), &body);
            }
        }
    }
}

#[test]
fn a_read_listener_gets_them_whole() {
    let httpd = httpd();
    for (worker, ..) in workers() {
        // Tomcat's NIO2 connector waits for itself on a connection that a ReadListener has had.
        let once = if worker.contains("/nio2/") { "/once" } else { "" };
        let mut client = httpd.client();
        for size in SIZES {
            let target = format!("{once}{worker}/reads?listener=1");
            arrives(&mut client, &target, &Generated::bytes(size, size));
        }
    }
}

#[test]
fn a_slow_reader_gets_them_whole() {
    let httpd = httpd();
    for (worker, ..) in workers() {
        let body = Generated::bytes(200_000, 1);
        arrives(&mut httpd.client(), &format!("{worker}/reads?ms=1"), &body);
    }
}

const BOUNDARY: &str = "----parts-of-a-form";

/// A form with a short field, a file of this size and a field behind it, and what the servlet says of it.
fn form(size: u64) -> (Vec<u8>, String) {
    let file = Generated::bytes(size, size);
    let parts = [
        ("name=\"first\"", "null", b"one".to_vec()),
        ("name=\"file\"; filename=\"a.bin\"", "a.bin", file),
        ("name=\"last\"", "null", vec![b'x'; 5000]),
    ];
    let (mut body, mut said) = (Vec::new(), String::new());
    for (disposition, file_name, data) in parts {
        let name = disposition.split('"').nth(1).expect("a name");
        let (length, hash) = (data.len(), sha256([data.clone()]));
        writeln!(said, "{name} {file_name} {length} {hash}").expect("a String");
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
        body.extend([head.as_bytes(), &data, b"\r\n"].concat());
    }
    body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    (body, said)
}

/// Sends this form in both framings.
fn form_arrives(client: &mut Client, worker: &str, size: u64) {
    let (body, said) = form(size);
    let kind = format!("Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n");
    let length = format!("{kind}Content-Length: {}\r\n", body.len());
    let chunked = format!("{kind}Transfer-Encoding: chunked\r\n");
    let target = format!("{worker}/multipart");
    for (headers, body) in [(length, &body), (chunked, &in_chunks(&body))] {
        let page = client.request("POST", &target, &headers, body).expect(200).text();
        assert_eq!(page, said, "{target} {size} {headers}");
    }
}

#[test]
fn the_parts_of_a_form_arrive_whole() {
    let httpd = httpd();
    for (worker, ..) in workers() {
        let mut client = httpd.client();
        for size in [0, 1, 8000, 65_536, 300_000] {
            form_arrives(&mut client, &worker, size);
        }
    }
}

#[test]
fn a_part_of_20_mb_arrives_whole() {
    let httpd = httpd();
    for (worker, ..) in workers().filter(|(_, _, window)| [8186, 262_144].contains(window)) {
        form_arrives(&mut httpd.client(), &worker, 20_000_000);
    }
}

/// Where an application stops reading: at once, in the first packet, at its end, in those that lie ahead, and
/// shortly before the end.
const STOPS: [u64; 8] = [0, 100, 8186, 8187, 10_000, 40_000, 300_000, 999_999];

#[test]
fn an_application_that_stops_reading_is_heard_and_its_connection_serves_no_other_request() {
    let httpd = httpd();
    let body = Generated::bytes(1_000_000, 2);
    for (worker, ..) in workers() {
        for (stop, status) in STOPS.iter().zip([401, 413, 200, 302].into_iter().cycle()) {
            let target = format!("{worker}/reads?read={stop}&status={status}");
            let answer = early(httpd, &target, &body).expect(status);
            let read = &body[..usize::try_from(*stop).expect("it is small")];
            assert_eq!(answer.said("length"), stop.to_string(), "{target}");
            assert_eq!(answer.said("sha256"), sha256([read.to_vec()]), "{target}");
            // Whatever has become of that connection, the next request has its own answer.
            let page = httpd.get(&format!("{worker}/echo/after?stop={stop}")).expect(200);
            assert_eq!(page.said("query"), format!("stop={stop}"), "{worker}");
        }
    }
    let report = report(httpd);
    let early: usize = report["pools"].as_array().expect("pools").iter().map(early_answers).sum();
    assert!(early >= 8, "{report}");
}

fn early_answers(pool: &Value) -> usize {
    number(&pool["closed"]["early_answer"])
}

/// Uploads to an application that may answer before the body has been sent. Where Tomcat closes with packets
/// unread, its kernel may drop what it has not sent yet of the answer, once in thousands: then once more.
fn early(httpd: &Httpd, target: &str, body: &[u8]) -> Response {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let answers = std::iter::repeat_with(|| {
        let mut client = httpd.client();
        client.send(&head);
        client.send(body);
        client.response("POST")
    });
    answers.take(4).find(|answer| answer.status != 502).expect("an answer that is not lost")
}

#[test]
fn an_answer_of_8_mb_that_is_written_before_the_body_is_read_meets_no_proxy_that_is_stuck() {
    const WRITTEN: usize = 8 << 20;
    let mut conf = String::new();
    for (release, tomcat) in tomcats() {
        let (socket, port) = (tomcat.socket.display(), tomcat.port);
        writeln!(
            conf,
            "ProxyPass /{release}/tcp/ ajp://127.0.0.1:{port}/app/ uploadahead=262144 \
             receivebuffersize=4096\n\
             ProxyPass /{release}/unix/ unix:{socket}|ajp://localhost{release}/app/ uploadahead=262144"
        )
        .expect("a String");
    }
    let httpd = one_child().conf(&conf).start();
    let body = Generated::bytes(2_000_000, 3);
    let hash = sha256([body.clone()]);
    for worker in ["10/tcp", "10/unix", "9/tcp", "9/unix"] {
        for round in 0..3 {
            // So that the window is open when it matters.
            arrives(&mut httpd.client(), &format!("/{worker}/upload"), &body);
            for listener in [0, 1] {
                let mut client = httpd.client();
                let target = format!("/{worker}/reads?write={WRITTEN}&listener={listener}");
                let answer = at_once(&mut client, &target, &body).expect(200);
                assert!(answer.body.len() > WRITTEN, "{target} {round}");
                let page = String::from_utf8_lossy(&answer.body[WRITTEN..]);
                assert_eq!(said(&page, "length"), "2000000", "{target} {round}");
                assert_eq!(said(&page, "sha256"), hash, "{target} {round}");
            }
        }
    }
}

/// Uploads from one thread while another one reads the answer.
fn at_once(client: &mut Client, target: &str, body: &[u8]) -> Response {
    let mut sender = client.sender();
    std::thread::scope(|scope| {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        scope.spawn(move || {
            sender.send(head);
            sender.send(body);
        });
        client.response("POST")
    })
}
