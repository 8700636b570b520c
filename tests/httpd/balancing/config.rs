//! The parameters for balancing: where they are allowed, what is refused, and what they do.

use std::fs;
use std::path::Path;

use test_support::ajp::ScriptedPeer;
use test_support::ajp::echo::uris;
use test_support::httpd::{Httpd, Setup};
use test_support::manager::{member, members, places_in, said};
use test_support::members::{balancer, one_child};

const MEMBER: &str = "BalancerMember ajp://127.0.0.1:9";

/// The places where a worker's parameters are allowed, each with `parameters` in it.
fn places_of_workers(parameters: &str) -> [String; 7] {
    let url = "ajp://127.0.0.1:9/app";
    [
        format!("<Proxy balancer://b>\nBalancerMember {url} {parameters}\n</Proxy>"),
        format!("BalancerMember balancer://b {url} {parameters}"),
        format!("ProxyPass /app {url} {parameters}"),
        format!("<Location /app>\nProxyPass {url} {parameters}\n</Location>"),
        format!("ProxyPass /app {url}\nProxySet {url} {parameters}"),
        format!("<Proxy {url} {parameters}>\n</Proxy>"),
        format!("<Proxy {url}>\nProxySet {parameters}\n</Proxy>"),
    ]
}

/// The places where a balancer's parameters are allowed, each with `parameters` in it.
fn places_of_balancers(parameters: &str) -> [String; 8] {
    let section = format!("<Proxy balancer://b>\n{MEMBER}\n</Proxy>");
    [
        format!("{section}\nProxyPass /app balancer://B/app {parameters}"),
        format!("{section}\nProxyPassMatch ^/app(/.*)$ balancer://b/app$1 {parameters}"),
        format!("{section}\nProxyPass ~ ^/app balancer://b/app {parameters}"),
        format!("{section}\n<Location /app>\nProxyPass balancer://b/app {parameters}\n</Location>"),
        format!("<Proxy \"balancer://b\" {parameters}>\n{MEMBER}\n</Proxy>"),
        format!("<Proxy balancer://b>\n{MEMBER}\nProxySet {parameters}\n</Proxy>"),
        format!("{section}\nProxySet balancer://B {parameters}"),
        format!("<VirtualHost *:*>\n{section}\nProxySet balancer://b {parameters}\n</VirtualHost>"),
    ]
}

#[track_caller]
fn accepts(conf: &str) {
    let (accepted, said) = Httpd::setup().conf(conf).configtest();
    assert!(accepted, "{conf}: {said}");
}

/// Fails unless httpd refuses the configuration with each of `words`.
#[track_caller]
fn refuses(conf: &str, words: &[&str]) {
    let (accepted, said) = Httpd::setup().conf(conf).configtest();
    assert!(!accepted, "{conf} was accepted");
    for word in words {
        assert!(said.contains(word), "{conf}: no {word:?} in: {said}");
    }
}

/// The settings that apply, one line for each balancer, from this log.
fn settings_in(log: &Path) -> Vec<String> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines = text.lines().filter(|line| line.contains(" sessionretry="));
    lines.filter_map(|line| Some(line[line.find("balancer://")?..].to_owned())).collect()
}

fn debug() -> Setup {
    one_child().log_level("info proxy_ajp:debug")
}

#[test]
fn every_parameter_of_a_worker_is_accepted_wherever_it_is_allowed() {
    for parameters in [
        "activation=active loadfactor=0 distance=3 local=On domain=west",
        "Activation=D LoadFactor=0.0 lbset=0 local=off status=+H",
        "activation=stopped \"loadfactor=0\" domain=\"west\"",
    ] {
        places_of_workers(parameters).iter().for_each(|place| accepts(place));
    }
}

#[test]
fn a_wrong_value_of_a_worker_is_refused_with_parameter_value_and_range() {
    let long = "d".repeat(64);
    for (key, wrong, range) in [
        ("activation", "standby", "active, disabled or stopped"),
        ("distance", "100", "a number from 0 to 99"),
        ("distance", "-1", "a number from 0 to 99"),
        ("local", "1", "On or Off"),
        ("domain", &long, "a word of 1 to 63 bytes"),
    ] {
        for place in places_of_workers(&format!("{key}={wrong}")) {
            refuses(&place, &[&format!("{key}={wrong}: must be {range}")]);
        }
    }
    refuses(&format!("{MEMBER} loadfactor=0.5"), &[]);
    refuses("BalancerMember balancer://b http://127.0.0.1:9 loadfactor=0", &["1..100"]);
}

#[test]
fn a_balancer_s_parameters_are_accepted_on_every_line_about_it() {
    for parameters in [
        "sessionretry=On sessionredirect=Off localonly=On",
        "stickysession=JSESSIONID SessionRetry=off LOCALONLY=on nofailover=Off",
    ] {
        places_of_balancers(parameters).iter().for_each(|place| accepts(place));
    }
}

#[test]
fn a_balancer_s_parameters_apply_from_every_line_about_it() {
    for place in places_of_balancers("sessionretry=On sessionredirect=Off") {
        let httpd = debug().conf(&place).start();
        let wanted = "balancer://b: sessionretry=On sessionredirect=Off localonly=Off";
        assert_eq!(settings_in(&httpd.root().join("error.log")), [wanted], "{place}");
    }
}

#[test]
fn a_wrong_value_of_a_balancer_is_refused_with_line_parameter_value_and_range() {
    for key in ["sessionretry", "sessionredirect", "localonly"] {
        for place in places_of_balancers(&format!("stickysession=S {key}=maybe")) {
            let words =
                ["Syntax error on line ", "httpd.conf", &format!("{key}=maybe: must be On or Off")];
            refuses(&place, &words);
        }
    }
    let lines = [
        format!("<Proxy balancer://b>\n{MEMBER}\n</Proxy>"),
        "# A line between.\nProxyPass /a balancer://b localonly=maybe".into(),
    ];
    let at = |(_, said): (bool, String)| -> usize {
        let number = said.split("on line ").nth(1).and_then(|rest| rest.split(' ').next());
        number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{said}"))
    };
    let [first, second] =
        [&lines[1], &lines.join("\n")].map(|conf| at(Httpd::setup().conf(conf).configtest()));
    assert_eq!(second - first, 3, "httpd's own number of the line");
}

#[test]
fn parameters_on_lines_that_do_not_take_them_are_refused() {
    refuses("ProxyPass /a ajp://127.0.0.1:9 localonly=On", &["unknown Worker parameter"]);
    refuses(&format!("<Proxy balancer://b>\n{MEMBER} sessionretry=On\n</Proxy>"), &["unknown"]);
    let set = |words| format!("<Proxy balancer://b>\n{MEMBER}\nProxySet {words}\n</Proxy>");
    refuses(&set("local=On"), &["unknown Balancer parameter"]);
    refuses(&set("sessionretries=On"), &["unknown Balancer parameter"]);
    refuses("<Proxy balancer://* localonly=On>\n</Proxy>", &["not supported for wild"]);
    refuses("ProxySet balancer://none localonly=On", &["can not find"]);
}

#[test]
fn activation_and_loadfactor_0_are_flags_that_balancer_manager_shows_and_restarts_keep() {
    let words = [
        "route=a",
        "route=b activation=disabled status=+H",
        "route=c activation=Stopped",
        "route=d status=+H loadfactor=0",
        "route=e activation=active",
        "route=f loadfactor=0 activation=S",
    ];
    let hcheck = "LoadModule proxy_hcheck_module ${HTTPD_MODULES}/mod_proxy_hcheck.so";
    let (without, before) = (one_child(), one_child().modules(&["proxy_hcheck"]));
    for setup in [without, before, one_child().conf(hcheck)] {
        let (_peers, ports, lines) = members(&words);
        let httpd = balancer(setup, &lines).start();
        for round in 0..3 {
            let flags: Vec<_> =
                places_in(&httpd, &ports).into_iter().map(|(status, _)| status).collect();
            let wanted = [
                "Init Ok",
                "Init Drn Stby Ok",
                "Init Stop",
                "Init Drn Stby Ok",
                "Init Ok",
                "Init Drn Stop",
            ];
            let sorted = |text: &str| {
                let mut words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
                words.sort_unstable();
                words
            };
            for (flags, wanted) in flags.iter().zip(wanted) {
                assert_eq!(sorted(flags), sorted(wanted), "round {round}: {flags}");
            }
            assert_eq!(said(&member(&httpd, ports[3]), "loadfactor"), "1.00");
            httpd.graceful();
        }
    }
}

#[test]
fn a_stopped_worker_outside_a_balancer_refuses_and_other_members_parameters_have_no_effect() {
    let peer = ScriptedPeer::start(uris);
    let pass = |path: &str, words: &str| {
        format!("ProxyPass {path} ajp://127.0.0.1:{}{path} {words}", peer.port())
    };
    let httpd = one_child()
        .conf(&pass("/stopped", "activation=stopped"))
        .conf(&pass("/rest", "activation=disabled loadfactor=0 local=On distance=7 domain=d"))
        .start();
    httpd.get("/stopped").expect(503);
    httpd.get("/rest").expect(200);
}

#[test]
fn the_last_activation_of_a_worker_applies() {
    let peer = ScriptedPeer::start(uris);
    let url = format!("ajp://127.0.0.1:{}/x", peer.port());
    let httpd = one_child()
        .conf(&format!("ProxyPass /x {url} activation=stopped\nProxySet {url} activation=active"))
        .start();
    httpd.get("/x").expect(200);
}

#[test]
fn distance_is_lbset() {
    let (_peers, ports, lines) = members(&["distance=7", "lbset=7", "distance=0"]);
    let httpd = balancer(one_child(), &lines).start();
    let sets: Vec<_> = places_in(&httpd, &ports).into_iter().map(|(_, set)| set).collect();
    assert_eq!(sets, ["7", "7", "0"]);
}

#[test]
fn the_redirect_of_a_member_stays_on_its_line() {
    let (_peers, ports, lines) = members(&["route=a redirect=b", "route=b"]);
    let httpd = balancer(one_child(), &lines)
        .conf("ProxySet balancer://members sessionredirect=Off")
        .start();
    assert_eq!(said(&member(&httpd, ports[0]), "redirect"), "b");
}

#[test]
fn a_virtual_host_uses_its_own_parameters_and_the_main_server_s_for_the_rest() {
    let host = |name: &str, lines: &str| {
        format!(
            "<VirtualHost *:*>\nServerName {name}\nErrorLog {name}.log\n{lines}\n</VirtualHost>"
        )
    };
    let own = format!("<Proxy balancer://main>\n{MEMBER}\n</Proxy>");
    let httpd = debug()
        .conf(&format!("<Proxy balancer://Main sessionretry=On sessionredirect=Off>\n{MEMBER}"))
        .conf("</Proxy>")
        .conf(&host("plain", ""))
        .conf(&host("other", "ProxyPass /a balancer://MAIN/a sessionretry=Off nofailover=On"))
        .conf(&host("more", "<Proxy balancer://more localonly=On>\nBalancerMember ajp://[::1]:9\n</Proxy>"))
        .conf(&host("alone", &format!("BalancerInherit Off\nProxyPassInherit Off\n{own}")))
        .conf(&host("apart", &format!("BalancerInherit Off\nProxyPassInherit Off\n{own}\nProxySet balancer://main localonly=On")))
        .start();
    for _ in 0..2 {
        for (log, wanted) in [
            ("error", &["main: sessionretry=On sessionredirect=Off localonly=Off"][..]),
            ("plain", &["main: sessionretry=On sessionredirect=Off localonly=Off"]),
            ("other", &["main: sessionretry=Off sessionredirect=Off localonly=Off"]),
            (
                "more",
                &[
                    "main: sessionretry=On sessionredirect=Off localonly=Off",
                    "more: sessionretry=Off sessionredirect=On localonly=On",
                ],
            ),
            ("alone", &[]),
            ("apart", &["main: sessionretry=Off sessionredirect=On localonly=On"]),
        ] {
            let path = httpd.root().join(format!("{log}.log"));
            let wanted: Vec<_> = wanted.iter().map(|text| format!("balancer://{text}")).collect();
            assert_eq!(settings_in(&path), wanted, "{log}");
            fs::write(path, "").expect("our own directory");
        }
        httpd.graceful();
    }
}
