//! What the log says at start of how many requests can be parked.

use test_support::httpd::{Httpd, Mpm, Setup};
use test_support::process::{signal, wait_for};

/// A server of 16 threads a child.
fn server(conf: &str) -> Setup {
    Httpd::setup().conf("ProxyAjpParking On").conf(conf)
}

fn said(httpd: &Httpd) -> Vec<String> {
    let log = httpd.error_log();
    log.lines().filter(|line| line.contains("ProxyAjpParking")).map(str::to_owned).collect()
}

#[test]
fn with_the_default_factor_the_log_says_once_how_many_requests_can_be_parked_also_at_a_restart() {
    let httpd = server("").open_files(4000).start();
    let first = said(&httpd);
    assert_eq!(first.len(), 1, "{first:?}");
    let text = "ProxyAjpParking: at most 48 requests can be parked in a child, since it accepts no more \
                connections (ThreadsPerChild 16, AsyncRequestWorkerFactor 2). Raise \
                AsyncRequestWorkerFactor for more";
    assert!(first[0].contains(":notice]") && first[0].ends_with(text), "{first:?}");

    signal("USR1", httpd.pid());
    wait_for("a restart", || (said(&httpd).len() == 2).then_some(()));
}

#[test]
fn too_few_descriptors_are_a_warning_with_the_number_to_write() {
    let text = "ProxyAjpParking: a process may have 300 open files, which is not enough for the 160 \
                connections of a child (ThreadsPerChild 16, AsyncRequestWorkerFactor 9): a parked request \
                needs up to 4. Start httpd with ulimit -n 640 or more (systemd: LimitNOFILE=640)";
    let said_with = |limit| said(&server("AsyncRequestWorkerFactor 9").open_files(limit).start());
    let few = said_with(300);
    assert_eq!(few.len(), 1, "{few:?}");
    assert!(few[0].contains(":warn]") && few[0].ends_with(text), "{few:?}");
    assert_eq!(said_with(640), [""; 0]);
}

#[test]
fn the_factor_is_found_wherever_it_stands_and_the_last_one_counts() {
    for conf in [
        "asyncrequestworkerfactor \"9\"",
        "<IfModule mpm_event_module>\nAsyncRequestWorkerFactor 9\n</IfModule>",
        "<IfModule mpm_event_module>\n<IfDefine !NONE>\nAsyncRequestWorkerFactor 9.9\n</IfDefine>\n</IfModule>",
        "AsyncRequestWorkerFactor 50\nAsyncRequestWorkerFactor 9\n\
         <IfModule !mpm_event_module>\nAsyncRequestWorkerFactor 70\n</IfModule>",
    ] {
        let said = said(&server(conf).open_files(300).start());
        let is_found = |line: &String| line.contains("AsyncRequestWorkerFactor 9)");
        assert!(said.len() == 1 && said.iter().all(is_found), "{conf}: {said:?}");
    }
}

#[test]
fn nothing_is_said_where_parking_is_off_or_has_no_effect() {
    let off = Httpd::setup().conf("ProxyAjpParking Off").open_files(100).start();
    assert_eq!(said(&off), [""; 0]);
    let worker = server("").mpm(Mpm::Worker).open_files(100).start();
    assert!(said(&worker).iter().all(|line| line.contains("has no effect")), "{:?}", said(&worker));
}
