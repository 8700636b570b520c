//! Recovery from errors: a member in error is back as soon as it answers. And what belongs to errors:
//! malformed bodies, members of other schemes, and the environment.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use test_support::ajp::echo::{read_body, respond};
use test_support::ajp::request::{body_data, forward_request};
use test_support::ajp::{
    ForwardRequest, PeerConnection, ScriptedPeer, chunk, end_response, get_body_chunk, headers,
};
use test_support::http::Client;
use test_support::httpd::Httpd;
use test_support::members::{Gate, balancer, is_in_error, one_child, serve};
use test_support::process::{free_port, wait_for};

/// What the container got of each request body: the bytes, and whether it got their end.
type Uploads = Arc<Mutex<Vec<(Vec<u8>, bool)>>>;

/// Asks for the whole body of each request, then answers.
fn collects(uploads: Uploads) -> ScriptedPeer {
    ScriptedPeer::start(move |conn| {
        while let Some(payload) = conn.read_packet()? {
            forward_request(&payload)?;
            let at = {
                let mut all = uploads.lock().unwrap_or_else(PoisonError::into_inner);
                all.push((Vec::new(), false));
                all.len() - 1
            };
            loop {
                conn.send(get_body_chunk(8186))?;
                let Some(payload) = conn.read_packet()? else { return Ok(()) };
                let data = body_data(&payload)?;
                let mut all = uploads.lock().unwrap_or_else(PoisonError::into_inner);
                all[at].1 = data.is_empty();
                all[at].0.extend_from_slice(&data);
                if data.is_empty() {
                    break;
                }
            }
            conn.send(headers(200))?;
            conn.send(chunk("stored"))?;
            conn.send(end_response())?;
        }
        Ok(())
    })
}

#[test]
fn a_chunked_upload_that_becomes_malformed_never_reaches_the_container_as_complete() {
    let uploads = Uploads::default();
    let peer = collects(Arc::clone(&uploads));
    let httpd =
        Httpd::setup().conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port())).start();
    let mut client = httpd.client();
    client.send(
        "POST /app/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\nthis is no chunk size\r\n",
    );
    let answer = client.response("POST");
    let rest = client.try_response("POST");
    // The client has its answer before the container has read the last packet.
    peer.wait_for_requests(1);
    peer.wait_for_open_connections(0);
    let seen = uploads.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(
        (answer.status, rest.map(|rest| rest.status), seen),
        (400, None, vec![(b"hello".to_vec(), false)]),
        "{}",
        answer.text()
    );
    assert!(!answer.text().contains("stored"), "{}", answer.text());
}

/// An HTTP server that answers each connection's one request with 200, and refuses connections while it
/// is down.
fn http_server(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhttp",
            );
        }
    });
}

fn uris() -> ScriptedPeer {
    ScriptedPeer::start(test_support::ajp::echo::uris)
}

#[test]
fn an_http_member_beside_an_ajp_member_comes_back_after_its_retry() {
    let (port, ajp) = (free_port(), uris());
    let members = [
        format!("http://127.0.0.1:{port} route=a retry=1"),
        format!("ajp://127.0.0.1:{} route=b", ajp.port()),
    ];
    let httpd = balancer(one_child().modules(&["proxy_http"]), &members).start();
    for _ in 0..4 {
        httpd.get("/app/x").expect(200);
    }
    http_server(port);
    wait_for("the http member is asked again", || {
        (httpd.get("/app/x").expect(200).text() == "http").then_some(())
    });
}

#[test]
fn the_environment_says_where_the_session_was_found() {
    let (a, b) = (uris(), uris());
    let httpd = one_child()
        .conf(&format!(
            "<Proxy balancer://members>\nBalancerMember ajp://127.0.0.1:{} route=a\n\
             BalancerMember ajp://127.0.0.1:{} route=b\n\
             ProxySet stickysession=JSESSIONID|jsessionid scolonpathdelim=On\n</Proxy>\n\
             ProxyPass /app balancer://members/app\n\
             Header set X-Sticky expr=%{{reqenv:BALANCER_SESSION_STICKY}}",
            a.port(),
            b.port()
        ))
        .modules(&["headers"])
        .start();
    let answer = httpd.get("/app/p;jsessionid=x.b").expect(200);
    assert_eq!(answer.header("X-Sticky"), Some("jsessionid"));
    let answer = httpd.request("GET", "/app/p", "Cookie: JSESSIONID=x.b\r\n").expect(200);
    assert_eq!(answer.header("X-Sticky"), Some("JSESSIONID"));
}

/// Puts the member at `port`, which is not up yet, in error.
fn fail(httpd: &Httpd, port: u16) {
    while !is_in_error(httpd, port) {
        httpd.get("/app/x").expect(200);
    }
}

fn start_at(port: u16, gate: Gate) -> ScriptedPeer {
    ScriptedPeer::start_at(([127, 0, 0, 1], port).into(), move |conn| {
        while let Some(payload) = conn.read_packet()? {
            let uri = forward_request(&payload)?.uri;
            conn.send(headers(200))?;
            conn.send(chunk(format!("a {uri}")))?;
            if uri.ends_with("/held") {
                gate.wait();
            }
            conn.send(end_response())?;
        }
        Ok(())
    })
    .expect("the port is free")
}

#[test]
fn a_member_is_back_with_the_first_packet_of_its_answer() {
    let (port, b, gate) = (free_port(), uris(), Gate::default());
    let members = [
        format!("ajp://127.0.0.1:{port} route=a retry=1 flushpackets=on"),
        format!("ajp://127.0.0.1:{} route=b", b.port()),
    ];
    let httpd = balancer(one_child(), &members).start();
    fail(&httpd, port);
    let _a = start_at(port, gate.clone());
    std::thread::sleep(Duration::from_millis(1200));
    // The probe: its response has begun, and takes its time.
    let mut long = httpd.client();
    long.send("GET /app/held HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(long.head().status, 200);
    let session = httpd.request("GET", "/app/x", "Cookie: JSESSIONID=x.a\r\n").expect(200).text();
    let error = is_in_error(&httpd, port);
    gate.open();
    assert_eq!((session.as_str(), error), ("a /app/x", false));
}

#[test]
fn a_request_that_is_refused_itself_does_not_keep_a_member_in_error() {
    let (port, b) = (free_port(), uris());
    let members = [
        format!("ajp://127.0.0.1:{port} route=a retry=3"),
        format!("ajp://127.0.0.1:{} route=b", b.port()),
    ];
    let setup = one_child().conf("LimitRequestFieldSize 100000\nProxyIOBufferSize 8192");
    let httpd = balancer(setup, &members).start();
    fail(&httpd, port);
    let _a = start_at(port, Gate::default());
    std::thread::sleep(Duration::from_millis(3200));
    let large = format!("X-Large: {}\r\n", "x".repeat(20_000));
    assert_eq!(httpd.request("GET", "/app/x", &large).status, 431);
    let answers: Vec<_> = (0..4).map(|_| httpd.get("/app/x").expect(200).text()).collect();
    assert!(answers.iter().any(|text| text.starts_with("a ")), "{answers:?}");
}

/// Answers each request with its own name and the body, at once, or for `…/held` when the gate is open.
fn tells(word: &'static str, gate: Gate) -> impl Fn(&mut PeerConnection) -> io::Result<()> {
    move |conn| {
        serve(conn, &|conn: &mut PeerConnection, request: &ForwardRequest| {
            if request.uri.ends_with("/held") {
                gate.wait();
            }
            let body = read_body(conn, request, 8192)?;
            respond(conn, &format!("{word} {}", String::from_utf8_lossy(&body))).map(|()| true)
        })
    }
}

fn telling(word: &'static str) -> ScriptedPeer {
    ScriptedPeer::start(tells(word, Gate::default()))
}

fn telling_at(port: u16, word: &'static str, gate: Gate) -> ScriptedPeer {
    ScriptedPeer::start_at(([127, 0, 0, 1], port).into(), tells(word, gate))
        .expect("the port is free")
}

/// A balancer of `first`, which is in error, and `second`; `retry` has passed when this returns.
fn in_error(first: u16, second: &str) -> Httpd {
    let members = [format!("ajp://127.0.0.1:{first} route=a retry=1"), format!("{second} route=b")];
    let httpd = balancer(one_child().modules(&["proxy_http"]), &members).start();
    fail(&httpd, first);
    std::thread::sleep(Duration::from_millis(1200));
    httpd
}

/// A POST whose head httpd has, and whose body it waits for: it has sent 100.
fn post_without_its_body(httpd: &Httpd, announced: &str) -> Client {
    let mut client = httpd.client();
    client.send(format!(
        "POST /app/x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n{announced}\r\n\r\n"
    ));
    assert_eq!(client.head().status, 100);
    client
}

const ANNOUNCED: [(&str, &str); 2] =
    [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")];

#[test]
fn a_post_that_sends_nothing_of_its_body_does_not_keep_a_member_that_is_back_in_error() {
    for (announced, body) in ANNOUNCED {
        let (port, b) = (free_port(), telling("b"));
        let httpd = in_error(port, &format!("ajp://127.0.0.1:{}", b.port()));
        let _a = telling_at(port, "a", Gate::default());
        let mut waiting = post_without_its_body(&httpd, announced);

        wait_for("a serves again", || {
            httpd.get("/app/x").expect(200).text().starts_with("a ").then_some(())
        });
        waiting.send(body);
        let answer = waiting.response("POST").expect(200).text();
        assert!(answer.ends_with(" hello"), "{announced}: {answer}");
    }
}

#[test]
fn a_site_with_nothing_but_posts_gets_a_member_back() {
    for (announced, body) in ANNOUNCED {
        let (port, b) = (free_port(), telling("b"));
        let httpd = in_error(port, &format!("ajp://127.0.0.1:{}", b.port()));
        let a = telling_at(port, "a", Gate::default());
        let post = || {
            httpd.client().request("POST", "/app/x", &format!("{announced}\r\n"), body.as_bytes())
        };

        let answers: Vec<_> = (0..4).map(|_| post().expect(200).text()).collect();
        assert!(answers.iter().all(|answer| answer.ends_with(" hello")), "{answers:?}");
        assert!(answers.iter().any(|answer| answer == "a hello"), "{answers:?}");
        assert!(!is_in_error(&httpd, a.port()));
    }
}

#[test]
fn a_member_is_back_once_it_asks_for_more_of_a_body() {
    let (port, b) = (free_port(), telling("b"));
    let httpd = in_error(port, &format!("ajp://127.0.0.1:{}", b.port()));
    let a = telling_at(port, "a", Gate::default());
    let mut client = httpd.client();
    client.send("POST /app/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello");
    a.wait_for_requests(1);

    // It has the first piece, and waits for a client that sends no more.
    wait_for("a is back", || (!is_in_error(&httpd, port)).then_some(()));
    client.send("hello");
    assert_eq!(client.response("POST").expect(200).text(), "a hellohello");
}

#[test]
fn a_body_that_was_read_for_a_member_in_error_reaches_a_member_of_another_scheme() {
    let long = "x".repeat(100_000);
    let chunks = format!("186a0\r\n{long}\r\n0\r\n\r\n");
    for (announced, body, length) in [
        ("Content-Length: 5", "hello", 5),
        ("Content-Length: 100000", &long, 100_000),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n", 5),
        ("Transfer-Encoding: chunked", &chunks, 100_000),
    ] {
        let (port, http, gate) = (free_port(), free_port(), Gate::default());
        counting_http_server(http);
        let httpd = in_error(port, &format!("http://127.0.0.1:{http}"));
        let a = telling_at(port, "a", gate.clone());
        let mut waiting = post_without_its_body(&httpd, announced);
        // Another request is the probe of a, without a result so far.
        let mut asking = httpd.client();
        asking.send("GET /app/held HTTP/1.1\r\nHost: localhost\r\n\r\n");
        a.wait_for_requests(1);

        waiting.send(body);
        assert_eq!(waiting.response("POST").expect(200).text(), length.to_string(), "{announced}");
        gate.open();
        assert_eq!(asking.response("GET").expect(200).text(), "a ");
    }
}

#[test]
fn a_body_that_was_read_for_a_member_that_refused_reaches_a_member_of_another_scheme() {
    let long = "x".repeat(100_000);
    for (headers, body) in [
        ("Content-Length: 5\r\n", "hello"),
        ("Content-Length: 100000\r\n", long.as_str()),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    ] {
        let http = free_port();
        counting_http_server(http);
        let members = [
            format!("ajp://127.0.0.1:{} route=a", free_port()),
            format!("http://127.0.0.1:{http} route=b lbset=1"),
        ];
        let httpd = balancer(one_child().modules(&["proxy_http"]), &members).start();

        let answer = httpd.client().request("POST", "/app/x", headers, body.as_bytes());
        let length = if body == long { "100000" } else { "5" };
        assert_eq!(answer.expect(200).text(), length, "{headers}");
    }
}

/// An HTTP server that answers each connection's one request with the length of its body.
fn counting_http_server(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let _ = count_body(BufReader::new(stream));
        }
    });
}

fn count_body(mut stream: BufReader<TcpStream>) -> io::Result<()> {
    let (mut line, mut length, mut is_chunked) = (String::new(), 0, false);
    while stream.read_line(&mut line)? > 2 {
        let header = line.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        is_chunked |= header.starts_with("transfer-encoding: chunked");
        line.clear();
    }
    let mut count = length;
    stream.read_exact(&mut vec![0; length])?;
    while is_chunked {
        line.clear();
        stream.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        stream.read_exact(&mut vec![0; size + 2])?;
        count += size;
        is_chunked = size > 0;
    }
    let (count, close) = (count.to_string(), "Connection: close");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{close}\r\n\r\n", count.len());
    stream.get_mut().write_all((head + &count).as_bytes())
}

#[test]
fn a_body_that_fails_before_a_member_is_chosen_is_the_client_s_fault_and_answered_once() {
    let (port, b) = (free_port(), telling("b"));
    let httpd = in_error(port, &format!("ajp://127.0.0.1:{}", b.port()));
    let a = telling_at(port, "a", Gate::default());
    let mut client = httpd.client();
    client.send(
        "POST /app/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
    );

    assert_eq!(client.response("POST").status, 400);
    assert!(client.ends(), "one answer, and the connection is closed");
    assert_eq!((a.requests(), b.errors()), (0, Vec::new()));
    assert!(is_in_error(&httpd, port), "nobody has found anything out");
    wait_for("the next request asks a", || {
        httpd.get("/app/x").expect(200).text().starts_with("a ").then_some(())
    });
}
