//! docs/upgrading.md: what mod_proxy_ajp refuses is found by the command there, and nothing else.

use mod_proxy_ajp_rs::config::{BalancerKeys, ParameterDocs, WorkerSettings};
use test_support::httpd::{Httpd, Module, Setup};
use test_support::markdown::blocks_of;

use super::shell;
use super::site::Site;

/// Configurations that only this module accepts, as single lines beside `balancer://b`.
fn ours() -> Vec<String> {
    let text = |docs: ParameterDocs| format!("{}={}", docs.name, docs.example);
    let members = WorkerSettings::documented().map(text);
    let mut lines: Vec<String> =
        members.map(|example| format!("BalancerMember ajp://127.0.0.1:9 {example}")).collect();
    lines.push("BalancerMember ajp://127.0.0.1:9 loadfactor=0".into());
    let methods = ["lbmethod=sessions", "lbmethod=next"].map(str::to_owned);
    for example in BalancerKeys::documented().map(text).chain(methods) {
        lines.push(format!("ProxySet {example}"));
    }
    lines
}

/// The same for directives of the main server.
const DIRECTIVES: &[&str] =
    &["ProxyAjpMaintain 1", "ProxyAjpParking On", "ProxyAjpCertChain On", "ProxyAjpEnvVar A"];

fn in_balancer(line: &str) -> String {
    format!("<Proxy \"balancer://b\">\n{line}\n</Proxy>\nProxyPass /app balancer://b")
}

fn stock(conf: &str) -> Setup {
    Httpd::setup().module(Module::Stock).conf(conf)
}

#[test]
fn each_line_that_only_mod_proxy_ajp_refuses_is_found_by_the_command_and_no_other_line() {
    let mut site = Site::new();
    let lines: Vec<String> =
        ours().into_iter().chain(DIRECTIVES.iter().map(|line| (*line).into())).collect();
    site.write("/etc/apache2/shop.conf", &lines.join("\n"));
    site.write(
        "/etc/apache2/other.conf",
        "ProxyPass /app ajp://127.0.0.1:9/app ping=500ms ttl=60 retry=5 max=9 acquire=100 timeout=5 loadfactor=10\n\
         # BalancerMember ajp://127.0.0.1:9 forceclose=On\n\
         ProxySet lbmethod=byrequests stickysession=JSESSIONID\nHeader add Set-Cookie \"a=b; domain=example.org\"\n\
         ProxyPassReverseCookieDomain local= example.org\nBalancerMember ajp://127.0.0.1:9 loadfactor=0.5\n",
    );
    let found = site.succeed(&shell("docs/upgrading.md", "grep"), &[]);
    for (number, line) in lines.iter().enumerate() {
        let expected = format!("shop.conf:{}:{line}\n", number + 1);
        assert!(found.contains(&expected), "{line} is not in: {found}");
    }
    assert_eq!(found.lines().count(), lines.len(), "{found}");
}

#[test]
fn each_of_these_lines_is_refused_by_mod_proxy_ajp() {
    for line in ours() {
        let (accepted, printed) = stock(&in_balancer(&line)).configtest();
        assert!(!accepted, "{line}: {printed}");
    }
    for line in DIRECTIVES {
        let (accepted, printed) = stock(line).configtest();
        assert!(!accepted, "{line}: {printed}");
    }
}

#[test]
fn what_the_page_writes_instead_is_accepted_by_mod_proxy_ajp_and_what_has_no_effect_there_is_too() {
    for parameters in [
        "disablereuse=On",
        "connectiontimeout=500ms ttl=60",
        "lbset=1 status=+N",
        "status=+S",
        "timeout=20",
    ] {
        let (accepted, printed) =
            stock(&in_balancer(&format!("BalancerMember ajp://127.0.0.1:9 {parameters}")))
                .configtest();
        assert!(accepted, "{parameters}: {printed}");
    }
    let (accepted, printed) =
        stock(&in_balancer("ProxySet failonstatus=503 lbmethod=byrequests")).configtest();
    assert!(accepted, "{printed}");
    let httpd = stock(
        "<Location /ajp-status>\nSetHandler ajp-status\n</Location>\nSetEnvIf A b ajp-route=$1\n\
         CustomLog notes.log \"%{ajp-worker}n\"",
    );
    httpd.start().get("/ajp-status").expect(404);
}

#[test]
fn the_configuration_for_both_modules_is_accepted_by_both() {
    let blocks = blocks_of("docs/upgrading.md");
    let both = blocks.iter().find(|block| block.text.contains("<IfDirective !ProxyAjpMaintain>"));
    let both = both.expect("the page has it");
    let mut site = Site::new();
    let setup = site.setup(both);
    for module in [Module::Ours, Module::Stock] {
        let httpd = setup.clone().module(module).start();
        assert_eq!(httpd.get("/shop/x").expect(200).text(), "/shop/x");
    }
}
