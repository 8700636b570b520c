//! Requests without a session, compared with mod_proxy_ajp: which members they go to, and what httpd is told.

use test_support::ajp::ScriptedPeer;
use test_support::httpd::{Httpd, Module, Setup};
use test_support::lbmethod;
use test_support::members::{ONE_CHILD, named};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

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

/// The members that forty requests go to, and what httpd is told of each; every fifth one has a session of the
/// second member.
fn elections(setup: Setup, module: Module) -> (Vec<String>, Vec<String>) {
    let httpd = setup.module(module).start();
    let mut client = httpd.client();
    let elected = (0..40).map(|number| {
        let session = if number % 5 == 4 { "Cookie: JSESSIONID=x.b\r\n" } else { "" };
        client.request("GET", &format!("/app/{number}"), session, b"").expect(200).text()
    });
    let elected = elected.collect();
    (elected, httpd.lines_of("told.log", 40))
}

#[test]
fn each_request_goes_to_the_member_that_it_goes_to_with_mod_proxy_ajp() {
    let peers = NAMES.map(named);
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
        for method in ["byrequests", "bytraffic"] {
            let setup = || balancer(&peers, members, method);
            let (ours, stock) =
                (elections(setup(), Module::Ours), elections(setup(), Module::Stock));
            assert_eq!(ours, stock, "{method}: {members:?}");
        }
    }
}

#[test]
fn an_lbmethod_of_another_module_is_asked_whatever_its_name() {
    let peers = NAMES.map(named);
    let members = balancer(&peers, &["", "", ""], "byrequests");
    let (elected, _) = elections(members.conf(&lbmethod::load()), Module::Ours);
    let wanted = (0..40).map(|number| if number % 5 == 4 { "b" } else { "c" });
    assert!(elected.iter().eq(wanted), "{elected:?}");
}
