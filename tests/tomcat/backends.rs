//! Backends of every kind, alone and in a balancer, and the status pages about them.

use test_support::http::{Client, Generated, Response, sha256};
use test_support::httpd::{Httpd, Mpm};
use test_support::process::wait_for;
use test_support::relay::Relay;
use test_support::tomcat::{SECRET, Tomcat};

#[test]
fn a_unix_socket_backend_is_served_under_every_mpm() {
    for mpm in [Mpm::Event, Mpm::Worker, Mpm::Prefork] {
        let httpd = Httpd::setup()
            .mpm(mpm)
            .define("AJP_SOCKET", Tomcat::shared().socket.display())
            .example("unix.conf")
            .start();
        let mut client = httpd.client();
        let body = Generated::bytes(300_000, 9);
        let answer = client.request("POST", "/app/upload", "Content-Length: 300000\r\n", &body);

        assert_eq!(answer.expect(200).said("sha256"), sha256([body]), "{mpm:?}");
        assert_eq!(client.get("/app/echo/x?q=1").expect(200).said("uri"), "/app/echo/x");
    }
}

#[test]
fn an_ipv6_backend_is_served() {
    let Some(port) = Tomcat::shared().ipv6_port else {
        eprintln!("this machine has no IPv6 loopback address: nothing tested");
        return;
    };
    let httpd = Httpd::setup().conf(&format!("ProxyPass /app \"ajp://[::1]:{port}/app\"")).start();

    assert_eq!(httpd.get("/app/echo/six").expect(200).said("uri"), "/app/echo/six");
}

#[test]
fn a_backend_known_by_name_is_found_at_whichever_of_its_addresses_answers() {
    let conf = format!("ProxyPass /app ajp://localhost:{}/app", Tomcat::shared().port);

    Httpd::setup().conf(&conf).start().get("/app/echo").expect(200);
}

#[test]
fn the_right_secret_is_accepted_a_wrong_or_missing_one_is_403() {
    let port = Tomcat::shared().secret_port;
    let get = |parameters: &str| {
        let conf = format!("ProxyPass /app ajp://127.0.0.1:{port}/app {parameters}");
        Httpd::setup().conf(&conf).start().get("/app/static.txt")
    };

    assert_eq!(get(&format!("secret={SECRET}")).status, 200);
    assert_eq!(get("secret=wrong").status, 403);
    assert_eq!(get("").status, 403);
}

/// A balancer over both nodes, each behind a relay.
struct Cluster {
    node1: Relay,
    node2: Relay,
    httpd: Httpd,
}

impl Cluster {
    fn start(mpm: Mpm) -> Self {
        let tomcat = Tomcat::shared();
        let node1 = Relay::to(tomcat.address());
        let node2 = Relay::to(tomcat.node2_address());
        let httpd = Httpd::setup()
            .mpm(mpm)
            .define("NODE1_PORT", node1.port)
            .define("NODE2_PORT", node2.port)
            .example("balancer.conf")
            .start();
        Self { node1, node2, httpd }
    }

    fn relay(&self, node: &str) -> &Relay {
        if node == "node1" { &self.node1 } else { &self.node2 }
    }

    /// mod_proxy_balancer's own report, as XML.
    fn report(&self) -> String {
        report(&self.httpd)
    }
}

/// balancer-manager's page, as XML.
fn report(httpd: &Httpd) -> String {
    // Without its own address as Referer it ignores the parameters.
    let referer = format!("Referer: http://localhost:{}/balancer-manager\r\n", httpd.port());
    httpd.request("GET", "/balancer-manager?xml=1", &referer).expect(200).text()
}

/// Asks for `/app/session`, as the client with this cookie if there is one.
fn session(client: &mut Client, cookie: Option<&str>) -> Response {
    let header = cookie.map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
    client.request("GET", "/app/session", &header, b"")
}

fn cookie(response: &Response) -> String {
    let header = response.header("Set-Cookie").expect("a new session has a cookie");
    header.split(';').next().expect("split gives at least one").to_owned()
}

#[test]
fn requests_without_a_session_reach_both_members() {
    let cluster = Cluster::start(Mpm::Event);
    let mut client = cluster.httpd.client();
    let mut nodes: Vec<_> =
        (0..10).map(|_| session(&mut client, None).expect(200).said("node")).collect();
    nodes.sort();

    assert_eq!(nodes.iter().filter(|node| *node == "node1").count(), 5, "{nodes:?}");
    assert_eq!(nodes.iter().filter(|node| *node == "node2").count(), 5, "{nodes:?}");
}

#[test]
fn a_session_stays_on_its_member_under_every_mpm() {
    for mpm in [Mpm::Event, Mpm::Worker, Mpm::Prefork] {
        let cluster = Cluster::start(mpm);
        for _ in 0..2 {
            let first = session(&mut cluster.httpd.client(), None).expect(200);
            let cookie = cookie(&first);
            for count in 2..8 {
                let next = session(&mut cluster.httpd.client(), Some(&cookie)).expect(200);
                assert_eq!(next.said("node"), first.said("node"), "{mpm:?}");
                assert_eq!(next.said("count"), count.to_string());
            }
        }
    }
}

#[test]
fn the_route_of_the_session_is_sent_to_the_backend() {
    let cluster = Cluster::start(Mpm::Event);
    let cookie = cookie(&session(&mut cluster.httpd.client(), None).expect(200));
    let node = cookie.rsplit('.').next().expect("a route behind the dot").to_owned();
    session(&mut cluster.httpd.client(), Some(&cookie)).expect(200);
    let attribute = [&[0x06, 0, 5][..], node.as_bytes(), &[0]].concat();
    let sent = cluster.relay(&node).sent();

    assert!(sent.windows(attribute.len()).any(|bytes| bytes == attribute));
}

#[test]
fn a_session_whose_member_is_down_continues_at_the_other_and_no_request_is_lost() {
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let cluster = Cluster::start(mpm);
        let mut client = cluster.httpd.client();
        let first = session(&mut client, None).expect(200);
        let (cookie, home) = (cookie(&first), first.said("node"));
        cluster.relay(&home).cut();
        for _ in 0..6 {
            let next = session(&mut client, Some(&cookie)).expect(200);
            assert_ne!(next.said("node"), home, "{mpm:?}");
        }

        cluster.relay(&home).mend();
        wait_for("the member is used again", || {
            (session(&mut client, None).expect(200).said("node") == home).then_some(())
        });
    }
}

#[test]
fn with_no_member_left_the_client_gets_503() {
    let cluster = Cluster::start(Mpm::Event);
    cluster.node1.cut();
    cluster.node2.cut();

    assert_eq!(cluster.httpd.get("/app/echo").status, 503);
    assert_eq!(cluster.httpd.get("/app/echo").status, 503);
}

#[test]
fn an_error_of_the_application_leaves_its_member_in_the_balancer() {
    let cluster = Cluster::start(Mpm::Event);
    for status in [500, 502, 503, 504] {
        for _ in 0..2 {
            let answer = cluster.httpd.get(&format!("/app/status?code={status}&body=own"));
            assert_eq!(answer.expect(status).text(), "own");
        }
    }
    let report = cluster.report();

    assert!(!report.contains("Err"), "{report}");
    assert_eq!(report.matches("Init Ok").count(), 2, "{report}");
}

/// The sum of `field` over both members, in the balancer's report.
#[track_caller]
fn total(report: &str, field: &str) -> u64 {
    let (open, close) = (format!("<httpd:{field}>"), format!("</httpd:{field}>"));
    let values: Vec<u64> = report
        .split(&open)
        .skip(1)
        .filter_map(|rest| rest.split(&close).next()?.trim().parse().ok())
        .collect();
    assert_eq!(values.len(), 2, "{field} in {report}");
    values.iter().sum()
}

#[test]
fn the_balancer_s_counters_grow_by_the_bytes_of_the_bodies() {
    let cluster = Cluster::start(Mpm::Event);
    let mut client = cluster.httpd.client();
    let body = Generated::bytes(40_000, 1);
    for _ in 0..4 {
        client.request("POST", "/app/upload", "Content-Length: 40000\r\n", &body).expect(200);
        client.get("/app/download?size=50000").expect(200);
    }
    // The client has its answer a moment before the request is counted, and then the member as free.
    wait_for("nothing is busy", || (total(&cluster.report(), "busy") == 0).then_some(()));
    let report = cluster.report();

    assert_eq!(total(&report, "elected"), 8);
    assert_eq!(total(&report, "transferred"), 4 * 40_000);
    let answer = "length=40000\nsha256=\n".len() as u64 + 64;
    assert_eq!(total(&report, "read"), 4 * (50_000 + answer));
}

#[test]
fn the_status_page_lists_the_members_with_their_state() {
    let cluster = Cluster::start(Mpm::Event);
    cluster.httpd.get("/app/echo").expect(200);
    let page = cluster.httpd.get("/server-status").expect(200).text();

    let member = "<td>ajp</td><td>127.0.0.1</td><td>Init Ok </td><td>node";
    assert_eq!(page.matches(member).count(), 2, "{page}");
}

#[test]
fn a_balanced_request_tells_the_activation_of_its_member() {
    let tomcat = Tomcat::shared();
    let httpd = Httpd::setup()
        .conf("<Proxy balancer://two>")
        .conf(&format!("BalancerMember ajp://127.0.0.1:{} route=node1", tomcat.port))
        .conf(&format!(
            "BalancerMember ajp://127.0.0.1:{} route=node2 status=+N",
            tomcat.node2_port
        ))
        .conf("ProxySet stickysession=JSESSIONID\n</Proxy>\nProxyPass /app balancer://two/app")
        .start();
    let target = "/app/echo?attr=JK_LB_ACTIVATION";
    let active = httpd.get(target).expect(200);
    let draining = httpd.request("GET", target, "Cookie: JSESSIONID=old.node2\r\n").expect(200);

    assert_eq!(active.said("attribute JK_LB_ACTIVATION"), "ACT");
    assert_eq!(draining.said("attribute JK_LB_ACTIVATION"), "DIS");
}

#[test]
fn health_checks_by_cping_take_a_dead_member_out_and_a_live_one_back_without_a_request() {
    let relay = Relay::to(Tomcat::shared().address());
    let httpd = Httpd::setup()
        .modules(&["proxy_hcheck"])
        .define("AJP_PORT", relay.port)
        .example("health.conf")
        .conf("<Location /balancer-manager>\nSetHandler balancer-manager\n</Location>")
        .start();
    let failed = || report(&httpd).contains("HcFl");
    wait_for("a CPING was sent", || {
        relay.sent().windows(5).any(|bytes| bytes == [0x12, 0x34, 0, 1, 0x0a]).then_some(())
    });
    httpd.get("/app/echo").expect(200);
    assert!(!failed());

    relay.cut();
    wait_for("the health check fails", || failed().then_some(()));
    relay.mend();
    wait_for("the health check passes", || (!failed()).then_some(()));
    httpd.get("/app/echo").expect(200);
}

#[test]
fn ping_sends_a_cping_before_each_request() {
    let relay = Relay::to(Tomcat::shared().address());
    let conf = format!("ProxyPass /app ajp://127.0.0.1:{}/app ping=60", relay.port);
    // Not with a housekeeper: while it checks the idle connection, a request opens another.
    let httpd = Httpd::setup().conf("ProxyAjpMaintain 0").conf(&conf).start();
    let mut client = httpd.client();
    for _ in 0..5 {
        client.get("/app/echo").expect(200);
    }
    let sent = relay.sent();

    assert_eq!(sent.windows(5).filter(|bytes| *bytes == [0x12, 0x34, 0, 1, 0x0a]).count(), 5);
    assert_eq!(relay.connections(), 1);
}

#[test]
fn a_connection_that_tomcat_has_closed_is_replaced_and_the_client_notices_nothing() {
    let relay = Relay::to(Tomcat::shared().address());
    let conf = format!("ProxyPass /app ajp://127.0.0.1:{}/app", relay.port);
    let httpd = Httpd::setup().conf(&conf).start();
    let mut client = httpd.client();
    for round in 0..5 {
        for target in ["/app/static.txt", "/app/echo?query=1"] {
            client.get(target).expect(200);
            relay.cut();
            relay.mend();
        }
        let body = b"a=1";
        let answer = client.request("POST", "/app/upload", "Content-Length: 3\r\n", body);
        assert_eq!(answer.expect(200).said("length"), "3", "round {round}");
    }
}

#[test]
fn a_backend_slower_than_the_timeout_is_a_504_and_its_member_stays() {
    let port = Tomcat::shared().port;
    let httpd = Httpd::setup()
        .conf("<Proxy balancer://one>")
        .conf(&format!("BalancerMember ajp://127.0.0.1:{port} timeout=5 retry=600"))
        .conf("</Proxy>\nProxyPass /app balancer://one/app")
        .start();

    assert_eq!(httpd.get("/app/slow?ms=20000").status, 504);
    assert_eq!(httpd.get("/app/slow?ms=10").expect(200).text(), "slept 10\n");
}
