//! The names in the documentation, the alert rules and the dashboard are those that Prometheus gets.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mod_proxy_ajp_rs::pool::CloseReason;
use mod_proxy_ajp_rs::stats::{ErrorDetail, ErrorReason, LastError};
use mod_proxy_ajp_rs::status::{Balancer, DialsIn, Member, Pool, Snapshot, json, openmetrics};

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn snapshot() -> Snapshot {
    let dials_in = Some(DialsIn { at: "10.0.0.5:9100".into(), queue: Some((0, 256)) });
    let last_error = Some(LastError {
        ago: Duration::ZERO,
        reason: ErrorReason::Connect,
        detail: ErrorDetail::default(),
    });
    Snapshot {
        balancers: vec![Balancer::default()],
        workers: vec![Member { last_error, ..Member::default() }],
        pools: vec![Pool { dials_in, ..Pool::default() }],
        ..Snapshot::default()
    }
}

/// The names of all samples, including those of a histogram.
fn names() -> BTreeSet<String> {
    let mut text = String::new();
    openmetrics(Arc::new(snapshot()), &mut text).expect("a String takes all");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.split(['{', ' ']).next().expect("a name").to_owned()).collect()
}

/// The words of a text that begin like our names.
fn used(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("ajp_")).map(str::to_owned).collect()
}

#[test]
fn the_alert_rules_and_the_dashboard_use_names_that_exist() {
    let names = names();
    for file in ["alerts.yml", "grafana-dashboard.json"] {
        let used = used(&document(file));
        assert!(used.len() > 5, "{file}: {used:?}");
        let unknown: Vec<_> = used.difference(&names).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
    serde_json::from_str::<serde_json::Value>(&document("grafana-dashboard.json"))
        .expect("the dashboard is JSON");
}

#[test]
fn the_documentation_has_every_name_and_no_other() {
    let text = document("operations.md");
    let families: BTreeSet<String> = names()
        .iter()
        .map(|name| {
            let histogram = ["_bucket", "_sum", "_count"].iter();
            let ends = histogram.filter_map(|end| name.strip_suffix(end)).next();
            ends.unwrap_or(name).to_owned()
        })
        .collect();
    let used = used(&text);
    let unknown: Vec<_> = used.difference(&families).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    // Facts about httpd and the module, not figures.
    let own = ["ajp_children", "ajp_module_info"];
    let missing: Vec<_> =
        families.difference(&used).filter(|name| !own.contains(&&***name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_documentation_has_every_field_of_the_json_and_every_reason() {
    let text = document("operations.md");
    let mut report = Vec::new();
    json(&snapshot(), &mut report).expect("plain types");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().expect("a map").keys().cloned().collect()
    };
    // Fields with the same meaning as in the configuration.
    let known = ["url", "route", "redirect", "domain", "pool", "role", "lbset", "loadfactor"];
    let known = [&known[..], &["busy_limit", "name", "module"]].concat();
    let parts = [&report, &report["balancers"][0], &report["workers"][0], &report["pools"][0]];
    let fields = parts.map(keys).concat();
    let reasons = ErrorReason::ALL.iter().map(|reason| reason.name().to_owned());
    let reasons = reasons.chain(CloseReason::ALL.iter().map(|reason| reason.name().to_owned()));
    for word in fields.into_iter().chain(reasons) {
        let is_there = text.contains(&format!("`{word}`"));
        assert!(is_there || known.contains(&&*word), "{word} is not in operations.md");
    }
}
