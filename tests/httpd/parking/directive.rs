//! `ProxyAjpParking`: where it may stand, and what the log says where it has no effect.

use test_support::httpd::{Httpd, Mpm, release};

/// What the log says of parking when httpd has started with this configuration.
fn said(mpm: Mpm, conf: &str) -> Vec<String> {
    let httpd = Httpd::setup().mpm(mpm).conf("ProxyPass /app ajp://localhost/").conf(conf).start();
    let log = httpd.error_log();
    log.lines().filter(|line| line.contains("ProxyAjpParking")).map(str::to_owned).collect()
}

#[test]
fn it_takes_on_and_off_in_the_main_server_and_in_virtual_hosts_alone() {
    for (conf, is_good) in [
        ("ProxyAjpParking On", true),
        ("ProxyAjpParking off", true),
        ("<VirtualHost *:*>\nProxyAjpParking On\n</VirtualHost>", true),
        ("ProxyAjpParking perhaps", false),
        ("ProxyAjpParking", false),
        ("<Location /app>\nProxyAjpParking On\n</Location>", false),
    ] {
        let (accepted, printed) = Httpd::setup().conf(conf).configtest();
        assert_eq!(accepted, is_good, "{conf}: {printed}");
        assert!(is_good || printed.contains("ProxyAjpParking"), "{conf}: {printed}");
    }
}

#[test]
fn with_an_mpm_that_has_a_thread_for_each_connection_the_log_says_once_that_it_has_no_effect() {
    for (mpm, name) in [(Mpm::Worker, "worker"), (Mpm::Prefork, "prefork")] {
        let said = said(mpm, "ProxyAjpParking On");
        let text = format!("ProxyAjpParking has no effect: the MPM is {name}, and only event ");
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(&text) && said[0].contains(":warn]"), "{said:?}");
    }
}

#[test]
fn one_virtual_host_that_wants_it_is_enough_for_the_line_and_none_for_no_line() {
    let host = |line: &str| format!("<VirtualHost *:*>\n{line}\n</VirtualHost>");
    assert_eq!(said(Mpm::Prefork, &host("ProxyAjpParking On")).len(), 1);
    assert_eq!(said(Mpm::Prefork, &host("ProxyAjpParking Off")).len(), 0);
    assert_eq!(said(Mpm::Prefork, "ProxyAjpParking Off").len(), 0);
}

#[test]
fn with_event_the_log_says_that_it_has_no_effect_only_before_httpd_2_4_63() {
    let said = said(Mpm::Event, "ProxyAjpParking On");
    let no_effect = "ProxyAjpParking has no effect: it needs httpd 2.4.63 or later";
    if release() < (2, 4, 63) {
        assert!(said.len() == 1 && said[0].contains(no_effect), "{said:?}");
    } else {
        assert!(!said.iter().any(|line| line.contains("no effect")), "{said:?}");
    }
}
