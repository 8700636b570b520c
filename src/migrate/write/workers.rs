//! Writes workers and balancers as `<Proxy>` sections.

use super::conf_text::{ConfText, origins, quoted, word};
use crate::migrate::text::source::Sources;
use crate::migrate::translate::ajp_worker::AjpWorker;
use crate::migrate::translate::plan::PlannedBalancer;

/// Writes a balancer with its members.
pub fn write_balancer(text: &mut ConfText, written: &PlannedBalancer, sources: &Sources) {
    let balancer = &written.balancer;
    text.gap();
    let from = origins(sources, &balancer.lines);
    text.comment(0, &format!("worker {} ({from})", balancer.name));
    if let Some(rule) = written.reason {
        text.comment(0, &format!("for the requests of {}", sources.line(rule)));
    }
    text.line(0, &format!("<Proxy \"balancer://{}\">", written.name));
    for member in &balancer.members {
        let from = origins(sources, &member.lines);
        text.comment(4, &format!("worker {} ({from})", member.name));
        let route = word(&format!("route={}", member.route));
        let parameters = parameters(&member.parameters);
        text.line(4, &format!("BalancerMember {} {route}{parameters}", word(&member.url)));
    }
    if !balancer.settings.is_empty() {
        text.line(4, &format!("ProxySet{}", parameters(&balancer.settings)));
    }
    if let Some(path) = &balancer.own_cookie {
        // In mod_headers, a percent sign begins a format specifier.
        let [name, path] = [&balancer.session.0, path].map(|text| text.replace('%', "%%"));
        let cookie = format!("{name}=.%{{BALANCER_WORKER_ROUTE}}e; path={path}");
        let cookie = quoted(&cookie);
        text.line(4, &format!("Header add Set-Cookie {cookie} env=BALANCER_ROUTE_CHANGED"));
    }
    text.line(0, "</Proxy>");
}

/// Writes a worker outside of balancers.
pub fn write_worker(text: &mut ConfText, worker: &AjpWorker, sources: &Sources) {
    text.gap();
    let from = origins(sources, &worker.lines);
    text.comment(0, &format!("worker {} ({from})", worker.name));
    text.line(0, &format!("<Proxy {}>", quoted(&worker.url)));
    text.line(4, &format!("ProxySet{}", parameters(&worker.parameters)));
    text.line(0, "</Proxy>");
}

fn parameters(list: &[(&'static str, String)]) -> String {
    list.iter().map(|(name, value)| format!(" {}", word(&format!("{name}={value}")))).collect()
}
