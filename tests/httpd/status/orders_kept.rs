//! Orders over restarts: an order applies until the configuration or balancer-manager changes the
//! member.

use std::fs;

use test_support::manager::{NONCE, manage};
use test_support::members::{named, prefork};
use test_support::status::{member, order, report, with_status};

use super::{Two, client};

/// Restarts gracefully, until all children are those of the new configuration.
fn graceful(two: &mut Two) {
    two.clients.clear();
    let before = two.httpd.children();
    two.httpd.graceful();
    two.httpd.wait_for_new_children(&before, 2);
    two.clients = (0..2).map(|_| client(&two.httpd)).collect();
}

#[test]
fn an_order_applies_after_graceful_restarts_with_and_without_balancerpersist() {
    for persist in ["Off", "On"] {
        let mut two = Two::start(prefork(3).conf(&format!("BalancerPersist {persist}")));
        order(&two.httpd, "drain", "a");
        for _ in 0..2 {
            graceful(&mut two);
            assert_eq!(two.answers(None), ["b", "b"], "{persist}");
            assert_eq!(two.answers(Some("x.a")), ["a", "a"], "{persist}");
        }
        order(&two.httpd, "activate", "a");
        order(&two.httpd, "stop", "b");
        graceful(&mut two);
        assert_eq!(two.answers(Some("x.b")), ["a", "a"], "{persist}");
        assert_eq!(two.activation(two.b.port()), "stopped", "{persist}");
        two.clients.clear();
        two.httpd.restart();
        assert_eq!(two.activation(two.b.port()), "stopped", "{persist}");
    }
}

#[test]
fn a_later_change_in_balancer_manager_replaces_an_order() {
    let mut two = Two::start(prefork(3).conf("BalancerPersist On"));
    order(&two.httpd, "drain", "a");
    manage(&two.httpd, Some(two.a.port()), "w_status_N=0");
    graceful(&mut two);
    assert_eq!(two.activation(two.a.port()), "active");
}

#[test]
fn a_later_edit_of_the_configuration_replaces_an_order() {
    let mut two = Two::start(prefork(3));
    order(&two.httpd, "drain", "b");
    order(&two.httpd, "activate", "b");
    order(&two.httpd, "stop", "a");
    graceful(&mut two);
    assert_eq!(two.activation(two.a.port()), "stopped");

    let file = two.httpd.root().join("httpd.conf");
    let conf = fs::read_to_string(&file).expect("it is there");
    let edited = conf.replace("route=b", "route=b activation=stopped");
    fs::write(&file, edited.replace("route=a", "route=a activation=active")).expect("it is ours");
    graceful(&mut two);
    assert_eq!(two.activation(two.b.port()), "stopped");
    assert_eq!(two.activation(two.a.port()), "active");
}

/// Edits the configuration, then restarts gracefully.
fn edit(two: &mut Two, edits: &[(&str, &str)]) {
    let file = two.httpd.root().join("httpd.conf");
    let mut conf = fs::read_to_string(&file).expect("it is there");
    for (old, new) in edits {
        assert!(conf.contains(old), "{old} in {conf}");
        conf = conf.replace(old, new);
    }
    fs::write(&file, conf).expect("it is ours");
    graceful(two);
}

#[test]
fn a_status_that_was_edited_replaces_an_older_order_and_that_is_logged() {
    for (written, was, order_first, edited, is) in [
        ("", "active", "activate", "status=+S", "stopped"),
        ("", "active", "activate", "status=+D", "stopped"),
        ("", "active", "activate", "status=+N", "draining"),
        ("status=+S", "stopped", "activate", "status=+N", "draining"),
        ("status=+N", "draining", "stop", "", "active"),
        ("status=+D", "stopped", "drain", "status=-D", "active"),
    ] {
        let mut two = Two::start(prefork(3));
        let line = |words: &str| format!("route=a {words}\n");
        edit(&mut two, &[("route=a\n", &line(written))]);
        assert_eq!(two.activation(two.a.port()), was, "{written}");
        order(&two.httpd, order_first, "a");
        let ordered = two.activation(two.a.port());
        graceful(&mut two);
        assert_eq!(two.activation(two.a.port()), ordered, "{written}: nothing was edited");
        assert!(!two.httpd.error_log().contains("no longer applies"));

        edit(&mut two, &[(&line(written), &line(edited))]);
        assert_eq!(two.activation(two.a.port()), is, "{written} then {edited}");
        let text = format!(
            "ajp-status: balancer://members ajp://127.0.0.1:{}: the operator's order ({ordered}) no \
             longer applies: the configuration of the member was edited",
            two.a.port()
        );
        let log = two.httpd.error_log();
        let lines = log.lines().filter(|line| line.contains(&text));
        assert_eq!(lines.filter(|line| line.contains(":warn]")).count(), 1, "{text} in {log}");
    }
}

#[test]
fn localonly_that_was_edited_replaces_an_older_order() {
    let mut two = Two::start(prefork(3));
    order(&two.httpd, "activate", "a");
    let nonce = format!("nonce={NONCE}\n");
    let only = format!("nonce={NONCE} localonly=On\n");
    edit(&mut two, &[("route=b\n", "route=b local=On\n"), (&nonce, &only)]);
    assert_eq!(two.activation(two.a.port()), "draining");
    assert!(two.httpd.error_log().contains("the operator's order (active) no longer applies"));
    // A later order applies again.
    order(&two.httpd, "activate", "a");
    graceful(&mut two);
    assert_eq!(two.activation(two.a.port()), "active");
}

#[test]
fn an_order_that_balancer_manager_has_undone_no_longer_applies_and_that_is_logged() {
    let mut two = Two::start(prefork(3));
    order(&two.httpd, "drain", "a");
    manage(&two.httpd, Some(two.a.port()), "w_status_N=0");
    graceful(&mut two);
    let log = two.httpd.error_log();
    assert_eq!(
        log.matches("the operator's order (draining) no longer applies").count(),
        1,
        "{log}"
    );
}

#[test]
fn an_order_applies_to_a_member_that_virtual_hosts_configure_differently() {
    let (a, b) = (named("a"), named("b"));
    let host = |name: &str, words: &str| {
        format!(
            "<VirtualHost *:*>\nServerName {name}\n<Proxy balancer://members>\n\
             BalancerMember ajp://127.0.0.1:{} route=a {words}\n\
             BalancerMember ajp://127.0.0.1:{} route=b\n</Proxy>\n\
             ProxyPass /app balancer://members/app\n</VirtualHost>",
            a.port(),
            b.port()
        )
    };
    let setup = with_status(prefork(3).conf("ServerName main"));
    let httpd = setup.conf(&host("one", "activation=active")).conf(&host("two", "")).start();
    order(&httpd, "stop", "a");
    // An order that is dropped at the first restart would not apply after the second.
    httpd.graceful();
    httpd.graceful();
    let activation = || {
        let report = report(&httpd);
        member(&report, &format!(":{}", a.port()))["activation"].as_str().map(str::to_owned)
    };
    assert_eq!(activation().as_deref(), Some("stopped"));
    assert!(!httpd.error_log().contains("no longer applies"));
}
