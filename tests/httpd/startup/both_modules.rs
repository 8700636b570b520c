//! The lines before LoadModule that refuse a second module with the same name.

use test_support::httpd::{Httpd, Module, Setup};
use test_support::process::{signal, wait_for};

const SAYS: &str = "mod_proxy_ajp is loaded already: a2dismod proxy_ajp";

/// httpd with mod_proxy_ajp's line before the file that loads this module.
fn stock_first() -> Setup {
    Httpd::setup().modules(&["proxy_ajp"])
}

#[test]
fn the_file_that_loads_this_module_refuses_a_mod_proxy_ajp_that_is_loaded_before_it() {
    let (accepted, printed) = stock_first().configtest();

    assert!(!accepted, "{printed}");
    assert!(printed.contains("AH00526: Syntax error on line"), "{printed}");
    assert!(printed.contains("load.conf"), "{printed}");
    assert!(printed.contains(SAYS), "{printed}");
}

#[test]
fn it_is_silent_alone_over_a_graceful_restart_too_and_refuses_the_other_module_at_one() {
    let mut httpd = Httpd::setup().conf("ProxyPass /app ajp://127.0.0.1:9/app").start();
    httpd.graceful();
    let log = httpd.all_logs();
    assert!(!log.contains("is loaded already"), "{log}");
    assert!(!log.contains("AH01574"), "{log}");

    let stock = Module::Stock.path();
    let line = format!("LoadModule proxy_ajp_module {}\n", stock.display());
    httpd.edit(|conf| conf.replacen("Include ", &format!("{line}Include "), 1));
    signal("USR1", httpd.pid());
    wait_for("httpd has ended", || httpd.has_ended().then_some(()));

    let log = httpd.all_logs();
    assert!(log.contains(SAYS), "{log}");
}

#[test]
fn a_mod_proxy_ajp_that_is_loaded_after_it_is_skipped_by_httpd_and_this_module_serves() {
    let stock = Module::Stock.path();
    let httpd = Httpd::setup()
        .conf(&format!("LoadModule proxy_ajp_module {}", stock.display()))
        .conf("ProxyPass /app ajp://127.0.0.1:9/app forceclose=On")
        .start();

    let log = httpd.all_logs();
    assert!(log.contains("AH01574: module proxy_ajp_module is already loaded, skipping"), "{log}");
    assert!(log.contains("AJP0002: mod_proxy_ajp_rs"), "{log}");
}

#[test]
fn the_file_that_packages_and_ci_install_put_there_has_the_same_lines() {
    let load = std::fs::read_to_string(test_support::httpd::examples_directory().join("load.conf"));
    let lines = "<IfModule mod_proxy_ajp.c>\n    Error \"mod_proxy_ajp is loaded already: a2dismod \
                 proxy_ajp\"\n</IfModule>\nLoadModule proxy_ajp_module ";
    assert!(load.expect("it is there").contains(lines));
    let packaged = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/proxy_ajp_rs.load");
    assert!(std::fs::read_to_string(packaged).expect("it is there").contains(lines));
}
