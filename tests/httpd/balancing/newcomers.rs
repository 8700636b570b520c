//! Requests without a session, compared with mod_proxy_ajp: which members they go to, and what httpd is told.

use test_support::ajp::ScriptedPeer;
use test_support::ajp::echo::respond;
use test_support::httpd::{Httpd, Module, Setup};
use test_support::lbmethod;
use test_support::members::{ONE_CHILD, backend};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// What the requests say of their session, in turn: nothing, a route that a member has, one that none has, and what
/// mod_proxy_balancer reads in its own way.
const SAID: [(&str, &str); 10] = [
    ("", ""),
    ("?a=1&b=%20/", ""),
    ("/%20%C3%A4;v=1/x", "Cookie: other=x.b\r\n"),
    ("?q", "Cookie: JSESSIONID=x.b\r\n"),
    ("/x%2By", ""),
    (";jsessionid=x.a?z=1", ""),
    ("", "Cookie: JSESSIONID=x\r\n"),
    ("", "Cookie: JSESSIONID=x.\r\n"),
    ("", "Cookie: a=b JSESSIONID=x.b\r\n"),
    ("?e=%41", "Cookie: JSESSIONID=x.none\r\n"),
];

/// A balancer at `/app` of these members (what stands behind the address), each with its name as its route.
fn balancer(peers: &[ScriptedPeer], members: &[&str], method: &str) -> Setup {
    let line = |((peer, name), more): ((&ScriptedPeer, &str), &&str)| {
        format!("BalancerMember ajp://127.0.0.1:{} route={name} {more}\n", peer.port())
    };
    let lines: String = peers.iter().zip(NAMES).zip(members).map(line).collect();
    Httpd::setup()
        .modules(&["lbmethod_bybusyness", "lbmethod_bytraffic"])
        .conf(ONE_CHILD)
        .conf(&format!("<Proxy balancer://members>\n{lines}ProxySet lbmethod={method}"))
        .conf("ProxySet stickysession=JSESSIONID\n</Proxy>\nProxyPass /app balancer://members/app")
        .conf(
            "CustomLog told.log \"%U %{BALANCER_NAME}e %{BALANCER_WORKER_NAME}e \
             %{BALANCER_WORKER_ROUTE}e %{BALANCER_ROUTE_CHANGED}e %{BALANCER_SESSION_ROUTE}e\"",
        )
}

/// The members and URLs that forty requests come to, and what httpd is told of each.
fn elections(setup: Setup, module: Module) -> (Vec<String>, Vec<String>) {
    let httpd = setup.module(module).start();
    let mut client = httpd.client();
    let elected = SAID.iter().cycle().take(40).enumerate().map(|(number, (target, cookie))| {
        let target = format!("/app/{number}{target}");
        client.request("GET", &target, cookie, b"").expect(200).text()
    });
    let elected = elected.collect();
    (elected, httpd.lines_of("told.log", 40))
}

/// Five containers that answer with their name and the URL.
fn peers() -> [ScriptedPeer; 5] {
    NAMES.map(|name| {
        backend(move |conn, request| {
            let query = request.attribute("query_string").unwrap_or("none");
            respond(conn, &format!("{name} {} {query}", request.uri)).map(|()| true)
        })
    })
}

#[test]
fn each_request_goes_to_the_member_that_it_goes_to_with_mod_proxy_ajp() {
    let peers = peers();
    for members in [
        &["", "", ""][..],
        &["loadfactor=3", "loadfactor=1", "loadfactor=2.5"],
        &["lbset=1", "", "lbset=1", "loadfactor=7"],
        &["status=+N", "", ""],
        &["status=+D", "", "loadfactor=2", "status=+S"],
        &["status=+H", "", "status=+R", "", ""],
        &["status=+D", "", "status=+R", "status=+R", ""],
        &["", "status=+I", "loadfactor=20", "", ""],
        &["", ""],
    ] {
        for method in ["byrequests", "bytraffic", "bybusyness"] {
            let setup = || balancer(&peers, members, method);
            let (ours, stock) =
                (elections(setup(), Module::Ours), elections(setup(), Module::Stock));
            assert_eq!(ours, stock, "{method}: {members:?}");
        }
    }
}

#[test]
fn an_lbmethod_of_another_module_is_asked_whatever_its_name() {
    let peers = peers();
    let members = balancer(&peers, &["", "", ""], "byrequests");
    let (elected, _) = elections(members.conf(&lbmethod::load()), Module::Ours);
    let without_session = elected.iter().step_by(10);
    assert!(without_session.clone().all(|text| text.starts_with("c ")), "{elected:?}");
    assert_eq!(without_session.count(), 4);
}
