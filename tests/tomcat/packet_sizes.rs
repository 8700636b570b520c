//! How large a request may be: the container is asked, and no client's request can change the answer.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;

use test_support::ajp::ScriptedPeer;
use test_support::ajp::echo::uris_within;
use test_support::http::Client;
use test_support::httpd::{Httpd, Mpm, Setup};
use test_support::members::one_child;
use test_support::process::{free_port, wait_for};
use test_support::relay::Relay;
use test_support::status::{number, pool, report, with_status};
use test_support::tomcat::{SECRET, Tomcat};

const SIZES: [usize; 3] = [8192, 16_384, 65_536];

/// A Tomcat with a connector of each kind, and the packet size that each accepts.
fn tomcat() -> &'static (Tomcat, Vec<(u16, usize)>) {
    static TOMCAT: OnceLock<(Tomcat, Vec<(u16, usize)>)> = OnceLock::new();
    TOMCAT.get_or_init(|| {
        let kinds: Vec<(String, usize)> = ["AjpNioProtocol", "AjpNio2Protocol"]
            .into_iter()
            .flat_map(|kind| SIZES.map(|size| (kind, size)))
            .map(|(kind, size)| {
                let attributes = format!(
                    "protocol='org.apache.coyote.ajp.{kind}' packetSize='{size}' \
                     allowedRequestAttributesPattern='(?!forbidden).*'"
                );
                (attributes, size)
            })
            .collect();
        let attributes: Vec<&str> = kinds.iter().map(|(attributes, _)| &**attributes).collect();
        let tomcat = Tomcat::start_with(&attributes);
        let ports = tomcat.more_ports.iter().copied().zip(kinds.iter().map(|(_, size)| *size));
        let ports = ports.collect();
        (tomcat, ports)
    })
}

/// One child, so that all requests share one memory of packet sizes.
fn setup() -> Setup {
    one_child().conf(
        "LimitRequestFieldSize 100000\nLimitRequestLine 100000\nLimitRequestFields 200\n\
         HttpProtocolOptions Unsafe\nSetEnvIf X-Odd forbidden AJP_forbidden=1",
    )
}

/// A worker at `/PORT` for each port, and at `/PORT-set` with `iobuffersize` as well.
fn workers(ports: &[(u16, usize)]) -> String {
    ports.iter().fold(String::new(), |mut conf, (port, size)| {
        writeln!(
            conf,
            "ProxyPass /{port}/ ajp://127.0.0.1:{port}/app/\n\
             ProxyPass /{port}-set/ ajp://localhost:{port}/app/ iobuffersize={size}"
        )
        .expect("a String");
        conf
    })
}

fn large(bytes: usize) -> String {
    format!("X-Long: {}\r\n", "h".repeat(bytes))
}

fn get(client: &mut Client, target: &str, headers: &str) -> u16 {
    client.request("GET", target, headers, b"").status
}

#[test]
fn a_request_with_20_kb_of_headers_gets_the_same_answer_before_and_after_a_chunked_upload() {
    let (_, ports) = tomcat();
    let httpd = setup().conf(&workers(ports)).start();
    for (port, size) in ports {
        let expected = if *size > 20_500 { 200 } else { 431 };
        for worker in [format!("/{port}"), format!("/{port}-set")] {
            let mut client = httpd.client();
            let echo = format!("{worker}/echo");
            assert_eq!(get(&mut client, &echo, &large(20_000)), expected, "{worker}, {size}");
            let upload = "10000\r\n".to_owned() + &"u".repeat(65_536) + "\r\n0\r\n\r\n";
            let chunked = "Transfer-Encoding: chunked\r\n";
            let answer =
                client.request("POST", &format!("{worker}/upload"), chunked, upload.as_bytes());
            assert!(answer.expect(200).text().contains("length=65536"), "{worker}, {size}");
            assert_eq!(get(&mut client, &echo, &large(20_000)), expected, "{worker}, {size}");
            assert_eq!(get(&mut client, &echo, ""), 200, "{worker}, {size}");
        }
    }
}

#[test]
fn a_path_that_is_too_large_is_414_each_time() {
    let (_, ports) = tomcat();
    let httpd = setup().conf(&workers(ports)).start();
    let path = "p".repeat(20_000);
    for (port, size) in ports {
        for worker in [format!("/{port}"), format!("/{port}-set")] {
            let expected = if *size > 20_500 { 200 } else { 414 };
            for target in [format!("{worker}/echo/{path}"), format!("{worker}/echo?{path}")] {
                let answer = httpd.get(&target);
                assert_eq!(answer.status, expected, "{worker}, {size}");
                assert!(!answer.text().contains("Exception"), "no stack trace of the container's");
            }
        }
    }
}

/// Each of them is answered with an error after which Tomcat closes the connection; the error has
/// nothing to do with the size.
const ODD: [(&str, &str); 5] = [
    ("an underscore in Host", "Host: a_b\r\n"),
    ("a hyphen in front of Host", "Host: -a\r\n"),
    ("101 headers", "101"),
    ("an attribute that is not allowed", "X-Odd: forbidden\r\n"),
    ("two Content-Lengths", "Content-Length: 1\r\nContent-Length: 2\r\n"),
];

#[test]
fn an_odd_request_of_12_kb_gets_the_container_s_answer_and_affects_no_other() {
    let (_, ports) = tomcat();
    let httpd = setup().conf(&workers(ports)).start();
    for (port, size) in ports {
        for worker in [format!("/{port}/echo"), format!("/{port}-set/echo")] {
            let normal = if *size > 12_500 { 200 } else { 431 };
            let ask = || get(&mut httpd.client(), &worker, &large(12_000));
            assert_eq!(ask(), normal, "{worker}, {size}");
            for (name, header) in ODD {
                let answer = odd(&httpd, &worker, header, &large(12_000));
                let expected: &[u16] = match header {
                    // httpd's own answer: no such request reaches a container.
                    _ if header.contains("Length") => &[400],
                    _ if normal == 431 => &[431],
                    _ if header.contains("forbidden") => &[403],
                    // Which of the two depends on the version of Tomcat.
                    _ => &[400, 500],
                };
                assert!(expected.contains(&answer), "{name}: {answer}, {worker}, {size}");
                assert_eq!(ask(), normal, "after {name}: {worker}, {size}");
            }
        }
    }
}

fn odd(httpd: &Httpd, target: &str, header: &str, padding: &str) -> u16 {
    let mut client = httpd.client();
    let host = if header.starts_with("Host") { "" } else { "Host: localhost\r\n" };
    let many = (0..101).fold(String::new(), |all, n| all + &format!("X-{n}: 1\r\n"));
    let header = if header == "101" { &many } else { header };
    client
        .send(format!("GET {target} HTTP/1.1\r\n{host}{header}{padding}Connection: close\r\n\r\n"));
    client.response("GET").status
}

#[test]
fn a_wrong_secret_is_the_container_s_403_and_affects_no_other_request() {
    let port = Tomcat::shared().secret_port;
    let httpd = setup()
        .conf(&format!(
            "ProxyPass /wrong/ ajp://127.0.0.1:{port}/app/ secret=wrong iobuffersize=16384\n\
             ProxyPass /unset/ ajp://localhost:{port}/app/ secret=wrong\n\
             ProxyPass /right/ ajp://127.1:{port}/app/ secret={SECRET}"
        ))
        .start();
    for _ in 0..2 {
        assert_eq!(get(&mut httpd.client(), "/unset/echo", &large(4000)), 403);
        assert_eq!(get(&mut httpd.client(), "/unset/echo", &large(12_000)), 431);
        // Configured larger than the container's: the container's own answer is passed on.
        assert!(matches!(get(&mut httpd.client(), "/wrong/echo", &large(12_000)), 400 | 500));
        assert_eq!(get(&mut httpd.client(), "/right/echo", &large(7000)), 200);
        assert_eq!(get(&mut httpd.client(), "/right/echo", &large(12_000)), 431);
    }
}

#[test]
fn one_request_of_42_kb_does_not_affect_those_of_12_kb() {
    let (_, ports) = tomcat();
    let httpd = setup().conf(&workers(ports)).start();
    for (port, _) in ports.iter().filter(|(_, size)| *size == 16_384) {
        let ask = |bytes| get(&mut httpd.client(), &format!("/{port}/echo"), &large(bytes));
        assert_eq!([ask(12_000), ask(42_000), ask(12_000)], [200, 431, 200]);
    }
    let log = httpd.error_log();
    assert!(log.contains("packetSize"), "{log}");
}

#[test]
fn a_container_restarted_with_a_smaller_packet_size_refuses_a_size_that_it_accepted_before() {
    let (_, ports) = tomcat();
    let port_of = |wanted| ports.iter().find(|(_, size)| *size == wanted).expect("one of each").0;
    let address = |size| SocketAddr::from(([127, 0, 0, 1], port_of(size)));
    let relay = Relay::to(address(65_536));
    let httpd =
        with_status(setup().conf(&format!("ProxyPass /app/ ajp://127.0.0.1:{}/app/", relay.port)))
            .start();
    let restart = |size| {
        // Otherwise a request that has been answered may not have seen the end of its response yet.
        wait_for("all connections are idle", || {
            let report = report(&httpd);
            (number(&pool(&report, &relay.port.to_string())["in_use"]) == 0).then_some(())
        });
        relay.lead_to(address(size));
    };
    let ask = |bytes| get(&mut httpd.client(), "/app/echo", &large(bytes));

    assert_eq!(ask(20_000), 200);
    restart(16_384);
    assert_eq!(ask(100), 200);
    assert_eq!(ask(20_000), 431);
    assert_eq!(ask(12_000), 200);
    restart(8192);
    assert_eq!(ask(100), 200);
    assert_eq!(ask(12_000), 431);
}

#[test]
fn a_proxy_that_closes_in_front_of_a_starting_container_is_a_member_that_is_not_there() {
    let closing = ScriptedPeer::start(|_| Ok(()));
    let up = ScriptedPeer::start(|conn| uris_within(conn, 65_536));
    let httpd = setup()
        .conf(&format!(
            "<Proxy balancer://both>\nBalancerMember ajp://127.0.0.1:{} retry=0\n\
             BalancerMember ajp://127.0.0.1:{}\n</Proxy>\nProxyPass /app balancer://both/app",
            closing.port(),
            up.port()
        ))
        .start();
    for _ in 0..6 {
        assert_eq!(get(&mut httpd.client(), "/app/x", &large(12_000)), 200);
    }
    assert!(closing.connections() > 0, "it was tried");
    assert_eq!(up.padded_cpings(), 1);
}

#[test]
fn a_container_with_reverse_connections_is_asked_over_one_of_them() {
    let port = free_port();
    let httpd = setup()
        .conf(&format!(
            "ProxyAjpReverse ajp://127.0.0.1:{port} allow=127.0.0.1\n\
             ProxyPass /app ajp://127.0.0.1:{port}/app acquire=60000"
        ))
        .start();
    let container = ScriptedPeer::dial(
        SocketAddr::from(([127, 0, 0, 1], port)),
        Ipv4Addr::LOCALHOST,
        2,
        |conn| uris_within(conn, 16_384),
    );
    let ask = |bytes| get(&mut httpd.client(), "/app/x", &large(bytes));

    assert_eq!([ask(12_000), ask(12_000), ask(100)], [200; 3]);
    assert_eq!(container.padded_cpings(), 1);
    assert_eq!([ask(42_000), ask(42_000), ask(12_000)], [431, 431, 200]);
    assert_eq!(container.requests(), 4);
}

#[test]
fn the_status_page_shows_the_packet_size_and_how_it_is_known() {
    let (_, ports) = tomcat();
    let (port, _) = ports.iter().find(|(_, size)| *size == 65_536).expect("one of each");
    let httpd = with_status(setup().mpm(Mpm::Event).conf(&format!(
        "ProxyPass /known/ ajp://127.0.0.1:{port}/app/\n\
         ProxyPass /set/ ajp://localhost:{port}/app/ iobuffersize=16384"
    )))
    .start();
    let known = |ends: &str| {
        let report = report(&httpd);
        let pool = pool(&report, ends);
        (pool["packet_size"].as_u64(), pool["packet_size_source"].as_str().map(str::to_owned))
    };
    let is = |bytes, source: &str| (Some(bytes), Some(source.to_owned()));
    let (plain, set) = (format!("127.0.0.1:{port}"), format!("localhost:{port}"));

    assert_eq!(known(&plain), is(8192, "default"));
    assert_eq!(get(&mut httpd.client(), "/set/echo", ""), 200);
    assert_eq!(known(&set), is(16_384, "configured"));
    assert_eq!(get(&mut httpd.client(), "/known/echo", &large(30_000)), 200);
    let (bytes, source) = known(&plain);
    assert!(bytes > Some(30_000), "{bytes:?}");
    assert_eq!(source.as_deref(), Some("asked"));
}
