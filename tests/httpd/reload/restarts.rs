//! Restarts, replaced libraries and lost children: the clients notice nothing.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use test_support::ajp::ScriptedPeer;
use test_support::ajp::echo::respond;
use test_support::http::Client;
use test_support::httpd::{Httpd, Module, Mpm};
use test_support::members::serve;
use test_support::process::{children_of, free_port, signal, wait_for};
use test_support::sockets::is_listening;
use test_support::tomcat::Tomcat;

const HOME: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Clients that ask on kept-alive connections, until told to stop; every answer must be right.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    answered: AtomicUsize,
}

impl Load {
    /// One client's loop. A kept-alive connection may be closed by httpd between two requests;
    /// the first request on a new connection must be answered, and each answer be whole.
    fn run(&self, httpd: &Httpd, client_number: usize) {
        let mut client: Option<Client> = None;
        let mut number = 0;
        while !self.stop.load(Ordering::Relaxed) {
            number += 1;
            let query = format!("client={client_number}&number={number}");
            let target = format!("/app/echo?{query}");
            let reused = client.take().and_then(|mut old| Some((old.try_get(&target)?, old)));
            let (answer, open) = reused.unwrap_or_else(|| {
                let mut new = httpd.client();
                let answer = new.try_get(&target).expect("an answer on a new connection");
                (answer, new)
            });
            let answer = answer.expect(200);
            assert_eq!(answer.said("query"), query);
            self.answered.fetch_add(1, Ordering::Relaxed);
            let goes_on = answer.header("Connection").is_none_or(|value| value != "close");
            client = goes_on.then_some(open);
        }
    }

    /// Runs `work` while six clients ask; returns the number of answers.
    fn during(httpd: &Httpd, work: impl FnOnce(&Self)) -> usize {
        let load = Self::default();
        std::thread::scope(|scope| {
            for number in 0..6 {
                let load = &load;
                scope.spawn(move || load.run(httpd, number));
            }
            let finished = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&load)));
            load.stop.store(true, Ordering::Relaxed);
            if let Err(panic) = finished {
                std::panic::resume_unwind(panic);
            }
        });
        load.answered.into_inner()
    }

    /// Waits for some more answers, so that the preceding change is in force.
    fn more_answers(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        wait_for("more answers", || {
            (self.answered.load(Ordering::Relaxed) > before + 60).then_some(())
        });
    }
}

fn start(mpm: Mpm, module: Module) -> Httpd {
    let port = Tomcat::shared().port;
    let setup = Httpd::setup().mpm(mpm).module(module).define("AJP_PORT", port);
    setup.example("proxy.conf").start()
}

#[track_caller]
fn survives_five_graceful_restarts(mpm: Mpm, module: Module) {
    let httpd = start(mpm, module);
    let first = httpd.children();
    let answered = Load::during(&httpd, |load| {
        load.more_answers();
        for _ in 0..5 {
            httpd.graceful();
            load.more_answers();
        }
    });

    assert!(answered > 360, "{answered} answers");
    wait_for("the first children are gone", || {
        httpd.children().iter().all(|child| !first.contains(child)).then_some(())
    });
}

#[test]
fn five_graceful_restarts_under_load_lose_nothing_under_event() {
    survives_five_graceful_restarts(Mpm::Event, Module::Ours);
}

#[test]
fn five_graceful_restarts_under_load_lose_nothing_under_worker() {
    survives_five_graceful_restarts(Mpm::Worker, Module::Ours);
}

#[test]
fn five_graceful_restarts_under_load_lose_nothing_under_prefork() {
    survives_five_graceful_restarts(Mpm::Prefork, Module::Ours);
}

/// The library under test, linked so that it stays mapped when httpd unloads it.
fn never_unloaded() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nodelete");
    let output = Command::new(env!("CARGO"))
        .args(["rustc", "--lib", "--crate-type", "cdylib", "--target-dir"])
        .arg(&target)
        .args(["--", "-Clink-arg=-Wl,-z,nodelete"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let library = target.join("debug/libmod_proxy_ajp_rs.so");
    let dynamic = Command::new("readelf").arg("-d").arg(&library).output().expect("binutils");
    let flags = String::from_utf8_lossy(&dynamic.stdout).into_owned();
    assert!(flags.contains("NODELETE"), "the linker ignored the flag: {flags}");
    library
}

#[test]
fn a_library_that_stays_mapped_over_restarts_loses_nothing_either() {
    let library = never_unloaded();
    for mpm in [Mpm::Event, Mpm::Prefork] {
        survives_five_graceful_restarts(mpm, Module::File(library.clone()));
    }
}

#[test]
fn a_hard_restart_serves_again() {
    let httpd = start(Mpm::Event, Module::Ours);
    // Kept open: mpm_event may crash in a hard restart while a worker still closes a connection.
    let mut client = httpd.client();
    client.get("/app/echo").expect(200);
    httpd.restart();

    wait_for("the new children answer", || {
        (httpd.client().try_get("/app/echo")?.status == 200).then_some(())
    });
}

/// The files that `pid` has mapped and whose name contains `name`.
fn mapped(pid: u32, name: &str) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let lines = maps.lines().filter(|line| line.contains(name));
    lines.map(str::to_owned).collect()
}

#[test]
fn a_replaced_library_is_in_use_after_a_graceful_restart() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let library = directory.path().join("live.so");
    fs::copy(Module::Ours.path(), &library).expect("it is built");
    let httpd = start(Mpm::Event, Module::File(library.clone()));
    httpd.get("/app/echo").expect(200);
    // As ci/install does it: a new file takes the name of the old one.
    let new = directory.path().join("new.so");
    fs::copy(&library, &new).expect("it is ours");
    fs::rename(&new, &library).expect("it is ours");
    assert!(mapped(httpd.pid(), "live.so").iter().all(|line| line.ends_with("(deleted)")));

    Load::during(&httpd, |load| {
        load.more_answers();
        httpd.graceful();
        load.more_answers();
    });
    let parent = mapped(httpd.pid(), "live.so");
    assert!(
        !parent.is_empty() && parent.iter().all(|line| !line.contains("deleted")),
        "{parent:?}"
    );
    wait_for("every child has the new library", || {
        let children = httpd.children();
        let all = children.iter().all(|child| {
            let lines = mapped(*child, "live.so");
            !lines.is_empty() && lines.iter().all(|line| !line.contains("deleted"))
        });
        (all && !children.is_empty()).then_some(())
    });
}

/// Rewrites its configuration, each line with `change`, and restarts it gracefully.
fn graceful_with(httpd: &Httpd, change: impl Fn(&str) -> String) {
    let conf = httpd.root().join("httpd.conf");
    let text = fs::read_to_string(&conf).expect("the harness wrote it");
    let lines: Vec<String> = text.lines().map(change).collect();
    fs::write(&conf, lines.join("\n") + "\n").expect("it is ours");
    httpd.graceful();
}

/// Makes the line a comment if it is one of this module's, or loads the module.
fn without_module(line: &str) -> String {
    let is_ours = ["load.conf", "ProxyAjp", "ajp://"].iter().any(|word| line.contains(word));
    if is_ours { format!("#{line}") } else { line.to_owned() }
}

#[track_caller]
fn a_graceful_restart_without_it_closes_the_port(module: Module) {
    let port = free_port();
    let httpd = Httpd::setup()
        .module(module)
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{port}/app reversed=On"))
        .start();
    assert!(is_listening(port));
    let serves = || {
        let container = ScriptedPeer::dial(([127, 0, 0, 1], port).into(), HOME, 1, |conn| {
            serve(conn, &|conn, _| respond(conn, "dialled in").map(|()| true))
        });
        wait_for("a page", || (httpd.get("/app/x").status == 200).then_some(()));
        drop(container);
    };
    serves();
    // The socket is taken over, so that none is closed that is still needed.
    httpd.graceful();
    assert!(is_listening(port));
    serves();

    graceful_with(&httpd, without_module);
    wait_for("nobody listens", || (!is_listening(port)).then_some(()));
    httpd.get("/app/x").expect(404);
    // And back: the port is no longer remembered.
    graceful_with(&httpd, |line| line.trim_start_matches('#').to_owned());
    assert!(is_listening(port));
    serves();
}

#[test]
fn a_graceful_restart_without_the_module_closes_the_port_of_reverse_connections() {
    a_graceful_restart_without_it_closes_the_port(Module::Ours);
}

#[test]
fn a_graceful_restart_without_a_library_that_stays_mapped_closes_the_port_as_well() {
    a_graceful_restart_without_it_closes_the_port(Module::File(never_unloaded()));
}

#[test]
fn a_port_that_an_old_child_still_uses_does_not_end_httpd_when_the_module_is_back() {
    let port = free_port();
    let httpd = Httpd::setup()
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{port}/app reversed=On acquire=60000"))
        .start();
    let (asked, go_on) = (AtomicBool::new(false), AtomicBool::new(false));
    let flags = Arc::new((asked, go_on));
    let of_container = Arc::clone(&flags);
    let _container = ScriptedPeer::dial(([127, 0, 0, 1], port).into(), HOME, 1, move |conn| {
        let (asked, go_on) = &*of_container;
        serve(conn, &|conn, _| {
            asked.store(true, Ordering::Relaxed);
            wait_for("the test", || go_on.load(Ordering::Relaxed).then_some(()));
            respond(conn, "at last").map(|()| true)
        })
    });
    let (asked, go_on) = &*flags;
    let mut client = httpd.client();
    client.send("GET /app/x HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for("the request", || asked.load(Ordering::Relaxed).then_some(()));

    graceful_with(&httpd, without_module);
    assert!(is_listening(port), "one child has it, for its request");
    graceful_with(&httpd, |line| line.trim_start_matches('#').to_owned());
    // A child without the module may still answer for a moment.
    wait_for("the module is back", || (httpd.get("/app/x").status == 503).then_some(()));
    let said = format!("cannot listen on 127.0.0.1:{port} for ProxyAjpReverse");
    assert!(httpd.error_log().contains(&said), "{}", httpd.error_log());

    go_on.store(true, Ordering::Relaxed);
    assert_eq!(client.response("GET").expect(200).text(), "at last");
    wait_for("the child ends", || (!is_listening(port)).then_some(()));
    httpd.graceful();
    wait_for("a page", || (httpd.get("/app/x").status == 200).then_some(()));
}

#[test]
fn a_killed_child_is_replaced_and_the_others_keep_serving() {
    let httpd = start(Mpm::Prefork, Module::Ours);
    httpd.get("/app/echo").expect(200);
    let victim = httpd.children()[0];
    // SIGTERM ends a child at once, without the crash that the test's log check looks for.
    signal("TERM", victim);
    wait_for("the child is gone", || (!httpd.children().contains(&victim)).then_some(()));

    for _ in 0..20 {
        httpd.get("/app/echo").expect(200);
    }
}

#[test]
fn each_child_has_all_members_ready_before_its_first_request() {
    for mpm in [Mpm::Event, Mpm::Prefork] {
        // None of them is ever connected to.
        let httpd = Httpd::setup().mpm(mpm).log_level("warn proxy:debug").conf(
            "<Proxy balancer://members>
                BalancerMember ajp://127.0.0.1:1
                BalancerMember ajp://127.0.0.1:2
            </Proxy>
            ProxyPass /app balancer://members",
        );
        let httpd = httpd.start();
        let are_ready = |child: u32| {
            let log = httpd.error_log();
            [1, 2].into_iter().all(|port| {
                let end = format!("in child {child} for (127.0.0.1:{port})");
                log.lines().any(|line| line.contains("initialized") && line.contains(&end))
            })
        };
        httpd.graceful();
        // The old ones may be gone before the MPM has started more than one new one.
        let children = wait_for("two children run", || {
            Some(httpd.children()).filter(|children| children.len() > 1)
        });
        for child in children {
            wait_for("the members of a child are initialised", || are_ready(child).then_some(()));
        }
    }
}

#[test]
fn a_stopped_httpd_leaves_no_process_behind() {
    let httpd = start(Mpm::Event, Module::Ours);
    httpd.get("/app/echo").expect(200);
    let children = httpd.children();
    assert!(!children.is_empty());
    let parent = httpd.pid();
    drop(httpd);

    assert!(children_of(parent).is_empty());
    for child in children {
        let command = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
        assert!(!command.contains("apache2"), "{child} is still there");
    }
}

#[test]
fn a_request_in_progress_at_a_graceful_restart_is_answered() {
    let httpd = start(Mpm::Event, Module::Ours);
    let gate = format!("restart-{}", std::process::id());
    let mut client = httpd.client();
    client.send(format!("GET /app/stream?gate={gate}&pieces=5 HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(client.head().status, 200);
    assert_eq!(client.chunk().as_deref(), Some(&b"piece 0\n"[..]));

    httpd.graceful();
    httpd.get(&format!("/app/gate?id={gate}")).expect(200);
    let mut rest = Vec::new();
    while let Some(piece) = client.chunk().filter(|piece| !piece.is_empty()) {
        rest.extend(piece);
    }
    assert_eq!(String::from_utf8_lossy(&rest), "piece 1\npiece 2\npiece 3\npiece 4\n");
}
