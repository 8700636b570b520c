//! Members that fail a request after it has waited without a thread: what follows is the same as if it had
//! waited in one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use test_support::ajp::echo::{read_body, sha256_hex};
use test_support::ajp::{Packet, ScriptedPeer, chunk, end_response, headers};
use test_support::http::{Generated, Response};
use test_support::httpd::Httpd;
use test_support::members::{Gate, NOTES, is_in_error, notes};
use test_support::parking::{ask, logged, two_threads, wait_for_parked, wait_for_rest};
use test_support::process::wait_for;

/// What a member does with a request, once the test lets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Answer(u16),
    Close,
    /// Nothing, until the connection is closed.
    Wait,
    /// The same with a CPING.
    Deaf,
}
use Act::{Answer, Close, Deaf, Wait};

struct Member {
    name: char,
    act: Act,
    peer: ScriptedPeer,
    gate: Gate,
}

impl Member {
    /// It answers with its name, the URI, and the sum of the body.
    fn start(name: char, act: Act) -> Self {
        let gate = Gate::default();
        let in_script = gate.clone();
        let peer = ScriptedPeer::start(move |conn| {
            if act == Deaf {
                conn.expect_cping()?;
                return conn.expect_close();
            }
            loop {
                let request = conn.expect_forward_request()?;
                let body = read_body(conn, &request, 8192)?;
                if act == Wait {
                    return conn.expect_close();
                }
                in_script.wait();
                let Answer(status) = act else { return Ok(()) };
                let text = format!("{name} {} {}", request.uri, sha256_hex(&body));
                let answer = [headers(status).into_bytes(), chunk(text)].concat();
                conn.send([answer, end_response().into_bytes()].concat())?;
            }
        });
        Self { name, act, peer, gate }
    }
}

/// One request to a balancer.
#[derive(Clone, Debug, Default)]
struct Case {
    acts: Vec<Act>,
    /// Parameters of each member.
    member: &'static str,
    /// Further ones of the first.
    first: &'static str,
    balancer: &'static str,
    conf: &'static str,
    headers: &'static str,
    body: Vec<u8>,
}

/// What has come of it, but for what differs from one run to the next.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    text: String,
    /// How many requests each member has got.
    requests: Vec<usize>,
    in_error: Vec<bool>,
    filename: String,
    notes: String,
    log: Vec<String>,
}

impl Case {
    /// Returns what has come of it, which is the same with and without parking.
    #[track_caller]
    fn run(self) -> Outcome {
        let parked = self.with("On");
        assert_eq!(parked, self.with("Off"), "{self:?}");
        parked
    }

    #[track_caller]
    fn with(&self, parking: &str) -> Outcome {
        let members: Vec<Member> =
            ('a'..).zip(&self.acts).map(|(name, act)| Member::start(name, *act)).collect();
        let line = |member: &Member| {
            let (name, set) = (member.name, u32::from(member.name) - u32::from('a'));
            let address = format!("ajp://127.0.0.1:{}", member.peer.port());
            let own = if set == 0 { self.first } else { "" };
            format!("BalancerMember {address} route={name} lbset={set} {} {own}\n", self.member)
        };
        let lines: String = members.iter().map(line).collect();
        let httpd = two_threads()
            .conf(&format!("ProxyAjpParking {parking}\n{NOTES}\n{}", self.conf))
            .conf("CustomLog filename.log \"%U %f\"")
            .conf(&format!("<Proxy balancer://members>\n{lines}ProxySet stickysession=JSESSIONID"))
            .conf(&format!("{}\n</Proxy>\nProxyPass /app balancer://members/app", self.balancer))
            .conf("<Location /balancer-manager>\nSetHandler balancer-manager\n</Location>")
            .start();
        let response = self.ask(&httpd, &members, parking == "On");
        wait_for_rest(&httpd);
        assert_eq!(logged(&httpd, "/app/x").status, response.status);
        let in_error = members.iter().map(|member| is_in_error(&httpd, member.peer.port()));
        let in_error = in_error.collect();

        let ports = members.iter().map(|member| (member.peer.port(), member.name));
        let ports: Vec<(u16, char)> = ports.collect();
        let plain = |text: &str| without_numbers(text, &ports);
        let notes = notes(&httpd, "/app/x");
        let filename = wait_for("the request is in the last log", || {
            let lines = httpd.whole_lines("filename.log");
            lines.iter().find_map(|line| line.strip_prefix("/app/x ").map(plain))
        });
        let log = httpd.error_log();
        let of_clients =
            log.lines().filter_map(|line| line.split_once("[client ")?.1.split_once(' '));
        Outcome {
            status: response.status,
            text: response.text(),
            requests: members.iter().map(|member| member.peer.requests()).collect(),
            in_error,
            filename,
            notes: plain(notes.split(" wait-us").next().expect("the first part")),
            log: of_clients.map(|(_, text)| plain(text)).collect(),
        }
    }

    /// Each member acts as soon as the request waits for it.
    fn ask(&self, httpd: &Httpd, members: &[Member], parks: bool) -> Response {
        let method = if self.body.is_empty() { "GET" } else { "PUT" };
        let length = match self.body.len() {
            0 => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        let mut client = httpd.client();
        let headers = self.headers;
        client
            .send(format!("{method} /app/x HTTP/1.1\r\nHost: localhost\r\n{headers}{length}\r\n"));
        client.send(&self.body);
        let is_answered = AtomicBool::new(false);
        thread::scope(|scope| {
            for member in members.iter().filter(|member| !matches!(member.act, Wait | Deaf)) {
                let is_answered = &is_answered;
                scope.spawn(move || {
                    let is_asked = wait_for("a request, or the answer of another member", || {
                        let is_asked = member.peer.requests() > 0;
                        (is_asked || is_answered.load(Ordering::SeqCst)).then_some(is_asked)
                    });
                    if is_asked && parks {
                        wait_for_parked(httpd, 1);
                    }
                    member.gate.open();
                });
            }
            let response = client.response(method);
            is_answered.store(true, Ordering::SeqCst);
            response
        })
    }
}

/// Ports become names, and all other digits go.
fn without_numbers(text: &str, ports: &[(u16, char)]) -> String {
    let named = ports.iter().fold(text.to_owned(), |text, (port, name)| {
        text.replace(&format!(":{port}"), &format!(":{name}"))
    });
    named.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

#[test]
fn a_member_that_closes_after_a_wait_is_followed_by_the_next_one_for_which_the_request_waits_again()
{
    let outcome = Case { acts: vec![Close, Answer(200), Answer(200)], ..Case::default() }.run();
    assert_eq!(outcome.status, 200, "{outcome:#?}");
    assert!(outcome.text.starts_with("b /app/x"), "{outcome:#?}");
    assert_eq!(outcome.requests, [1, 1, 0]);
    assert_eq!(outcome.in_error, [false; 3]);
}

#[test]
fn members_that_answer_what_failstatus_lists_are_put_in_error_one_after_the_other() {
    for status in [200, 503] {
        let acts = vec![Answer(503), Answer(503), Answer(status)];
        let outcome = Case { acts, member: "failstatus=503", ..Case::default() }.run();
        assert_eq!((outcome.status, &outcome.requests), (status, &vec![1, 1, 1]), "{outcome:#?}");
        // There is nobody else whose answer could be taken in place of the last one's.
        assert_eq!(outcome.in_error, [true, true, false], "{outcome:#?}");
    }
}

#[test]
fn members_of_which_none_answers_cping_are_all_in_error_and_the_client_gets_503() {
    let outcome = Case { acts: vec![Deaf; 3], member: "ping=300ms", ..Case::default() }.run();
    assert_eq!((outcome.status, outcome.in_error), (503, vec![true; 3]));
    assert_eq!(outcome.log.iter().filter(|line| line.contains("no CPONG")).count(), 3);
}

#[test]
fn a_soft_failstatus_is_followed_by_the_next_member_and_changes_no_state() {
    let acts = vec![Answer(503), Answer(503), Answer(200)];
    let outcome = Case { acts, member: "failstatus=-503", ..Case::default() }.run();
    assert_eq!((outcome.status, outcome.in_error), (200, vec![false; 3]));
    assert_eq!(outcome.requests, [1, 1, 1]);
}

#[test]
fn a_member_that_says_nothing_for_too_long_is_left_for_the_next_one_where_recovery_says_so() {
    for (member, status, requests) in [("", 504, [1, 0]), ("recovery=getalways", 200, [1, 1])] {
        let (acts, first) = (vec![Wait, Answer(200)], "replytimeout=700");
        let outcome = Case { acts, member, first, ..Case::default() }.run();
        assert_eq!((outcome.status, &outcome.requests[..]), (status, &requests[..]));
        // `maxreplytimeouts` is 0.
        assert_eq!(outcome.in_error, [true, false]);
    }
}

#[test]
fn failontimeout_puts_a_member_in_error_after_a_wait() {
    let case = Case {
        acts: vec![Wait, Answer(200)],
        member: "timeout=1",
        balancer: "ProxySet failontimeout=On",
        ..Case::default()
    };
    let outcome = case.run();
    assert_eq!((outcome.status, outcome.requests), (504, vec![1, 0]));
    assert_eq!(outcome.in_error, [true, false]);
}

#[test]
fn failonstatus_puts_a_member_in_error_after_a_wait() {
    let balancer = "ProxySet failonstatus=404";
    let outcome = Case { acts: vec![Answer(404), Answer(200)], balancer, ..Case::default() }.run();
    assert_eq!((outcome.status, outcome.requests), (404, vec![1, 0]));
    assert_eq!(outcome.in_error, [true, false]);
}

#[test]
fn maxattempts_limits_how_many_members_are_tried_after_a_wait() {
    for (balancer, requests) in [
        ("ProxySet maxattempts=1", [1, 1, 0]),
        ("ProxySet maxattempts=2", [1, 1, 1]),
        ("", [1, 1, 1]),
    ] {
        let case = Case {
            acts: vec![Answer(503); 3],
            member: "failstatus=503",
            balancer,
            ..Case::default()
        };
        let outcome = case.run();
        assert_eq!((outcome.status, &outcome.requests[..]), (503, &requests[..]), "{outcome:#?}");
    }
}

#[test]
fn a_session_goes_to_its_member_and_to_another_one_after_that_has_failed() {
    for (acts, requests) in
        [(vec![Answer(200); 3], [0, 0, 1]), (vec![Answer(200), Answer(200), Close], [1, 0, 1])]
    {
        let headers = "Cookie: JSESSIONID=1.c\r\n";
        let outcome = Case { acts, headers, ..Case::default() }.run();
        assert_eq!((outcome.status, &outcome.requests[..]), (200, &requests[..]), "{outcome:#?}");
    }
}

#[test]
fn with_nofailover_a_session_stays_with_its_member_also_after_a_wait() {
    let case = Case {
        acts: vec![Answer(200), Answer(503)],
        member: "failstatus=503",
        balancer: "ProxySet nofailover=On",
        headers: "Cookie: JSESSIONID=1.b\r\n",
        ..Case::default()
    };
    let outcome = case.run();
    assert_eq!((outcome.status, &outcome.requests[..]), (503, &[0, 1][..]), "{outcome:#?}");
}

#[test]
fn the_next_member_after_a_wait_may_speak_another_protocol() {
    for parking in ["On", "Off"] {
        let first = Member::start('a', Answer(503));
        let other = Httpd::setup().conf("ErrorDocument 404 \"the other member\"").start();
        let httpd = two_threads()
            .modules(&["proxy_http"])
            .conf(&format!("ProxyAjpParking {parking}\n<Proxy balancer://members>"))
            .conf(&format!("BalancerMember ajp://127.0.0.1:{} failstatus=503", first.peer.port()))
            .conf(&format!("BalancerMember http://127.0.0.1:{} lbset=1\n</Proxy>", other.port()))
            .conf("ProxyPass /app balancer://members/app")
            .start();
        let mut client = ask(&httpd, "/app/x");
        first.peer.wait_for_requests(1);
        if parking == "On" {
            wait_for_parked(&httpd, 1);
        }
        first.gate.open();
        assert_eq!(client.response("GET").expect(404).text(), "the other member", "{parking}");
        wait_for_rest(&httpd);
    }
}

#[test]
fn a_body_arrives_whole_at_the_next_member_after_a_wait() {
    let body = Generated::bytes(5000, 1);
    let sum = sha256_hex(&body);
    let outcome = Case { acts: vec![Close, Answer(200)], body, ..Case::default() }.run();
    assert_eq!((outcome.status, outcome.text), (200, format!("b /app/x {sum}")));
}

#[test]
fn max_forwards_is_as_without_a_wait() {
    let headers = "Max-Forwards: 5\r\n";
    let acts = vec![Answer(503), Answer(503), Answer(200)];
    let outcome = Case { acts, member: "failstatus=-503", headers, ..Case::default() }.run();
    assert_eq!(outcome.status, 200);
}
