//! Members that drain, that are stopped, and local members: rows 70-74, 77, 86 and 87 of what mod_jk's
//! users know (see `jk/sessions.rs`), over two children. With real Tomcats: `tomcat/balanced.rs`.

use test_support::http::Response;
use test_support::httpd::{Httpd, Setup};
use test_support::members::{balancer, is_in_error, named_with_activation, two_children};
use test_support::process::free_port;

/// A balancer at `/app` of these members, the first with route `a`, and so on.
fn balanced(setup: Setup, members: &[(u16, &str)]) -> Setup {
    let lines: Vec<String> = members
        .iter()
        .zip('a'..)
        .map(|((port, words), route)| format!("ajp://127.0.0.1:{port} route={route} {words}"))
        .collect();
    balancer(setup, &lines)
}

/// `GET /app/x` of a client whose session is at this member.
fn at(httpd: &Httpd, route: &str) -> Response {
    httpd.request("GET", "/app/x", &format!("Cookie: JSESSIONID=x.{route}\r\n"))
}

/// The answer to a client without a session.
fn newcomer(httpd: &Httpd) -> String {
    httpd.get("/app/x").expect(200).text()
}

// row 70
#[test]
fn a_member_with_loadfactor_0_gets_only_its_sessions_as_a_disabled_one_does() {
    for word in ["loadfactor=0", "activation=disabled"] {
        let (a, b) = (named_with_activation("a"), named_with_activation("b"));
        let httpd = balanced(two_children(), &[(a.port(), word), (b.port(), "")]).start();
        for _ in 0..20 {
            assert_eq!(newcomer(&httpd), "b ACT", "{word}");
        }
        for _ in 0..5 {
            assert_eq!(at(&httpd, "a").expect(200).text(), "a DIS", "{word}");
        }
        assert_eq!((a.requests(), b.requests()), (5, 20), "{word}");
    }
}

// row 70
#[test]
fn a_member_with_loadfactor_0_gets_no_new_session_even_when_the_others_fail() {
    let a = named_with_activation("a");
    let members = [(a.port(), "loadfactor=0"), (free_port(), "")];
    let httpd = balanced(two_children(), &members).start();
    for _ in 0..4 {
        httpd.get("/app/x").expect(503);
    }
    assert_eq!(a.requests(), 0);
    assert_eq!(at(&httpd, "a").expect(200).text(), "a DIS");
}

// row 71
#[test]
fn new_sessions_go_to_the_local_member_and_to_the_other_one_when_that_is_down() {
    let (remote, local) = (named_with_activation("remote"), named_with_activation("local"));
    let members = [(remote.port(), ""), (local.port(), "local=On")];
    let httpd = balanced(two_children(), &members).start();
    for _ in 0..10 {
        assert_eq!(newcomer(&httpd), "local ACT");
    }
    for _ in 0..4 {
        assert_eq!(at(&httpd, "a").expect(200).text(), "remote ACT", "its session");
    }
    let port = local.port();
    drop(local);
    for _ in 0..4 {
        assert_eq!(newcomer(&httpd), "remote ACT");
    }
    assert!(is_in_error(&httpd, port));
}

// row 72
#[test]
fn with_localonly_new_sessions_get_503_when_the_local_member_is_down_and_the_other_is_not_tried() {
    let b = named_with_activation("b");
    let members = [(free_port(), "local=On"), (b.port(), "")];
    let setup = balanced(two_children(), &members);
    let httpd = setup.conf("ProxySet balancer://members localonly=On").start();
    for _ in 0..4 {
        httpd.get("/app/x").expect(503);
    }
    for _ in 0..2 {
        at(&httpd, "a").expect(503);
    }
    assert_eq!(b.requests(), 0);
    for _ in 0..4 {
        assert_eq!(at(&httpd, "b").expect(200).text(), "b DIS");
    }
}

// row 73: two nodes, each an httpd and a Tomcat, behind a balancer that knows which node is on.
#[test]
fn a_node_that_is_taken_out_serves_its_old_sessions_through_the_other_and_gets_no_new_ones() {
    let [mut first, second] = ["first", "second"].map(|name| Some(named_with_activation(name)));
    let ports = [&first, &second].map(|peer| peer.as_ref().expect("just started").port());
    let node = |local: usize| {
        let words: [&str; 2] = if local == 0 { ["local=On", ""] } else { ["", "local=On"] };
        let members = [(ports[0], words[0]), (ports[1], words[1])];
        let setup = balanced(two_children(), &members);
        setup.conf("ProxySet balancer://members localonly=On").start()
    };
    let (on, off) = (node(0), node(1));

    // Both nodes are on: each serves its own new sessions, and all old ones.
    assert_eq!(newcomer(&on), "first ACT");
    assert_eq!(newcomer(&off), "second ACT");
    assert_eq!(at(&off, "a").expect(200).text(), "first DIS");
    // The second is taken out: all clients go to the first.
    for _ in 0..4 {
        assert_eq!(newcomer(&on), "first ACT");
        assert_eq!(at(&on, "b").expect(200).text(), "second DIS", "its old sessions");
    }
    // No node may send new sessions to the node that is out, not even when its own Tomcat is down.
    first.take();
    for _ in 0..4 {
        on.get("/app/x").expect(503);
        at(&on, "a").expect(503);
        assert_eq!(at(&on, "b").expect(200).text(), "second DIS");
    }
    let second = second.expect("never taken");
    assert_eq!(second.requests(), 1 + 4 + 4, "a newcomer before, and old sessions");
}

// row 77: a rule's own activation is a balancer of its own over the same backends.
#[test]
fn a_second_balancer_keeps_some_urls_off_a_member_that_the_others_use() {
    let (a, b) = (named_with_activation("a"), named_with_activation("b"));
    let (a_port, b_port) = (a.port(), b.port());
    let httpd = balanced(two_children(), &[(a_port, ""), (b_port, "")])
        .conf(&format!(
            "<Proxy balancer://admin>\n\
             BalancerMember ajp://127.0.0.1:{a_port} route=a activation=stopped\n\
             BalancerMember ajp://127.0.0.1:{b_port} route=b\n\
             ProxySet stickysession=JSESSIONID\n</Proxy>\nProxyPass /admin balancer://admin/admin"
        ))
        .start();
    for _ in 0..4 {
        let cookie = "Cookie: JSESSIONID=x.a\r\n";
        assert_eq!(httpd.request("GET", "/admin/x", cookie).expect(200).text(), "b ACT");
        assert_eq!(httpd.get("/admin/x").expect(200).text(), "b ACT");
    }
    assert_eq!(a.requests(), 0);
    let newcomers: Vec<_> = (0..4).map(|_| newcomer(&httpd)).collect();
    assert_eq!(newcomers.iter().filter(|who| *who == "a ACT").count(), 2, "{newcomers:?}");
    for _ in 0..4 {
        assert_eq!(at(&httpd, "a").expect(200).text(), "a ACT");
    }
}

// row 86
#[test]
fn a_disabled_only_member_serves_its_sessions_and_no_others() {
    let a = named_with_activation("a");
    let httpd = balanced(two_children(), &[(a.port(), "activation=disabled")]).start();
    for _ in 0..4 {
        httpd.get("/app/x").expect(503);
        at(&httpd, "zz").expect(503);
        assert_eq!(at(&httpd, "a").expect(200).text(), "a DIS");
    }
    assert_eq!(a.requests(), 4);
}

// row 87
#[test]
fn a_route_cookie_is_set_when_the_member_is_not_that_of_the_session_and_only_then() {
    let (a, b) = (named_with_activation("a"), named_with_activation("b"));
    let members = [(a.port(), ""), (b.port(), "lbset=1"), (free_port(), "lbset=2")];
    let cookie = "ROUTEID=.%{BALANCER_WORKER_ROUTE}e; path=/; HttpOnly; SameSite=Lax";
    let httpd = balanced(two_children(), &members)
        .conf("ProxySet balancer://members stickysession=ROUTEID")
        .conf(&format!("Header add Set-Cookie \"{cookie}\" env=BALANCER_ROUTE_CHANGED"))
        .start();
    let answer = |route: Option<&str>| {
        let cookie = route.map_or(String::new(), |route| format!("Cookie: ROUTEID={route}\r\n"));
        let answer = httpd.request("GET", "/app/x", &cookie).expect(200);
        let set: Vec<String> = answer.all("Set-Cookie").into_iter().map(str::to_owned).collect();
        (answer.text(), set)
    };
    let set = |route: &str| vec![format!("ROUTEID=.{route}; path=/; HttpOnly; SameSite=Lax")];
    for _ in 0..2 {
        assert_eq!(answer(None), ("a ACT".into(), set("a")), "a newcomer");
        assert_eq!(answer(Some(".a")), ("a ACT".into(), vec![]), "at its member");
        assert_eq!(answer(Some(".b")), ("b ACT".into(), vec![]), "at its member");
        assert_eq!(answer(Some(".zz")), ("a ACT".into(), set("a")), "nobody's");
        assert_eq!(answer(Some(".c")), ("a ACT".into(), set("a")), "its member is down");
    }
}
