//! Members with `local=On`, and their effect on the others of their balancer.

use test_support::manager::{NONCE, manage, member, member_of, members, places_in, said};
use test_support::members::{balancer, one_child};

#[test]
fn remote_members_come_after_local_ones_and_still_do_after_restarts() {
    let words = ["route=a", "route=b local=On", "route=c lbset=5", "route=d lbset=0", "route=e"];
    let (peers, ports, lines) = members(&words);
    let httpd = balancer(one_child(), &lines).start();
    let wanted = ["1", "0", "5", "0", "1"];
    for _ in 0..3 {
        let places = places_in(&httpd, &ports);
        assert_eq!(places.iter().map(|(_, set)| set.as_str()).collect::<Vec<_>>(), wanted);
        assert!(places.iter().all(|(flags, _)| flags == "Init Ok"), "{places:?}");
        httpd.graceful();
    }
    drop(peers);
}

#[test]
fn with_localonly_a_remote_member_gets_only_its_sessions() {
    for place in [
        "ProxySet balancer://members localonly=On",
        "ProxyPass /more balancer://members/more localonly=On",
    ] {
        let words = ["route=a retry=600", "route=b retry=600 local=On", "route=c lbset=0"];
        let (mut peers, ports, lines) = members(&words);
        let httpd = balancer(one_child(), &lines).conf(place).start();
        let wanted = [("Init Drn Ok", "1"), ("Init Ok", "0"), ("Init Drn Ok", "0")];
        let wanted = wanted.map(|(flags, set)| (flags.to_owned(), set.to_owned()));
        for _ in 0..3 {
            assert_eq!(places_in(&httpd, &ports), wanted);
            httpd.graceful();
        }
        httpd.get("/app/new").expect(200);
        drop(peers.remove(1));
        httpd.get("/app/new").expect(503);
        httpd.request("GET", "/app/old", "Cookie: JSESSIONID=x.a\r\n").expect(200);
        assert_eq!((peers[0].requests(), peers[1].requests()), (1, 0), "{place}");
    }
}

#[test]
fn without_a_local_member_no_member_is_remote_and_localonly_warns_that_it_has_no_effect() {
    let (_peers, ports, lines) = members(&["route=a", "route=b local=Off"]);
    let httpd = balancer(one_child(), &lines)
        .conf("ProxySet balancer://members localonly=On")
        .conf("<VirtualHost *:*>\nServerName other\n</VirtualHost>")
        .start();
    let free = ("Init Ok".to_owned(), "0".to_owned());
    assert_eq!(places_in(&httpd, &ports), [free.clone(), free]);
    let warning = "balancer://members: localonly=On has no effect, because no member has local=On";
    assert_eq!(httpd.error_log().matches(warning).count(), 1);
}

#[test]
fn members_of_another_scheme_are_remote_too() {
    let (_peers, ports, mut lines) = members(&["local=On"]);
    lines.push("http://127.0.0.1:9 route=h".into());
    let setup = one_child().modules(&["proxy_http"]);
    let httpd = balancer(setup, &lines).conf("ProxySet balancer://members localonly=On").start();
    let report = member(&httpd, ports[0]);
    assert_eq!(said(&report, "lbset"), "0");
    let other = member_of(&httpd, "localhost", "balancer://members", "http://127.0.0.1:9");
    assert_eq!((said(&other, "status"), said(&other, "lbset")), ("Init Drn Ok", "1"));
}

#[test]
fn each_virtual_host_has_local_members_of_its_own_and_those_it_inherits() {
    let (_peers, ports, lines) = members(&["route=a", "route=b local=On"]);
    let [a, b] = [0, 1].map(|at| format!("ajp://127.0.0.1:{}", ports[at]));
    let manager = "<Location /balancer-manager>\nSetHandler balancer-manager\n</Location>";
    let host = |name: &str, lines: &str| {
        format!("<VirtualHost *:*>\nServerName {name}\n{lines}\n{manager}\n</VirtualHost>")
    };
    let own = format!(
        "BalancerInherit Off\nProxyPassInherit Off\n<Proxy balancer://members>\n\
         BalancerMember {a} local=On\nBalancerMember {b}\n</Proxy>"
    );
    let more = format!(
        "<Proxy balancer://more localonly=On>\nBalancerMember {a}\nBalancerMember {b} local=On\n\
         </Proxy>"
    );
    let httpd = balancer(one_child(), &lines)
        .conf(&host("inherits", &more))
        .conf(&host("alone", &own))
        .start();
    for _ in 0..2 {
        for (host, balancer, wanted) in [
            ("inherits", "balancer://members", [("Init Ok", "1"), ("Init Ok", "0")]),
            ("inherits", "balancer://more", [("Init Drn Ok", "1"), ("Init Ok", "0")]),
            ("alone", "balancer://members", [("Init Ok", "0"), ("Init Ok", "1")]),
        ] {
            for (url, (status, set)) in [&a, &b].into_iter().zip(wanted) {
                let member = member_of(&httpd, host, balancer, url);
                let found = (said(&member, "status"), said(&member, "lbset"));
                assert_eq!(found, (status, set), "{host} {balancer} {url}");
            }
        }
        httpd.graceful();
    }
}

#[test]
fn the_state_that_balancerpersist_saved_replaces_local_as_every_other_parameter() {
    let (_peers, ports, lines) = members(&["route=a", "route=b local=On"]);
    let httpd = balancer(one_child().conf("BalancerPersist On"), &lines)
        .conf(&format!("ProxySet balancer://members nonce={NONCE}"))
        .start();
    assert_eq!(places_in(&httpd, &ports)[0].1, "1");
    manage(&httpd, Some(ports[0]), "w_ls=3&w_status_N=1");
    let by_hand = ("Init Drn Ok".to_owned(), "3".to_owned());
    assert_eq!(places_in(&httpd, &ports)[0], by_hand);

    for _ in 0..2 {
        httpd.graceful();
        assert_eq!(places_in(&httpd, &ports)[0], by_hand);
    }
}
