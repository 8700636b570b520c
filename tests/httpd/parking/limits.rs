//! With parking, the number of threads does not limit the number of connections: `max` is what was
//! written, or no limit.

use serde_json::Value;

use test_support::ajp::ScriptedPeer;
use test_support::httpd::{Httpd, Mpm, Setup};
use test_support::members::{ONE_CHILD, named};
use test_support::process::wait_for;
use test_support::status::{member, number, pool, report, with_status};

/// Workers with and without `max`, set in each way, on ports that tell them apart.
const WORKERS: &str = "ProxyPass /unset ajp://127.0.0.1:1
    ProxyPass /set ajp://127.0.0.1:2 max=20
    ProxyPass /zero ajp://127.0.0.1:3 max=0
    ProxyPass /later ajp://127.0.0.1:4
    ProxySet ajp://127.0.0.1:4 max=7 smax=3
    <Proxy balancer://members>
    BalancerMember ajp://127.0.0.1:5
    BalancerMember ajp://127.0.0.1:6 max=400
    </Proxy>
    ProxyPass /balanced balancer://members/";

/// A server of 16 threads a child, with mod_http2, by whose threads mod_proxy raises its default.
fn server(mpm: Mpm, conf: &str) -> Setup {
    let setup =
        Httpd::setup().mpm(mpm).modules(&["http2"]).conf("H2MinWorkers 40\nH2MaxWorkers 40");
    with_status(setup).conf(conf)
}

/// The limit of the worker with this port.
fn max(report: &Value, port: u16) -> Value {
    member(report, &format!(":{port}"))["max"].clone()
}

fn limits(setup: Setup) -> [Value; 6] {
    let report = report(&setup.start());
    [1, 2, 3, 4, 5, 6].map(|port| max(&report, port))
}

#[test]
fn with_parking_max_that_is_not_set_is_no_limit_and_a_set_one_is_as_written_beside_mod_http2() {
    let none = Value::Null;
    let expected = [none.clone(), 20.into(), none.clone(), 7.into(), none, 400.into()];
    assert_eq!(limits(server(Mpm::Event, &format!("ProxyAjpParking On\n{WORKERS}"))), expected);
}

#[test]
fn without_parking_and_where_it_has_no_effect_max_that_is_not_set_is_what_mod_proxy_makes_of_it() {
    for (mpm, parking) in [(Mpm::Event, ""), (Mpm::Worker, "ProxyAjpParking On")] {
        let limits = limits(server(mpm, &format!("{parking}\n{WORKERS}")));
        // 16 threads, one of which serves HTTP/2 with up to 40 of its own.
        for (at, expected) in [55, 20, 55, 7, 55, 400].into_iter().enumerate() {
            assert_eq!(limits[at], expected, "{mpm:?}: {limits:?}");
        }
    }
}

#[test]
fn a_virtual_host_inherits_parking_and_may_have_it_otherwise() {
    let host = |name: &str, line: &str, port: u16| {
        let pass = format!("ProxyPass /x ajp://127.0.0.1:{port}");
        format!("<VirtualHost *:*>\nServerName {name}\n{line}\n{pass}\n</VirtualHost>")
    };
    for (main, own, inherits) in [("On", "Off", true), ("Off", "On", false)] {
        let conf = [
            format!("ProxyAjpParking {main}"),
            host("one", "", 1),
            host("two", &format!("ProxyAjpParking {own}"), 2),
            // A line of ours that says nothing of it.
            host("three", "ProxyAjpCertChain On", 3),
        ];
        let report = report(&server(Mpm::Event, &conf.join("\n")).start());
        let is_unlimited = [1, 2, 3].map(|port| max(&report, port).is_null());
        assert_eq!(is_unlimited, [inherits, !inherits, inherits], "{report:#}");
    }
}

#[test]
fn with_parking_min_may_be_above_the_number_of_threads_and_not_above_max() {
    for (parameters, expected) in [("min=20", 20), ("min=20 max=18", 18)] {
        let peer: ScriptedPeer = named("a");
        let conf = format!("ProxyPass /app ajp://127.0.0.1:{} {parameters}", peer.port());
        let setup = Httpd::setup().conf(ONE_CHILD).conf("ProxyAjpParking On");
        let httpd = with_status(setup).conf(&conf).start();
        let open = || number(&pool(&report(&httpd), &format!(":{}", peer.port()))["open"]);
        wait_for(parameters, || (open() == expected).then_some(()));
        peer.wait_for_connections(expected);
        assert_eq!(peer.connections(), expected, "{parameters}");
    }
}
