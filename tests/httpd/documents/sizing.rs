//! The numbers of docs/sizing.md are those that httpd and the module compute.

use test_support::httpd::{Httpd, Mpm};
use test_support::status::{member, report, with_status};

/// `max` of a worker with these parameters.
fn max(mpm: Mpm, conf: &str, parameters: &str) -> serde_json::Value {
    let line = format!("ProxyPass /app ajp://127.0.0.1:9/app {parameters}");
    let httpd = with_status(Httpd::setup().mpm(mpm).conf(conf).conf(&line)).start();
    member(&report(&httpd), "/app")["max"].clone()
}

#[test]
fn a_child_has_as_many_connections_as_max_says_or_as_it_has_threads() {
    let threads = "ThreadsPerChild 25\nMaxRequestWorkers 150";
    for (mpm, conf, parameters, expected) in [
        (Mpm::Event, threads, "", 25),
        (Mpm::Event, threads, "max=16", 16),
        (Mpm::Event, threads, "max=0", 25),
        (Mpm::Worker, threads, "", 25),
    ] {
        assert_eq!(max(mpm, conf, parameters), expected, "{mpm:?} {parameters}");
    }
    // A child of prefork has one request at a time, so that it needs no limit.
    assert!(max(Mpm::Prefork, "", "").is_null());
}
