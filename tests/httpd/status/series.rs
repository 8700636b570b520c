//! Time series for the alert rules, made of what a real httpd says: a scrape is read from ajp-status, scrapes
//! are put one behind the other, and promtool says which alerts fire.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use test_support::httpd::Httpd;

/// Seconds between two scrapes.
const INTERVAL: usize = 15;
const PER_MINUTE: usize = 60 / INTERVAL;

/// The samples that Prometheus gets at one time: series and value.
#[derive(Clone, Debug)]
pub struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    /// Reads them from ajp-status.
    #[track_caller]
    pub fn of(httpd: &Httpd) -> Self {
        let text = httpd.get("/ajp-status?format=openmetrics").expect(200).text();
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let value = value.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
            (with_target(series), value)
        };
        Self(text.lines().filter(|line| !line.starts_with('#')).map(sample).collect())
    }

    /// The values of the samples whose series has all of these parts, in order.
    pub fn values(&self, parts: &[&str]) -> Vec<f64> {
        let fits = |series: &&String| parts.iter().all(|part| series.contains(part));
        self.0.keys().filter(fits).map(|series| self.0[series]).collect()
    }
}

/// The series with the labels that Prometheus adds.
fn with_target(series: &str) -> String {
    let target = "job=\"httpd-ajp\",instance=\"www1.example:80\"";
    match series.split_once('{') {
        Some((name, labels)) => format!("{name}{{{target},{labels}"),
        None => format!("{series}{{{target}}}"),
    }
}

/// Scrapes at regular times. `None`: there was no answer.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    scrapes: Vec<Option<Scrape>>,
    checks: Vec<Check>,
}

#[derive(Clone, Debug)]
struct Check {
    minute: usize,
    firing: Vec<Firing>,
}

/// A firing alert: its name, and the labels by which it is told from others of its name.
pub type Firing = (&'static str, Vec<(&'static str, String)>);

impl Timeline {
    /// Nothing changes for so long.
    pub fn stays(self, scrape: &Scrape, minutes: usize) -> Self {
        self.goes(scrape, scrape, minutes)
    }

    /// What is counted grows from one scrape to the other for so long; what goes up and down is at once as
    /// at the end.
    pub fn goes(mut self, from: &Scrape, to: &Scrape, minutes: usize) -> Self {
        let count = minutes * PER_MINUTE;
        for at in 1..=count {
            let part = at as f64 / count as f64;
            let value = |(series, end): (&String, &f64)| {
                let begin = from.0.get(series).copied().unwrap_or(0.0);
                let value = if is_counted(series) { begin + (end - begin) * part } else { *end };
                (series.clone(), value)
            };
            self.scrapes.push(Some(Scrape(to.0.iter().map(value).collect())));
        }
        self
    }

    /// One scrape gets no answer.
    pub fn misses_a_scrape(mut self) -> Self {
        self.scrapes.push(None);
        self
    }

    /// Exactly these alerts are to fire so many minutes after what is there so far.
    pub fn then_fires(mut self, minutes: usize, firing: &[Firing]) -> Self {
        let minute = self.scrapes.len() / PER_MINUTE + minutes;
        self.checks.push(Check { minute, firing: firing.to_vec() });
        self
    }

    /// No alert is to fire at any minute so far.
    pub fn stays_silent(mut self) -> Self {
        let minutes = 1..=self.scrapes.len() / PER_MINUTE;
        self.checks.extend(minutes.map(|minute| Check { minute, firing: Vec::new() }));
        self
    }

    /// Has promtool evaluate docs/alerts.yml.
    #[track_caller]
    pub fn check(&self) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("rules.test.yml");
        // JSON is YAML.
        fs::write(&file, self.test_file().to_string()).expect("it is written");
        let output = Command::new("promtool")
            .args(["test", "rules"])
            .arg(&file)
            .output()
            .expect("promtool is installed (ci/setup)");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    }

    fn test_file(&self) -> Value {
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/alerts.yml");
        let names: BTreeSet<&String> =
            self.scrapes.iter().flatten().flat_map(|scrape| scrape.0.keys()).collect();
        let series = |name: &String| {
            let value = |scrape: &Option<Scrape>| {
                let value = scrape.as_ref().and_then(|scrape| scrape.0.get(name));
                value.map_or_else(|| "_".to_owned(), ToString::to_string)
            };
            let values: Vec<_> = self.scrapes.iter().map(value).collect();
            json!({"series": name, "values": values.join(" ")})
        };
        let series: Vec<_> = names.into_iter().map(series).collect();
        json!({
            "rule_files": [rules],
            "evaluation_interval": format!("{INTERVAL}s"),
            "tests": [{
                "interval": format!("{INTERVAL}s"),
                "input_series": series,
                "promql_expr_test": self.checks.iter().map(Check::as_json).collect::<Vec<_>>(),
            }],
        })
    }
}

fn is_counted(series: &str) -> bool {
    let name = series.split('{').next().unwrap_or_default();
    ["_total", "_bucket", "_sum", "_count"].iter().any(|end| name.ends_with(end))
}

impl Check {
    fn as_json(&self) -> Value {
        let sample = |(name, labels): &Firing| {
            let mut all = vec![("alertname", (*name).to_owned())];
            all.extend(labels.iter().cloned());
            let all: Vec<_> = all.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
            json!({"labels": format!("{{{}}}", all.join(",")), "value": 1})
        };
        let firing = "ALERTS{alertstate=\"firing\"}";
        json!({
            "expr": format!("count by (alertname, balancer, worker) ({firing})"),
            "eval_time": format!("{}m", self.minute),
            "exp_samples": self.firing.iter().map(sample).collect::<Vec<_>>(),
        })
    }
}
