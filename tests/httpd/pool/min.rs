//! `min`: connections that are open before a request needs them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use test_support::ajp::echo::{respond, uris};
use test_support::ajp::request::forward_request;
use test_support::ajp::{PeerConnection, ScriptedPeer};
use test_support::httpd::{Httpd, Mpm};
use test_support::members::ONE_CHILD;
use test_support::process::wait_for;

use super::{proxy_with, sockets};
#[track_caller]
fn min_connections_are_open_before_the_first_request(mpm: Mpm) {
    let peer = ScriptedPeer::start(uris);
    let httpd = proxy_with(mpm, &peer, "min=2", ONE_CHILD);
    peer.wait_for_connections(2);

    for _ in 0..5 {
        httpd.get("/app/hello").expect(200);
    }
    assert_eq!((peer.connections(), peer.open_connections()), (2, 2), "the warm ones are used");
}

#[test]
fn min_connections_are_open_before_the_first_request_under_event() {
    min_connections_are_open_before_the_first_request(Mpm::Event);
}

#[test]
fn min_connections_are_open_before_the_first_request_under_worker() {
    min_connections_are_open_before_the_first_request(Mpm::Worker);
}

#[test]
fn a_balancer_member_is_kept_warm_too_and_virtual_hosts_share_what_is_warm() {
    let peer = ScriptedPeer::start(uris);
    let member = format!("BalancerMember ajp://127.0.0.1:{} min=2", peer.port());
    let httpd = Httpd::setup()
        .conf(ONE_CHILD)
        .conf(&format!("<Proxy balancer://one>\n{member}\n</Proxy>"))
        .conf("ProxyPass /app balancer://one/app")
        .conf("<VirtualHost *>\nServerName other\n</VirtualHost>")
        .start();
    peer.wait_for_connections(2);

    httpd.get("/app/hello").expect(200);
    assert_eq!(peer.connections(), 2);
}

#[test]
fn a_member_enabled_at_run_time_is_kept_warm_from_then_on() {
    let peer = ScriptedPeer::start(uris);
    let warm = ScriptedPeer::start(uris);
    let member = format!("BalancerMember ajp://127.0.0.1:{} min=2 status=+D", peer.port());
    let httpd = Httpd::setup()
        .conf(ONE_CHILD)
        .conf(&format!("<Proxy balancer://one>\n{member}\nProxySet nonce=of-the-tests\n</Proxy>"))
        .conf("ProxyPass /app balancer://one/app")
        .conf(&format!("ProxyPass /warm ajp://127.0.0.1:{}/ min=1", warm.port()))
        .conf("<Location /balancer-manager>\nSetHandler balancer-manager\n</Location>")
        .start();
    warm.wait_for_connections(1);
    assert_eq!(peer.connections(), 0);

    let form = format!("b=one&nonce=of-the-tests&w=ajp://127.0.0.1:{}&w_status_D=0", peer.port());
    let headers = format!(
        "Referer: http://localhost:{}/balancer-manager\r\nContent-Length: {}\r\n",
        httpd.port(),
        form.len()
    );
    httpd.client().request("POST", "/balancer-manager", &headers, form.as_bytes()).expect(200);

    peer.wait_for_connections(2);
}

#[test]
fn a_burst_leaves_min_connections_once_ttl_has_passed() {
    let go = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&go);
    let peer = ScriptedPeer::start(move |conn: &mut PeerConnection| {
        while let Some(payload) = conn.read_packet()? {
            let uri = forward_request(&payload)?.uri;
            if uri.ends_with("hold") {
                wait_for("all have come", || told.load(Ordering::Acquire).then_some(()));
            }
            respond(conn, &uri)?;
        }
        Ok(())
    });
    let httpd = proxy_with(Mpm::Event, &peer, "min=2 ttl=4", ONE_CHILD);
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..5).map(|_| scope.spawn(|| httpd.get("/app/hold"))).collect();
        peer.wait_for_requests(5);
        assert!(peer.open_connections() >= 5);
        go.store(true, Ordering::Release);
        for thread in asked {
            thread.join().expect("answered").expect(200);
        }
    });

    wait_for("two are left", || (peer.open_connections() == 2).then_some(()));
    // New connections replace those that ttl closes.
    let before = peer.connections();
    peer.wait_for_connections(before + 2);
    wait_for("still two", || (peer.open_connections() == 2).then_some(()));
    assert!(sockets(&httpd, peer.port()).len() <= 2);
}

#[test]
fn a_worker_without_reuse_is_not_kept_warm() {
    let peer = ScriptedPeer::start(uris);
    let warm = ScriptedPeer::start(uris);
    let conf = format!("ProxyPass /warm ajp://127.0.0.1:{}/ min=1", warm.port());
    let httpd = proxy_with(Mpm::Event, &peer, "min=3 forceclose=On", &conf);
    warm.wait_for_connections(httpd.children().len());

    assert_eq!(peer.connections(), 0);
    httpd.get("/app/hello").expect(200);
    assert_eq!(peer.connections(), 1);
}
