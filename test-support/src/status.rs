//! Reads ajp-status, and sends orders to it.

use serde_json::Value;

use super::http::{Client, Response};
use super::httpd::{Httpd, Setup};

/// The path of the page in `httpd-conf/status.conf`.
pub const PATH: &str = "/ajp-status";

/// Adds the page with `httpd-conf/status.conf`.
pub fn with_status(setup: Setup) -> Setup {
    setup.example("status.conf")
}

/// Returns the page as JSON.
#[track_caller]
pub fn report(httpd: &Httpd) -> Value {
    report_over(&mut httpd.client())
}

/// As [`report`], over this connection.
#[track_caller]
pub fn report_over(client: &mut Client) -> Value {
    let text = client.get("/ajp-status?format=json").expect(200).text();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Returns the first member (or worker) whose URL has this ending.
#[track_caller]
pub fn member<'r>(report: &'r Value, ends: &str) -> &'r Value {
    let list = |value: &'r Value| value.as_array().expect("a list").iter();
    let members = list(&report["balancers"]).flat_map(|balancer| list(&balancer["members"]));
    let found =
        members.chain(list(&report["workers"])).find(|member| ends_so(&member["url"], ends));
    found.unwrap_or_else(|| panic!("{ends} in {report:#}"))
}

/// Returns the first pool whose name has this ending.
#[track_caller]
pub fn pool<'r>(report: &'r Value, ends: &str) -> &'r Value {
    let mut pools = report["pools"].as_array().expect("a list").iter();
    let found = pools.find(|pool| ends_so(&pool["name"], ends));
    found.unwrap_or_else(|| panic!("{ends} in {report:#}"))
}

fn ends_so(value: &Value, ends: &str) -> bool {
    value.as_str().is_some_and(|text| text.ends_with(ends))
}

/// Returns a number of the report.
#[track_caller]
pub fn number(value: &Value) -> usize {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number")) as usize
}

/// Returns the nonce that an order must contain.
#[track_caller]
pub fn nonce(httpd: &Httpd) -> String {
    httpd.get("/ajp-status?format=nonce").expect(200).text().trim().to_owned()
}

/// Posts a form.
pub fn post(client: &mut Client, headers: &str, form: &str) -> Response {
    let headers = format!(
        "{headers}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
        form.len()
    );
    client.request("POST", PATH, &headers, form.as_bytes())
}

/// Sends an order, and returns the answer.
#[track_caller]
pub fn order(httpd: &Httpd, action: &str, member: &str) -> String {
    let form = format!("action={action}&member={member}&nonce={}", nonce(httpd));
    post(&mut httpd.client(), "", &form).expect(200).text()
}
