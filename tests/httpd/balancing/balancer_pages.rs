//! balancer-manager and mod_status over our members: an administrator's change applies to the next
//! request in every child, and the pages show the true state.

use test_support::ajp::ScriptedPeer;
use test_support::ajp::echo::respond;
use test_support::http::Client;
use test_support::httpd::{Httpd, Setup};
use test_support::manager::{NONCE, manage_over, member, said};
use test_support::members::{backend, balancer, named_with_activation, prefork};
use test_support::process::{free_port, wait_for};

/// A balancer of `a` and `b` at `/app`, and a client in each of its two children.
struct Two {
    a: ScriptedPeer,
    b: ScriptedPeer,
    /// Under prefork a child has one connection, so they are in different children. Dropped before
    /// httpd, which would wait for them to end.
    clients: Vec<Client>,
    httpd: Httpd,
}

impl Two {
    fn start(balancer_words: &str) -> Self {
        Self::start_in(prefork(2), ["", ""], balancer_words)
    }

    fn start_in(setup: Setup, words: [&str; 2], balancer_words: &str) -> Self {
        let (a, b) = (named_with_activation("a"), named_with_activation("b"));
        let lines = [(a.port(), "a", words[0]), (b.port(), "b", words[1])]
            .map(|(port, route, words)| format!("ajp://127.0.0.1:{port} route={route} {words}"));
        let httpd = balancer(setup, &lines)
            .conf(&format!("ProxySet balancer://members nonce={NONCE} {balancer_words}"))
            .start();
        let clients = clients(&httpd);
        Self { a, b, httpd, clients }
    }

    /// In the first child.
    fn manage(&mut self, port: Option<u16>, change: &str) {
        manage_over(&mut self.clients[0], &self.httpd, port, change);
    }

    /// The answers to a request with this cookie: `a ACT` and so on, or the status; the first child's
    /// before the second's.
    fn answers(&mut self, session: Option<&str>) -> [String; 2] {
        let cookie = session.map_or(String::new(), |id| format!("Cookie: JSESSIONID={id}\r\n"));
        [0, 1].map(|at| {
            let answer = self.clients[at].request("GET", "/app/x", &cookie, b"");
            if answer.status == 200 {
                return answer.text();
            }
            // httpd has closed the connection, and waits for the client to close it; then this child is
            // the free one.
            drop(self.clients.remove(at));
            self.clients.insert(at, client(&self.httpd));
            answer.status.to_string()
        })
    }

    /// balancer-manager's entry of the member at this port. The clients are dropped for it, because
    /// there are no more children.
    fn report(&mut self, port: u16, element: &str) -> String {
        self.clients.clear();
        let report = member(&self.httpd, port);
        self.clients = clients(&self.httpd);
        said(&report, element).to_owned()
    }

    /// How many of `count` requests without a session each peer gets, half of them from each child.
    fn shares(&mut self, count: usize) -> [usize; 2] {
        let before = [self.a.requests(), self.b.requests()];
        (0..count / 2).for_each(|_| drop(self.answers(None)));
        [self.a.requests() - before[0], self.b.requests() - before[1]]
    }
}

/// A client whose first request has been answered, so it has its child.
fn client(httpd: &Httpd) -> Client {
    let mut client = httpd.client();
    client.get("/").expect(404);
    client
}

fn clients(httpd: &Httpd) -> Vec<Client> {
    (0..2).map(|_| client(httpd)).collect()
}

/// Twice the same.
fn both(text: &str) -> [String; 2] {
    [text.to_owned(), text.to_owned()]
}

#[test]
fn a_load_factor_set_in_balancer_manager_applies_in_every_child_with_every_lbmethod() {
    for method in ["byrequests", "sessions", "next"] {
        let mut two = Two::start(&format!("lbmethod={method}"));
        assert_eq!(two.shares(20), [10, 10], "{method}");
        two.manage(Some(two.a.port()), "w_lf=3");
        let [of_a, of_b] = two.shares(80);
        // Within one round: byrequests still has its former sums.
        assert!(of_a.abs_diff(60) <= 4 && of_b.abs_diff(20) <= 4, "{method}: {of_a}:{of_b}");
    }
}

#[test]
fn a_member_drained_in_balancer_manager_keeps_its_sessions_and_gets_no_new_ones_in_any_child() {
    let mut two = Two::start("");
    two.manage(Some(two.a.port()), "w_status_N=1");
    for _ in 0..5 {
        assert_eq!(two.answers(None), both("b ACT"));
        assert_eq!(two.answers(Some("x.a")), both("a DIS"));
    }
    two.manage(Some(two.a.port()), "w_status_N=0");
    let [of_a, _] = two.shares(20);
    assert!(of_a > 0);
    assert_eq!(two.answers(Some("x.a")), both("a ACT"));
}

#[test]
fn the_activation_of_a_member_s_line_can_be_changed_in_balancer_manager() {
    let mut two = Two::start_in(prefork(2), ["activation=disabled", "activation=stopped"], "");
    assert_eq!(two.answers(None), both("503"));
    two.manage(Some(two.a.port()), "w_status_N=0");
    two.manage(Some(two.b.port()), "w_status_S=0");
    assert_eq!(two.shares(20), [10, 10]);
    assert_eq!(two.answers(Some("x.b")), both("b ACT"));
}

#[test]
fn a_member_stopped_in_balancer_manager_gets_no_request_from_any_child_even_with_sessionretry() {
    for (words, sessions) in [("", "b ACT"), ("sessionretry=On", "b ACT"), ("nofailover=On", "503")]
    {
        for flag in ["w_status_S", "w_status_D"] {
            let mut two = Two::start(words);
            two.manage(Some(two.a.port()), &format!("{flag}=1"));
            for _ in 0..3 {
                assert_eq!(two.answers(None), both("b ACT"), "{words} {flag}");
                assert_eq!(two.answers(Some("x.a")), both(sessions), "{words} {flag}");
            }
            assert_eq!(two.a.requests(), 0, "{words} {flag}");
            two.manage(Some(two.a.port()), &format!("{flag}=0"));
            assert_eq!(two.answers(Some("x.a")), both("a ACT"), "{words} {flag}");
        }
    }
}

#[test]
fn a_route_and_a_redirect_set_in_balancer_manager_apply_in_every_child() {
    let mut two = Two::start("");
    two.manage(Some(two.a.port()), "w_wr=new");
    assert_eq!(two.answers(Some("x.new")), both("a ACT"));
    two.manage(Some(two.b.port()), "w_status_N=1");
    assert_eq!(two.answers(Some("x.a")), both("a ACT"), "nobody's: to the one that is active");

    two.manage(Some(two.a.port()), "w_rr=b&w_status_S=1");
    assert_eq!(two.answers(Some("x.new")), both("b DIS"), "redirected, though it drains");
    two.manage(Some(two.a.port()), "w_rr=");
    assert_eq!(two.answers(Some("x.new")), both("503"));
}

#[test]
fn a_member_added_in_balancer_manager_serves_old_and_new_sessions_in_every_child() {
    let mut two = Two::start("growth=2 sessionretry=On");
    let c = named_with_activation("c");
    two.manage(None, &format!("b_wyes=1&b_nwrkr=ajp://127.0.0.1:{}", c.port()));
    two.manage(Some(c.port()), "w_wr=c&w_status_D=0");
    // Each child adds it when a request comes.
    assert_eq!(two.answers(Some("x.c")), both("c ACT"));
    two.shares(30);
    assert!(c.requests() > 2, "newcomers too");

    two.manage(Some(c.port()), "w_status_N=1");
    let before = c.requests();
    two.shares(10);
    assert_eq!(c.requests(), before);
    assert_eq!(two.answers(Some("x.c")), both("c DIS"));
    let port = c.port();
    drop(c);
    for answer in two.answers(Some("x.c")) {
        assert!(["a ACT", "b ACT"].contains(&&*answer), "{answer}");
    }
    assert_eq!(two.report(port, "status"), "Init Drn Err");
}

/// After this the clients are in children of the new configuration.
fn graceful(two: &mut Two) {
    two.clients.clear();
    let before = two.httpd.children();
    two.httpd.graceful();
    two.httpd.wait_for_new_children(&before, 2);
    two.clients = clients(&two.httpd);
}

#[test]
fn with_balancerpersist_a_drained_member_is_drained_after_a_graceful_restart() {
    for method in ["byrequests", "sessions"] {
        let setup = prefork(2).conf("BalancerPersist On");
        let mut two =
            Two::start_in(setup, ["", "activation=disabled"], &format!("lbmethod={method}"));
        two.manage(Some(two.a.port()), "w_status_N=1");
        two.manage(Some(two.b.port()), "w_status_N=0&w_lf=2");
        for _ in 0..2 {
            graceful(&mut two);
            assert_eq!(two.answers(None), both("b ACT"), "{method}");
            assert_eq!(two.answers(Some("x.a")), both("a DIS"), "{method}");
            assert_eq!(two.report(two.b.port(), "loadfactor"), "2.00");
        }
        // balancer-manager can still change the same member.
        two.manage(Some(two.a.port()), "w_status_N=0");
        let [of_a, of_b] = two.shares(60);
        assert!(of_a.abs_diff(20) <= 4 && of_b.abs_diff(40) <= 4, "{method}: {of_a}:{of_b}");
    }
}

#[test]
fn without_balancerpersist_a_graceful_restart_restores_the_lines_of_the_configuration() {
    let mut two = Two::start_in(prefork(2), ["", "activation=disabled"], "");
    two.manage(Some(two.a.port()), "w_status_N=1");
    two.manage(Some(two.b.port()), "w_status_N=0");
    assert_eq!(two.answers(None), both("b ACT"));
    graceful(&mut two);
    assert_eq!(two.answers(None), both("a ACT"));
    assert_eq!(two.answers(Some("x.b")), both("b DIS"));
}

/// The value of a line of `?auto` about the member with this index.
#[track_caller]
fn auto(httpd: &Httpd, place: usize, what: &str) -> String {
    let page = httpd.get("/server-status?auto").expect(200).text();
    let start = format!("ProxyBalancer[0]Worker[{place}]{what}: ");
    let found = page.lines().find_map(|line| line.strip_prefix(&start));
    found.unwrap_or_else(|| panic!("no {start} in {page}")).trim().to_owned()
}

#[test]
fn mod_status_shows_state_requests_and_bytes_of_each_member() {
    let a = backend(|conn, request| {
        test_support::ajp::echo::read_body(conn, request, 8192)?;
        respond(conn, &"x".repeat(5000)).map(|()| true)
    });
    let down = free_port();
    let members = [
        format!("ajp://127.0.0.1:{} route=a", a.port()),
        format!("ajp://127.0.0.1:{down} route=b lbset=1"),
    ];
    let httpd = balancer(prefork(3), &members)
        .conf("ProxyStatus On\n<Location /server-status>\nSetHandler server-status\n</Location>")
        .start();
    let body = vec![b'y'; 30_000];
    for _ in 0..20 {
        let length = format!("Content-Length: {}\r\n", body.len());
        httpd.client().request("POST", "/app/x", &length, &body).expect(200);
    }
    httpd.request("GET", "/app/x", "Cookie: JSESSIONID=x.b\r\n").expect(200);

    let of = |place, what| auto(&httpd, place, what);
    assert_eq!(of(0, "Name"), format!("ajp://127.0.0.1:{}", a.port()));
    assert_eq!((of(0, "Status"), of(1, "Status")), ("Init Ok".into(), "Init Err".into()));
    assert_eq!((of(0, "Elected"), of(1, "Elected")), ("21".into(), "1".into()));
    // A child counts after the client has its answer.
    wait_for("nobody is busy", || (of(0, "Busy") == "0" && of(1, "Busy") == "0").then_some(()));
    let kilobytes = |what| of(0, what).trim_end_matches('K').parse::<u64>().expect("a number");
    let (sent, received) = (kilobytes("Sent"), kilobytes("Rcvd"));
    assert!((585..620).contains(&sent), "20 times 30 000 bytes, and headers: {sent}");
    assert!((102..115).contains(&received), "21 times 5000 bytes, and headers: {received}");

    let page = httpd.get("/server-status").expect(200).text();
    let shown = page.contains("Proxy LoadBalancer Status for balancer://members")
        && page.contains("<td>Init Err </td><td>b</td>");
    assert!(shown, "{page}");
}
