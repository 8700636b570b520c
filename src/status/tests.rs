use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::balance::Activation;
use crate::stats::{
    Activity, ErrorDetail, ErrorReason, KnownPacketSize, LastError, MemberFigures,
    PacketSizeSource, PoolFigures,
};

/// A balancer of two members, of which one is in error, and a worker for itself.
pub(super) fn snapshot() -> Snapshot {
    let mut figures =
        MemberFigures { requests: 7, sent: 8, retries: 1, ..MemberFigures::default() };
    figures.answers = [0, 5, 0, 1, 0];
    figures.errors[ErrorReason::ReplyTimeout as usize] = 1;
    figures.duration.buckets[0] = 6;
    figures.duration.buckets[15] = 1;
    figures.duration.sum_us = 70_003_000;
    figures.first_byte.buckets[2] = 6;
    let one = Member {
        balancer: Some("app".into()),
        url: "ajp://10.0.0.1:8009".into(),
        endpoint: Endpoint { host: "10.0.0.1".into(), port: 8009, socket: None },
        route: Some("node<1>\"".into()),
        pool: "ajp://10.0.0.1:8009".into(),
        lbfactor: 100,
        busy: 2,
        parked: 1,
        max: std::num::NonZeroUsize::new(20),
        elected: 7,
        figures,
        activity: Activity {
            rate: 1.5,
            of_sessions: 4,
            since_last: Some(Duration::from_millis(2500)),
        },
        ..Member::default()
    };
    let two = Member {
        url: "ajp://10.0.0.2:8009".into(),
        route: None,
        state: State::Error,
        activation: Activation::Draining,
        recovers_in_ms: Some(5_400),
        in_error_since_ms: Some(1_700_000_040_000),
        figures: MemberFigures::default(),
        activity: Activity::default(),
        ..one.clone()
    };
    let plain = Member {
        balancer: None,
        url: "ajp://10.0.0.3:8009/x".into(),
        route: None,
        failing_since_ms: Some(1_700_000_050_500),
        last_error: Some(LastError {
            ago: Duration::from_secs(12),
            reason: ErrorReason::Connect,
            detail: ErrorDetail(111),
        }),
        ..Member::default()
    };
    let mut figures = PoolFigures { created: 3, reused: 9, ..PoolFigures::default() };
    figures.now.idle = 2;
    figures.now.in_use = 1;
    figures.closed[1] = 4;
    figures.packet_size = KnownPacketSize { bytes: 65_536, source: PacketSizeSource::Asked };
    Snapshot {
        server: "www".into(),
        server_name: "shop.example".into(),
        now_ms: 1_700_000_100_000,
        since_ms: 1_700_000_000_000,
        children: 4,
        balancers: vec![Balancer {
            name: "app".into(),
            method: "byrequests".into(),
            sticky: Some("JSESSIONID".into()),
            members: vec![one, two],
            others_for_new_sessions: 0,
        }],
        workers: vec![plain],
        pools: vec![Pool {
            name: "ajp://10.0.0.1:8009".into(),
            dials_in: Some(DialsIn { at: "10.0.0.1:8009".into(), queue: Some((3, 256)) }),
            figures,
        }],
    }
}

/// Returns what `write` writes.
pub(super) fn shown_by(write: impl FnOnce(&mut String)) -> String {
    let mut out = String::new();
    write(&mut out);
    out
}

#[test]
fn loadfactor_is_0_where_the_configuration_says_so() {
    let mut snapshot = snapshot();
    let [one, two, ..] = &mut *snapshot.balancers[0].members else { panic!("two members") };
    (one.lbfactor, two.sessions_only) = (150, true);
    let report: Value = serde_json::from_str(&json_text(&snapshot)).unwrap();
    let members = &report["balancers"][0]["members"];
    assert_eq!((&members[0]["loadfactor"], &members[1]["loadfactor"]), (&1.5.into(), &0.0.into()));
}

fn json_text(snapshot: &Snapshot) -> String {
    let mut out = Vec::new();
    json(snapshot, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_json_has_every_member_and_pool() {
    let report: Value = serde_json::from_str(&json_text(&snapshot())).unwrap();
    let one = &report["balancers"][0]["members"][0];
    assert_eq!(report["format"], 1);
    assert_eq!((&one["requests"], &one["answers"]["2xx"]), (&7.into(), &5.into()));
    assert_eq!(one["errors"]["reply_timeout"], 1);
    assert_eq!((&one["request_rate"], &one["session_requests_5min"]), (&1.5.into(), &4.into()));
    assert_eq!(one["last_request"], 1_700_000_097.5);
    assert_eq!(report["workers"][0]["last_request"], Value::Null);
    assert_eq!((&one["busy"], &one["parked"]), (&2.into(), &1.into()));
    assert_eq!((&one["max"], &report["workers"][0]["max"]), (&20.into(), &Value::Null));
    assert_eq!(one["duration"]["buckets"][15], json!({"le": null, "count": 7}));
    assert_eq!(one["duration"]["buckets"][14]["count"], 6);
    let two = &report["balancers"][0]["members"][1];
    assert_eq!((&two["state"], &two["activation"]), (&"error".into(), &"draining".into()));
    assert_eq!((&two["usable"], &two["recovers_in"]), (&false.into(), &5.4.into()));
    assert_eq!(report["workers"][0]["url"], "ajp://10.0.0.3:8009/x");
    let taking = [one, two, &report["workers"][0]].map(|one| one["takes_new_sessions"] == true);
    assert_eq!(taking, [true, false, true]);
    assert_eq!((&one["failing_since"], &one["last_error"]), (&Value::Null, &Value::Null));
    assert_eq!(two["in_error_since"], 1_700_000_040.0);
    assert_eq!(report["workers"][0]["failing_since"], 1_700_000_050.5);
    let text = "connection refused";
    let last = json!({"time": 1_700_000_088.0, "reason": "connect", "text": text});
    assert_eq!(report["workers"][0]["last_error"], last);
    assert_eq!(
        (&report["health"], &report["balancers"][0]["health"]),
        (&"bad".into(), &"degraded".into())
    );
    assert_eq!(report["balancers"][0]["serves_new_sessions"], true);
    let pool = &report["pools"][0];
    assert_eq!((&pool["open"], &pool["closed"]["closed_by_peer"]), (&3.into(), &4.into()));
    let dials_in = json!({"at": "10.0.0.1:8009", "waiting": 3, "backlog": 256});
    assert_eq!(pool["dials_in"], dials_in);
}

#[test]
fn the_worst_balancer_or_single_worker_is_the_health_of_the_whole() {
    let mut snapshot = snapshot();
    assert_eq!(snapshot.workers[0].health(), Health::Bad, "the last requests to it have failed");
    assert_eq!(snapshot.health(), Health::Bad);
    snapshot.workers[0].failing_since_ms = None;
    assert_eq!((snapshot.workers[0].health(), snapshot.health()), (Health::Good, Health::Degraded));
    let members = &mut snapshot.balancers[0].members;
    members[1].state = State::Ok;
    assert_eq!(snapshot.health(), Health::Good, "a member drains, the other one is well");
    snapshot.workers[0].activation = Activation::Stopped;
    assert_eq!(snapshot.health(), Health::Bad, "nothing stands in for a single worker");
}

#[test]
fn a_balancer_is_bad_if_no_member_serves_new_sessions_for_whatever_reasons() {
    let balancer = snapshot().balancers.remove(0);
    let with = |change: fn(&mut Member)| {
        let mut changed = balancer.clone();
        change(&mut changed.members[0]);
        changed
    };
    // The other member drains.
    for changed in [
        with(|member| member.activation = Activation::Draining),
        with(|member| member.activation = Activation::Stopped),
        with(|member| member.state = State::HealthCheckFailed),
        with(|member| member.failing_since_ms = Some(1)),
    ] {
        assert_eq!(changed.health(), Health::Bad, "{:?}", changed.members[0]);
        let with_another = Balancer { others_for_new_sessions: 1, ..changed };
        assert_ne!(with_another.health(), Health::Bad, "an http:// member is left");
    }
    assert_eq!(with(|_| ()).health(), Health::Degraded);
}

#[test]
fn openmetrics_ends_as_it_must_and_has_a_line_for_each_figure() {
    let text = shown_by(|out| openmetrics(Arc::new(snapshot()), out).unwrap());
    assert!(text.ends_with("# EOF\n"));
    for line in [
        "ajp_requests_total{balancer=\"app\",worker=\"ajp://10.0.0.1:8009\",route=\"node<1>\\\"\"} 7",
        "ajp_worker_parked{balancer=\"app\",worker=\"ajp://10.0.0.1:8009\",route=\"node<1>\\\"\"} 1",
        "ajp_worker_state{balancer=\"app\",worker=\"ajp://10.0.0.2:8009\",route=\"\",state=\"error\"} 1",
        "ajp_request_duration_seconds_bucket{le=\"+Inf\",balancer=\"app\",worker=\"ajp://10.0.0.1:8009\",route=\"node<1>\\\"\"} 7",
        "ajp_pool_connections{pool=\"ajp://10.0.0.1:8009\",state=\"idle\"} 2",
        "ajp_pool_closed_total{pool=\"ajp://10.0.0.1:8009\",reason=\"closed_by_peer\"} 4",
        "ajp_pool_dialled_in{pool=\"ajp://10.0.0.1:8009\"} 3",
        "ajp_children 4",
        "ajp_worker_accepts_new_sessions{balancer=\"app\",worker=\"ajp://10.0.0.1:8009\",route=\"node<1>\\\"\"} 1",
        "ajp_worker_accepts_new_sessions{balancer=\"app\",worker=\"ajp://10.0.0.2:8009\",route=\"\"} 0",
        "ajp_worker_failing{balancer=\"app\",worker=\"ajp://10.0.0.1:8009\",route=\"node<1>\\\"\"} 0",
        "ajp_worker_failing{balancer=\"\",worker=\"ajp://10.0.0.3:8009/x\",route=\"\"} 1",
        "ajp_worker_last_error_time_seconds{balancer=\"\",worker=\"ajp://10.0.0.3:8009/x\",route=\"\"} 1700000088.0",
        "ajp_balancer_serves_new_sessions{balancer=\"app\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}

#[test]
fn the_properties_have_mod_jk_s_names_and_words() {
    let text = shown_by(|out| prop(&snapshot(), out));
    for line in [
        "worker.list=app",
        "worker.app.type=lb",
        "worker.app.balance_workers=node_1__",
        "worker.app.good=1",
        "worker.app.degraded=0",
        "worker.app.bad=1",
        "worker.node_1__.activation=ACT",
        "worker.node_1__.state=OK",
        "worker.node_1__.errors=1",
        "worker.node_1__.busy=2",
        "worker.node_1__.parked=1",
        "worker.node_1__.connected=3",
        "worker.10_0_0_2_8009.activation=DIS",
        "worker.10_0_0_2_8009.state=ERR",
        "worker.10_0_0_2_8009.time_to_recover_max=6",
        "worker.list=10_0_0_3_8009_x",
        "worker.node_1__.takes_new_sessions=True",
        "worker.node_1__.failing=False",
        "worker.10_0_0_2_8009.takes_new_sessions=False",
        "worker.10_0_0_2_8009.in_error_since_unix=1700000040",
        "worker.10_0_0_3_8009_x.state=ERR",
        "worker.10_0_0_3_8009_x.failing=True",
        "worker.10_0_0_3_8009_x.failing_since_unix=1700000050",
        "worker.10_0_0_3_8009_x.last_error_unix=1700000088",
        "worker.10_0_0_3_8009_x.last_error_reason=connect",
        "worker.10_0_0_3_8009_x.last_error=connection refused",
        "worker.result.type=OK",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    let version = shown_by(|out| version(&snapshot(), out));
    assert!(version.contains("worker.jk_version=mod_proxy_ajp_rs/"));
}

#[test]
fn the_summaries_for_mod_status_name_every_worker() {
    let auto = shown_by(|out| auto(&snapshot(), out));
    assert!(auto.contains("AjpWorker[1]Name: balancer://app ajp://10.0.0.2:8009\n"), "{auto}");
    assert!(auto.contains("AjpWorker[0]Busy: 2\nAjpWorker[0]Parked: 1\n"), "{auto}");
    assert!(auto.contains("AjpWorker[0]Requests: 7\n") && auto.contains("AjpPool[0]Idle: 2\n"));
    let html = shown_by(|out| html(&snapshot(), out).unwrap());
    assert!(html.contains("balancer://app ajp://10.0.0.1:8009") && html.contains("<td>3</td>"));
    assert!(html.contains("<td>active</td><td>2</td><td>1</td><td>7</td>"), "{html}");
}

#[test]
fn the_query_selects_the_format() {
    for (query, wanted) in [
        ("", Some(Wanted::Page)),
        ("refresh=5", Some(Wanted::Page)),
        ("format=json", Some(Wanted::Json)),
        ("format=openmetrics", Some(Wanted::OpenMetrics)),
        ("mime=prop", Some(Wanted::Prop)),
        ("cmd=list&mime=prop", Some(Wanted::Prop)),
        ("cmd=version&mime=prop", Some(Wanted::PropVersion)),
        ("mime=prop&cmd=version", Some(Wanted::PropVersion)),
        ("format=nonce", Some(Wanted::Nonce)),
        ("help", Some(Wanted::Help)),
        ("show=failing&sort=rate&card=x&page=2&find=a", Some(Wanted::Page)),
        ("action=stop&member=a", Some(Wanted::Order { as_prop: false })),
        ("cmd=update&mime=prop&w=app&sw=a&vwa=d", Some(Wanted::Order { as_prop: true })),
        ("mime=prop&cmd=recover&w=app&sw=a", Some(Wanted::Order { as_prop: true })),
        ("cmd=reset&w=app", Some(Wanted::Order { as_prop: false })),
        ("cmd=show&mime=prop&w=app", Some(Wanted::Prop)),
        ("cmd=halt&mime=prop", Some(Wanted::BadCommand { as_prop: true })),
        ("mime=prop&cmd=Update&w=app&sw=a", Some(Wanted::BadCommand { as_prop: true })),
        ("cmd=dump", Some(Wanted::BadCommand { as_prop: false })),
        ("format=xml", None),
    ] {
        assert_eq!(Wanted::of(query.as_bytes()), wanted, "{query}");
    }
}
