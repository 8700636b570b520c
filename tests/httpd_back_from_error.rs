//! A member in error is back as soon as it answers, and what else goes with errors: bodies that turn out
//! malformed, members of other schemes, what the environment says.
#![cfg(feature = "httpd")]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use support::ajp::request::{body_data, forward_request};
use support::ajp::{ScriptedPeer, chunk, end_response, get_body_chunk, headers};
use support::httpd::Httpd;
use support::members::{Gate, balancer, is_in_error, one_child};
use support::process::{free_port, wait_for};

/// What the container was told of each request body: the bytes, and whether it was told of their end.
type Uploads = Arc<Mutex<Vec<(Vec<u8>, bool)>>>;

/// Asks for the body of each request to its end, then answers.
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
fn a_chunked_upload_that_becomes_malformed_is_never_told_to_the_container_as_complete() {
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
    // The client has its answer before the container has read what was sent to it.
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

/// An HTTP server that answers each connection's one request with 200; refuses while it is not there.
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
    ScriptedPeer::start(support::ajp::echo::uris)
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

/// Puts the member at `port`, which is not there yet, in error.
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
fn a_member_is_back_once_it_answers_and_not_only_when_the_answer_has_ended() {
    let (port, b, gate) = (free_port(), uris(), Gate::default());
    let members = [
        format!("ajp://127.0.0.1:{port} route=a retry=1 flushpackets=on"),
        format!("ajp://127.0.0.1:{} route=b", b.port()),
    ];
    let httpd = balancer(one_child(), &members).start();
    fail(&httpd, port);
    let _a = start_at(port, gate.clone());
    std::thread::sleep(Duration::from_millis(1200));
    // The one that asks: its answer has begun, and takes its time.
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
