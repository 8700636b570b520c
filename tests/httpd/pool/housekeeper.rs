//! The housekeeper itself: its thread, its interval, and its end.

use std::fs;
use std::time::{Duration, Instant};

use test_support::ajp::ScriptedPeer;
use test_support::ajp::echo::uris;
use test_support::httpd::{Httpd, Mpm};
use test_support::process::{signal, wait_for};

use super::{ask, proxy, proxy_with, sockets};

const CLOSE_WAIT: u8 = 8;

/// Returns the housekeepers of the children: process and thread id.
fn housekeepers(httpd: &Httpd) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for child in httpd.children() {
        let Ok(tasks) = fs::read_dir(format!("/proc/{child}/task")) else { continue };
        for task in tasks.flatten() {
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if name.trim_end() == "ajp-housekeeper" {
                found.push((child, task.file_name().to_string_lossy().into_owned()));
            }
        }
    }
    found
}

#[test]
fn every_child_has_one_housekeeper_and_no_signal_handler_runs_on_it() {
    for mpm in [Mpm::Event, Mpm::Worker, Mpm::Prefork] {
        let peer = ScriptedPeer::start(uris);
        let httpd = proxy(mpm, &peer, "");
        let _clients = ask(&httpd, 1);
        wait_for("each child has one", || {
            let mut owners: Vec<_> = housekeepers(&httpd).into_iter().map(|(pid, _)| pid).collect();
            let mut children = httpd.children();
            owners.sort_unstable();
            children.sort_unstable();
            (!owners.is_empty() && owners == children).then_some(())
        });
        for (pid, task) in housekeepers(&httpd) {
            let Ok(status) = fs::read_to_string(format!("/proc/{pid}/task/{task}/status")) else {
                continue;
            };
            let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
            let blocked = u64::from_str_radix(blocked.expect("Linux").trim(), 16).expect("hex");
            for (name, number) in [("HUP", 1), ("USR1", 10), ("TERM", 15), ("WINCH", 28)] {
                assert_ne!(blocked & (1 << (number - 1)), 0, "{name} under {mpm:?}");
            }
            if mpm != Mpm::Prefork {
                continue;
            }
            wait_for("the thread that started it has its own signal mask again", || {
                let main = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
                let mask = main.lines().find_map(|line| line.strip_prefix("SigBlk:"));
                mask.is_none_or(|mask| mask.trim() == "0000000000000000").then_some(())
            });
        }
    }
}

#[test]
fn proxy_ajp_maintain_0_switches_the_housekeeper_off() {
    let peer = ScriptedPeer::start(uris);
    let port = peer.port();
    let httpd = proxy_with(Mpm::Event, &peer, "ttl=1 min=2", "ProxyAjpMaintain 0");
    let _clients = ask(&httpd, 1);
    assert_eq!(housekeepers(&httpd), []);
    assert_eq!(peer.connections(), 1, "nothing is kept warm");

    drop(peer);
    wait_for("the socket waits to be closed", || {
        (sockets(&httpd, port) == [CLOSE_WAIT]).then_some(())
    });
}

#[test]
fn proxy_ajp_maintain_sets_the_interval() {
    let peer = ScriptedPeer::start(uris);
    // And no limit to how long a child may take to end.
    let conf = "ProxyAjpMaintain 3600\nGracefulShutdownTimeout 0";
    let httpd = proxy_with(Mpm::Event, &peer, "ttl=2", conf);
    let _clients = ask(&httpd, 1);
    // The first round was at the start; the next one is in an hour.
    let waited = Instant::now();
    wait_for("well past ttl", || (waited.elapsed() > Duration::from_secs(4)).then_some(()));
    assert_eq!(peer.open_connections(), 1);
    // And an hour's wait does not keep a child from ending.
    signal("WINCH", httpd.pid());
    wait_for("the children end", || httpd.children().is_empty().then_some(()));
}

#[test]
fn a_wrong_proxy_ajp_maintain_is_refused_with_name_value_and_range() {
    for value in ["-1", "3601", "soon", "1s"] {
        let (good, said) = Httpd::setup().conf(&format!("ProxyAjpMaintain {value}")).configtest();
        assert!(!good);
        let expected = format!(
            "ProxyAjpMaintain={value}: must be 0 (off) or a whole number of seconds from 1 to 3600"
        );
        assert!(said.contains(&expected), "{said}");
    }
    assert!(Httpd::setup().conf("ProxyAjpMaintain 60").configtest().0);
}

#[test]
fn proxy_ajp_maintain_is_for_the_whole_server() {
    let conf = "<VirtualHost *>\nProxyAjpMaintain 5\n</VirtualHost>";
    let (good, said) = Httpd::setup().conf(conf).configtest();
    assert!(!good && said.contains("ProxyAjpMaintain"), "{said}");
}

#[test]
fn a_prefork_child_ends_at_once_on_term_and_usr1() {
    // With a round each second, and with a round each hour.
    for maintain in ["", "ProxyAjpMaintain 3600"] {
        let peer = ScriptedPeer::start(uris);
        let httpd = proxy_with(Mpm::Prefork, &peer, "pinginterval=1", maintain);
        for name in ["TERM", "USR1", "TERM", "USR1", "TERM", "USR1"] {
            drop(ask(&httpd, 4));
            let children = httpd.children();
            for child in &children {
                signal(name, *child);
            }
            httpd.wait_for_new_children(&children, 0);
        }
        httpd.get("/app/hello").expect(200);
    }
}

#[track_caller]
fn a_graceful_restart_ends_old_children_with_their_housekeepers(mpm: Mpm) {
    let peer = ScriptedPeer::start(uris);
    let httpd = proxy(mpm, &peer, "min=2 ttl=5 pinginterval=1");
    for _ in 0..3 {
        let before = httpd.children();
        let mut clients = ask(&httpd, 4);
        httpd.graceful();
        for client in &mut clients {
            let _ = client.try_get("/app/hello");
        }
        drop(clients);
        httpd.wait_for_new_children(&before, 0);
    }
    wait_for("one housekeeper a child", || {
        (housekeepers(&httpd).len() == httpd.children().len()).then_some(())
    });
    httpd.get("/app/hello").expect(200);
}

#[test]
fn a_graceful_restart_ends_old_children_with_their_housekeepers_under_event() {
    a_graceful_restart_ends_old_children_with_their_housekeepers(Mpm::Event);
}

#[test]
fn a_graceful_restart_ends_old_children_with_their_housekeepers_under_worker() {
    a_graceful_restart_ends_old_children_with_their_housekeepers(Mpm::Worker);
}

#[test]
fn a_graceful_restart_ends_old_children_with_their_housekeepers_under_prefork() {
    a_graceful_restart_ends_old_children_with_their_housekeepers(Mpm::Prefork);
}
