//! The rules of docs/alerts.yml: which of them fire, and when, for an httpd in trouble and for one that is
//! well. promtool evaluates them over time series that a real httpd has said.

use test_support::ajp::ScriptedPeer;
use test_support::ajp::echo::uris;
use test_support::httpd::Httpd;
use test_support::members::{backend, balancer, named};
use test_support::process::free_port;
use test_support::status::{order, with_status};

use super::series::{Firing, Scrape, Timeline};

/// Starts a container at this port that answers every request.
fn answering_at(port: u16) -> ScriptedPeer {
    ScriptedPeer::start_at(([127, 0, 0, 1], port).into(), uris).expect("its port is free")
}

/// A balancer with two members at `/app`, and a worker outside it at `/single`.
struct Site {
    a: Option<ScriptedPeer>,
    b: Option<ScriptedPeer>,
    single: Option<ScriptedPeer>,
    ports: [u16; 3],
    httpd: Httpd,
}

impl Site {
    fn start() -> Self {
        Self::with(named("b"))
    }

    /// The second member is this one.
    fn with(b: ScriptedPeer) -> Self {
        let (a, single) = (named("a"), answering_at(free_port()));
        let ports = [a.port(), b.port(), single.port()];
        let members = [(ports[0], "a"), (ports[1], "b")]
            .map(|(port, route)| format!("ajp://127.0.0.1:{port} route={route}"));
        let alone = format!("ProxyPass /single ajp://127.0.0.1:{}", ports[2]);
        let httpd = with_status(balancer(Httpd::setup(), &members)).conf(&alone).start();
        Self { a: Some(a), b: Some(b), single: Some(single), ports, httpd }
    }

    fn scrape(&self) -> Scrape {
        Scrape::of(&self.httpd)
    }

    /// Sends requests to both, whatever comes of them, and returns what is said then.
    fn after_requests(&self, count: usize) -> Scrape {
        for _ in 0..count {
            self.httpd.get("/app/x");
            self.httpd.get("/single/x");
        }
        self.scrape()
    }

    fn order(&self, action: &str, port: u16) {
        order(&self.httpd, action, &format!("ajp://127.0.0.1:{port}"));
    }

    fn worker(&self, at: usize) -> (&'static str, String) {
        ("worker", format!("ajp://127.0.0.1:{}", self.ports[at]))
    }

    fn no_worker_left(&self) -> Firing {
        ("AjpNoWorkerLeft", vec![("balancer", "members".to_owned())])
    }

    fn backend_down(&self) -> Firing {
        // No label is as good as an empty one: there is no balancer.
        ("AjpBackendDown", vec![self.worker(2)])
    }

    fn in_error(&self, at: usize) -> Firing {
        ("AjpWorkerInError", vec![("balancer", "members".to_owned()), self.worker(at)])
    }
}

#[test]
fn no_alert_fires_while_all_is_well() {
    let site = Site::start();
    let fresh = site.scrape();
    let [early, late] = [20, 200].map(|count| site.after_requests(count));
    Timeline::default()
        .stays(&fresh, 5)
        .goes(&fresh, &early, 15)
        .goes(&early, &late, 15)
        .stays_silent()
        .check();
}

#[test]
fn no_alert_fires_in_a_site_without_traffic() {
    let site = Site::start();
    Timeline::default().stays(&site.scrape(), 60).stays_silent().check();
}

#[test]
fn no_alert_fires_over_a_graceful_restart_which_resets_all_counters() {
    let site = Site::start();
    let fresh = site.scrape();
    let busy = site.after_requests(100);
    let old = site.httpd.children();
    site.httpd.graceful();
    site.httpd.wait_for_new_children(&old, 1);
    let restarted = site.scrape();
    let requests = |scrape: &Scrape| scrape.values(&["ajp_requests_total"]).iter().sum::<f64>();
    let (before, after) = (requests(&busy), requests(&restarted));
    assert!(after < before, "{after} after {before}");
    let again = site.after_requests(50);
    let timeline = Timeline::default().goes(&fresh, &busy, 15).misses_a_scrape();
    timeline.goes(&restarted, &again, 20).stays(&again, 10).stays_silent().check();
}

#[test]
fn a_complete_outage_fires_within_three_minutes() {
    let mut site = Site::start();
    let well = site.after_requests(20);
    (site.a, site.b, site.single) = (None, None, None);
    let down = site.after_requests(4);
    let still = site.after_requests(4);
    let firing = [site.backend_down(), site.no_worker_left(), site.in_error(0), site.in_error(1)];
    let timeline = Timeline::default().stays(&well, 10).stays_silent().then_fires(3, &firing);
    timeline.goes(&well, &down, 1).goes(&down, &still, 9).check();
}

#[test]
fn a_balancer_whose_members_are_all_drained_or_stopped_fires_within_three_minutes() {
    let site = Site::start();
    let well = site.after_requests(20);
    site.order("drain", site.ports[0]);
    let half = site.after_requests(5);
    site.order("stop", site.ports[1]);
    let none = site.after_requests(5);
    let timeline = Timeline::default().stays(&well, 5).goes(&well, &half, 30).stays_silent();
    timeline.then_fires(3, &[site.no_worker_left()]).goes(&half, &none, 5).check();
}

#[test]
fn a_dead_backend_outside_a_balancer_fires_within_three_minutes() {
    let mut site = Site::start();
    let well = site.after_requests(20);
    site.single = None;
    let down = site.after_requests(4);
    let timeline = Timeline::default().stays(&well, 10).stays_silent();
    timeline.then_fires(3, &[site.backend_down()]).goes(&well, &down, 4).check();
}

#[test]
fn a_backend_without_traffic_that_was_dead_stays_in_the_alert_until_it_has_answered() {
    let mut site = Site::start();
    let well = site.after_requests(20);
    site.single = None;
    let down = site.after_requests(4);
    let _back = answering_at(site.ports[2]);
    let back = site.after_requests(1);
    let timeline = Timeline::default().stays(&well, 5).stays_silent().goes(&well, &down, 1);
    let timeline = timeline.then_fires(19, &[site.backend_down()]).stays(&down, 20);
    let timeline = timeline.then_fires(1, &[]);
    timeline.goes(&down, &back, 20).check();
}

#[test]
fn one_failing_member_of_several_fires_for_that_member_alone() {
    let mut site = Site::start();
    let well = site.after_requests(20);
    site.b = None;
    let one_down = site.after_requests(20);
    let timeline = Timeline::default().stays(&well, 10).stays_silent();
    timeline.then_fires(4, &[site.in_error(1)]).goes(&well, &one_down, 5).check();
}

#[test]
fn a_member_that_fails_without_being_in_error_fires_in_minutes() {
    // It takes connections, and closes them.
    let site = Site::with(backend(|_, _| Ok(false)));
    let fresh = site.scrape();
    let failing = site.after_requests(10);
    assert_eq!(failing.values(&["ajp_worker_usable"]), [1.0; 3]);
    let fires = ("AjpMemberFails", vec![("balancer", "members".to_owned()), site.worker(1)]);
    let timeline = Timeline::default().stays(&fresh, 5).stays_silent();
    timeline.then_fires(4, &[fires]).goes(&fresh, &failing, 5).check();
}

#[test]
fn an_alert_says_what_is_wrong_in_words() {
    let rules = include_str!("../../../docs/alerts.yml");
    let alerts = rules.lines().filter(|line| line.contains("- alert: ")).count();
    let summaries = rules.lines().filter(|line| line.contains("summary: \"")).count();
    assert!(alerts > 8 && alerts == summaries, "{alerts} alerts, {summaries} summaries");
}
