//! The line that says which module serves `ajp://`.

use test_support::httpd::Httpd;

const CONF: &str = "ProxyPass /a ajp://127.0.0.1:9/a
ProxyPass /b ajp://127.0.0.1:9/b
ProxyPass /c http://127.0.0.1:9/c
<Proxy balancer://x>
BalancerMember ajp://127.0.0.1:9
BalancerMember ajp://127.0.0.1:10
BalancerMember unix:/run/x.sock|ajp://localhost
BalancerMember http://127.0.0.1:9
</Proxy>
ProxyPass /x balancer://x
<VirtualHost *:*>
ServerName other
ProxyPass /a ajp://127.0.0.1:9/a
ProxyPass /x balancer://x
</VirtualHost>";

/// The notices in a log, each from its number to the counts.
fn notices(log: &str) -> Vec<&str> {
    let lines = log.lines().filter_map(|line| {
        let (head, text) = line.split_once("AJP0002: ")?;
        assert!(head.contains("[proxy_ajp:notice]"), "{line}");
        text.split(" (built").next()
    });
    lines.collect()
}

#[test]
fn each_start_and_restart_says_once_what_serves_ajp_whatever_the_log_level() {
    let version = env!("CARGO_PKG_VERSION");
    let wanted =
        format!("mod_proxy_ajp_rs {version} serves ajp://: 3 backends, 3 balancer members");
    let httpd = Httpd::setup().modules(&["proxy_http"]).log_level("error").conf(CONF).start();
    assert_eq!(notices(&httpd.all_logs()), [&wanted]);

    httpd.graceful();
    assert_eq!(notices(&httpd.all_logs()), [&wanted; 2]);
    httpd.restart();
    assert_eq!(notices(&httpd.all_logs()), [&wanted; 3]);
}

#[test]
fn one_of_each_is_singular_and_a_configuration_test_says_nothing() {
    let conf = "<Proxy balancer://x>\nBalancerMember ajp://127.0.0.1:9\n</Proxy>";
    let (accepted, printed) = Httpd::setup().conf(conf).configtest();
    assert!(accepted && !printed.contains("AJP0002"), "{printed}");

    let log = Httpd::setup().conf(conf).start().all_logs();
    let [notice] = notices(&log)[..] else { panic!("{log}") };
    assert!(notice.ends_with("serves ajp://: 1 backend, 1 balancer member"), "{notice}");
}
