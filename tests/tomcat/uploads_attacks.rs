//! Request bodies made of AJP packets, for applications that stop reading: none of them becomes a request.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use test_support::httpd::Httpd;
use test_support::members::one_child;
use test_support::process::wait_for;
use test_support::tomcat::Tomcat;

/// How many bodies are tried.
fn tries() -> usize {
    let wanted = std::env::var("AJP_TRIES").ok();
    wanted.map_or(2_000, |tries| tries.parse().expect("AJP_TRIES is a number"))
}

const WORKERS: [&str; 4] = ["nio/8186", "nio/262144", "nio2/8186", "nio2/262144"];

/// The payload of a GET for `/app/count/`, which is counted before anything else.
fn forward_request(length: usize) -> Vec<u8> {
    let string = |text: &str| {
        let length = u16::try_from(text.len()).expect("a short one").to_be_bytes();
        [&length[..], text.as_bytes(), &[0]].concat()
    };
    let mut payload = vec![2, 2];
    payload.extend(string("HTTP/1.1"));
    payload.extend(string("/app/count/"));
    payload.extend(string("192.0.2.1"));
    payload.extend([0xff, 0xff]);
    payload.extend(string("localhost"));
    payload.extend([0, 80, 0, 0, 0]);
    payload.push(5);
    payload.extend(string("id=attack"));
    payload.push(0xff);
    payload.resize(length, 0);
    payload
}

fn packet(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a short one").to_be_bytes();
    [&[0x12, 0x34][..], &length, payload].concat()
}

/// A body, how it is cut into what the client sends at a time, and where the application stops.
#[derive(Clone, Debug)]
struct Attack {
    worker: &'static str,
    /// 0: whole packets; 1: CPING; 2: what is behind the first two bytes of a FORWARD_REQUEST, in pieces of 514
    /// bytes, whose length begins with the type of one; 3: one such piece behind full packets.
    kind: u8,
    offset: usize,
    length: usize,
    piece: usize,
    stop: usize,
    chunked: bool,
}

prop_compose! {
    fn attacks()(
        worker in prop::sample::select(&WORKERS[..]),
        (kind, chunked) in (0_u8..4, any::<bool>()),
        (offset, length) in (0_usize..8_200, 1_usize..400_000),
        piece in prop_oneof![Just(514_usize), Just(8_186), 1_usize..20_000, Just(1_000_000)],
        stop in prop_oneof![0_usize..20_000, 0_usize..400_000],
    ) -> Attack {
        match kind {
            3 => {
                let offset = (1 + offset % 6) * 8_186;
                // Within the last full packet, mostly.
                let stop = offset - stop % 8_185;
                Attack { worker, kind, offset, length: offset + 514, piece, stop, chunked }
            }
            _ => Attack { worker, kind, offset, length, piece, stop, chunked },
        }
    }
}

impl Attack {
    fn body(&self) -> Vec<u8> {
        let unit = match self.kind {
            0 => packet(&forward_request(300)),
            1 => packet(&[0x0a]),
            _ => forward_request(516).split_off(2),
        };
        let bytes = unit.iter().copied().cycle();
        let offset = if self.kind == 2 { self.offset / 514 * 514 } else { self.offset };
        vec![b'x'; offset].into_iter().chain(bytes).take(self.length).collect()
    }

    /// Sends it, and expects the application's own answer, or 502: where a container closes with packets
    /// unread, its kernel may drop what it has not sent yet of the answer.
    fn run(&self, httpd: &Httpd) {
        let mut client = httpd.client();
        let body = self.body();
        let framing = match self.chunked {
            true => "Transfer-Encoding: chunked".into(),
            false => format!("Content-Length: {}", body.len()),
        };
        client.send(format!(
            "POST /{}/reads?read={} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n",
            self.worker, self.stop
        ));
        for piece in body.chunks(self.piece) {
            let sent = match self.chunked {
                true => {
                    let size = format!("{:x}\r\n", piece.len()).into_bytes();
                    client.try_send([&size[..], piece, b"\r\n"].concat())
                }
                false => client.try_send(piece),
            };
            if sent.is_err() {
                break;
            }
        }
        if self.chunked {
            let _ = client.try_send("0\r\n\r\n");
        }
        let answer = client.response("POST");
        if answer.status == 502 {
            return;
        }
        let answer = answer.expect(200);
        let read = self.stop.min(body.len());
        assert_eq!(answer.said("length"), read.to_string(), "{self:?}");
    }
}

#[test]
fn no_body_becomes_a_request_wherever_the_application_stops_reading() {
    let kinds = ["AjpNioProtocol", "AjpNio2Protocol"];
    let more = kinds.map(|kind| format!("protocol='org.apache.coyote.ajp.{kind}'"));
    let more: Vec<&str> = more.iter().flat_map(|more| [&**more, &**more]).collect();
    let tomcat = Tomcat::start_logging(&more);
    let conf: String = WORKERS
        .iter()
        .zip(&tomcat.more_ports)
        .map(|(worker, port)| {
            let window = worker.rsplit('/').next().unwrap_or_default();
            format!("ProxyPass /{worker}/ ajp://127.0.0.1:{port}/app/ uploadahead={window}\n")
        })
        .collect();
    let httpd = one_child().conf(&conf).conf("LogLevel warn").start();
    let (tries, tried) = (tries(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut runner = TestRunner::default();
                while tried.fetch_add(1, Relaxed) < tries {
                    let attack = attacks().new_tree(&mut runner).expect("an attack").current();
                    attack.run(&httpd);
                }
            });
        }
    });
    let count = || httpd.get("/nio/8186/count/report").expect(200).said("ids");
    assert_eq!(count(), "0");
    // Each request that Tomcat has seen is one that was sent, and so has the access log.
    let log = tomcat.access_log();
    let others = |line: &&str| !["POST /app/reads", "GET /app/count/report"].contains(line);
    assert_eq!(log.lines().find(others), None);
    let seen = log.lines().filter(|line| line.starts_with("POST ")).count();
    assert!(seen > tries / 2 && seen <= tries, "{seen} of {tries}");
    // The same bytes are a request where they come first; so is a body packet of this length.
    let body_packet = [&[0x12, 0x34, 2, 4, 2, 2][..], &forward_request(516)[2..]].concat();
    for bytes in [packet(&forward_request(300)), body_packet] {
        let mut direct =
            TcpStream::connect(("127.0.0.1", tomcat.more_ports[0])).expect("it listens");
        direct.write_all(&bytes).expect("it reads");
        assert!(direct.read(&mut [0; 100]).expect("an answer") > 4);
    }
    assert_eq!(count(), "1", "one id");
    wait_for("both are in the access log", || {
        let log = tomcat.access_log();
        (log.lines().filter(|line| *line == "GET /app/count/").count() == 2).then_some(())
    });
    let most = httpd.get("/nio/8186/count/report").expect(200).said("most");
    assert_eq!(most, "2");
}
