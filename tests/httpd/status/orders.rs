//! Orders on ajp-status: in force in every child at the next request, logged with the user, and refused
//! without the nonce.

use std::fs;

use test_support::ajp::ScriptedPeer;
use test_support::httpd::Httpd;
use test_support::members::{balancer, is_in_error, named, prefork};
use test_support::process::free_port;
use test_support::status::{member, nonce, number, order, post, report, with_status};

use super::Two;

#[test]
fn a_drained_member_gets_only_its_sessions_and_a_stopped_one_nothing_in_every_child_at_once() {
    let mut two = Two::start(prefork(3));
    let done = order(&two.httpd, "drain", "a");
    assert_eq!(done, format!("drain balancer://members ajp://127.0.0.1:{}: done\n", two.a.port()));
    for _ in 0..4 {
        assert_eq!(two.answers(None), ["b", "b"]);
        assert_eq!(two.answers(Some("x.a")), ["a", "a"]);
    }
    assert_eq!(two.activation(two.a.port()), "draining");

    order(&two.httpd, "stop", "A");
    let before = two.a.requests();
    for _ in 0..4 {
        assert_eq!(two.answers(Some("x.a")), ["b", "b"]);
    }
    assert_eq!(two.a.requests(), before);
    assert_eq!(two.activation(two.a.port()), "stopped");

    order(&two.httpd, "activate", "*%3A*");
    assert_eq!(two.answers(Some("x.a")), ["a", "a"]);
    let newcomers: Vec<_> = (0..10).flat_map(|_| two.answers(None)).collect();
    assert!(newcomers.contains(&"a".into()) && newcomers.contains(&"b".into()), "{newcomers:?}");
    assert_eq!(two.activation(two.a.port()), "active");
}

#[test]
fn wildcards_balancer_names_and_mod_jk_s_words_select_the_members() {
    let two = Two::start(prefork(4));
    let httpd = &two.httpd;
    let lines = |text: &str| text.lines().count();
    assert_eq!(lines(&order(httpd, "drain", "*")), 2);
    assert_eq!(lines(&order(httpd, "activate", "?&balancer=mem*")), 2);
    let form = |rest: &str| format!("{rest}&nonce={}", nonce(httpd));
    let none = post(&mut httpd.client(), "", &form("action=drain&member=*&balancer=other"));
    assert_eq!(none.expect(404).text(), "no such worker\n");

    let jk = form("cmd=update&w=members&sw=b&vwa=d&mime=prop");
    let text = post(&mut httpd.client(), "", &jk).expect(200).text();
    assert_eq!(text, "worker.result.type=OK\nworker.result.message=Action finished\n");
    assert_eq!(two.activation(two.b.port()), "draining");
    let text = post(&mut httpd.client(), "", &form("cmd=reset&w=x&sw=b&mime=prop")).text();
    assert!(text.starts_with("worker.result.type=ERROR\n"), "{text}");
}

#[test]
fn without_the_nonce_with_another_or_by_get_nothing_changes() {
    let two = Two::start(prefork(4));
    let httpd = &two.httpd;
    let right = nonce(httpd);
    let wrong = right.chars().rev().collect::<String>();
    // As a browser sends it because a page of another site told it to.
    let cross = "Origin: http://evil.example\r\nReferer: http://evil.example/\r\n";
    for form in [
        "action=stop&member=*".to_owned(),
        "action=stop&member=*&nonce=".to_owned(),
        format!("action=stop&member=*&nonce={wrong}"),
        format!("action=stop&member=*&nonce={right}0"),
    ] {
        post(&mut httpd.client(), cross, &form).expect(403);
        post(&mut httpd.client(), "", &form).expect(403);
    }
    let query = format!("action=stop&member=*&nonce={right}");
    let asked = httpd.get(&format!("/ajp-status?{query}")).expect(405);
    assert!(asked.text().contains("nothing was changed"), "{}", asked.text());
    for command in ["cmd=update&vwa=s", "cmd=recover", "cmd=reset"] {
        let query = format!("{command}&mime=prop&w=members&sw=a&nonce={right}");
        let asked = httpd.get(&format!("/ajp-status?{query}")).expect(405).text();
        assert!(asked.starts_with("worker.result.type=ERROR\n"), "{asked}");
    }
    // A user who has read the nonce, and may not send an order, has another user's browser send it.
    for from in [cross, "Sec-Fetch-Site: cross-site\r\n", "Origin: null\r\n"] {
        let form = format!("action=stop&member=*&nonce={right}");
        post(&mut httpd.client(), from, &form).expect(403);
    }
    let plain = format!("Content-Type: text/plain\r\nContent-Length: {}\r\n", query.len());
    httpd.client().request("POST", "/ajp-status", &plain, query.as_bytes()).expect(415);
    let long = format!("{query}&x={}", "y".repeat(9000));
    post(&mut httpd.client(), "", &long).expect(413);
    for (form, status) in [("action=halt&member=a", 400), ("action=stop", 400), ("", 400)] {
        post(&mut httpd.client(), "", &format!("{form}&nonce={right}")).expect(status);
    }
    for port in [two.a.port(), two.b.port()] {
        assert_eq!(two.activation(port), "active");
    }
    assert!(!httpd.error_log().contains("ajp-status: stop"));

    // Another start has another nonce. Two clients have a child each; one more child is free.
    let other = Two::start(prefork(3));
    assert_ne!(nonce(&other.httpd), right);
    post(&mut other.httpd.client(), "", &query).expect(403);
}

#[test]
fn a_member_in_error_is_tried_at_once_after_recover_and_its_counters_stay() {
    let (down, b) = (free_port(), named("b"));
    let lines = [
        format!("ajp://127.0.0.1:{down} route=a retry=600"),
        format!("ajp://127.0.0.1:{} route=b lbset=1", b.port()),
    ];
    let httpd = with_status(balancer(prefork(3), &lines)).start();
    let ask = || httpd.get("/app/x").expect(200).text();
    assert_eq!(ask(), "b");
    assert!(is_in_error(&httpd, down));
    let before = report(&httpd);
    let of = member(&before, &format!(":{down}"));
    assert_eq!(of["state"], "error");
    assert!(
        of["recovers_in"].as_f64().is_some_and(|left| (590.0..=600.0).contains(&left)),
        "{of:#}"
    );
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], down));
    let peer = ScriptedPeer::start_at(address, test_support::ajp::echo::uris).expect("it was free");
    assert_eq!(ask(), "b", "for ten minutes");

    order(&httpd, "recover", "a");
    assert_eq!(ask(), "/app/x");
    let after = report(&httpd);
    let of = member(&after, &format!(":{down}"));
    assert_eq!((of["state"].as_str(), number(&of["errors"]["connect"])), (Some("ok"), 1));
    assert_eq!((number(&of["requests"]), peer.requests()), (2, 1));
}

#[test]
fn reset_clears_the_counters_also_of_a_worker_outside_a_balancer_which_takes_no_other_order() {
    let peer = named("a");
    let plain = format!("ProxyPass /plain ajp://127.0.0.1:{}/plain", peer.port());
    let lines = [format!("ajp://127.0.0.1:{} route=a", peer.port())];
    let httpd = with_status(balancer(prefork(3), &lines)).conf(&plain).start();
    for path in ["/app/x", "/plain/x", "/plain/y"] {
        httpd.get(path).expect(200);
    }
    let requests = |end: &str| number(&member(&report(&httpd), end)["requests"]);
    assert_eq!(requests("/plain"), 2);
    let form = format!("action=stop&member=*/plain&nonce={}", nonce(&httpd));
    let refused = post(&mut httpd.client(), "", &form).expect(409).text();
    assert!(refused.contains("refused, it is not in a balancer"), "{refused}");
    httpd.get("/plain/x").expect(200);

    order(&httpd, "reset", "*/plain");
    assert_eq!((requests("/plain"), requests(&format!(":{}", peer.port()))), (0, 1));
    let since = |end: &str| member(&report(&httpd), end)["counting_since"].as_f64();
    assert!(since("/plain") > since(&format!(":{}", peer.port())));
}

/// The passwords of `htdocs/users` are `password`.
const ADMIN: &str = "Authorization: Basic YWRtaW46cGFzc3dvcmQ=\r\n";
const READER: &str = "Authorization: Basic cmVhZGVyOnBhc3N3b3Jk\r\n";

fn write_users(httpd: &Httpd) {
    let hash = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=";
    let users = format!("admin:{hash}\nreader:{hash}\n");
    fs::write(httpd.root().join("htdocs/users"), users).expect("it is ours");
}

#[test]
fn the_documentation_s_example_lets_the_network_read_and_admin_change() {
    let text = include_str!("../../../docs/operations.md");
    let example = text.split("```apache\n").nth(1).and_then(|rest| rest.split("```").next());
    let example = example.expect("it begins with an example");
    let example = example.replace("10.0.0.0/24", "127.0.0.0/8");
    let a = named("a");
    let members = [format!("ajp://127.0.0.1:{} route=a", a.port())];
    let setup = prefork(2).conf(&example.replace("/etc/apache2/ajp-operators", "htdocs/users"));
    let httpd = balancer(setup, &members).start();
    write_users(&httpd);

    httpd.get("/ajp-status").expect(200);
    let form = format!("action=drain&member=a&nonce={}", nonce(&httpd));
    post(&mut httpd.client(), "", &form).expect(401);
    post(&mut httpd.client(), READER, &form).expect(401);
    post(&mut httpd.client(), ADMIN, &form).expect(200);
}

#[test]
fn each_order_leaves_one_line_for_each_member_with_user_and_address() {
    let (a, b) = (named("a"), named("b"));
    let lines = [(a.port(), "a"), (b.port(), "b")]
        .map(|(port, route)| format!("ajp://127.0.0.1:{port} route={route}"));
    let setup = prefork(3).log_level("warn").conf(
        "<Location /ajp-status>\nSetHandler ajp-status\nAuthType Basic\nAuthName a\n\
         AuthBasicProvider file\nAuthUserFile htdocs/users\n<RequireAny>\nRequire user admin\n\
         <RequireAll>\nRequire method GET\nRequire user reader\n</RequireAll>\n</RequireAny>\n\
         </Location>",
    );
    // `resuming normal operations` is what a test waits for.
    let httpd = balancer(setup.log_level("warn mpm_prefork:notice"), &lines).start();
    write_users(&httpd);
    let page = httpd.request("GET", "/ajp-status?format=nonce", READER).expect(200);
    let form = format!("action=drain&member=*&nonce={}", page.text().trim());
    let refused = post(&mut httpd.client(), READER, &form).status;
    assert!(refused == 401 || refused == 403, "{refused}");
    post(&mut httpd.client(), "", &form).expect(401);
    post(&mut httpd.client(), ADMIN, &form).expect(200);

    let log = httpd.error_log();
    let audit: Vec<_> = log.lines().filter(|line| line.contains("ajp-status: ")).collect();
    assert_eq!(audit.len(), 2, "{log}");
    for (line, port) in audit.iter().zip([a.port(), b.port()]) {
        let text = format!(
            "ajp-status: drain balancer://members ajp://127.0.0.1:{port}: was active, is draining; \
             by user admin from 127.0.0.1"
        );
        assert!(line.contains(&text), "{line}");
    }
}

#[test]
fn a_script_drains_a_node_with_curl_as_the_documentation_says() {
    let two = Two::start(prefork(4));
    let curl = |args: &[&str], target: &str| {
        two.httpd.curl(&[&["-fsS"], args].concat(), "http", &format!("/ajp-status{target}"))
    };
    let nonce = format!("nonce={}", curl(&[], "?format=nonce").trim());
    for (action, activation) in [("drain", "draining"), ("stop", "stopped"), ("activate", "active")]
    {
        let action = format!("action={action}");
        let done = curl(&["-d", &nonce, "-d", &action, "--data-urlencode", "member=a"], "");
        assert!(done.ends_with(": done\n"), "{done}");
        assert_eq!(two.activation(two.a.port()), activation);
    }
}

#[test]
fn members_of_one_name_in_several_virtual_hosts_are_one_and_all_carry_out_its_orders() {
    let (a, b) = (named("a"), named("b"));
    let host = |name: &str| {
        format!(
            "<VirtualHost *:*>\nServerName {name}\n<Proxy balancer://members>\n\
             BalancerMember ajp://127.0.0.1:{} route=a\nBalancerMember ajp://127.0.0.1:{} route=b\n\
             ProxySet stickysession=JSESSIONID\n</Proxy>\nProxyPass /app balancer://members/app\n\
             </VirtualHost>",
            a.port(),
            b.port()
        )
    };
    let setup = with_status(prefork(3).conf("ServerName main"));
    let httpd = setup.conf(&host("one")).conf(&host("two")).start();
    let ask = |name: &str| {
        let mut client = httpd.client();
        client
            .send(format!("GET /app/x HTTP/1.1\r\nHost: {name}\r\nCookie: JSESSIONID=x.a\r\n\r\n"));
        client.response("GET").expect(200).text()
    };
    assert_eq!((ask("one"), ask("two")), ("a".into(), "a".into()));
    let before = report(&httpd);
    assert_eq!(before["balancers"].as_array().map(Vec::len), Some(1));
    assert_eq!(number(&member(&before, &format!(":{}", a.port()))["requests"]), 2);
    assert_eq!(order(&httpd, "stop", "a").lines().count(), 1);
    assert_eq!((ask("one"), ask("two")), ("b".into(), "b".into()));
}

#[test]
fn a_member_with_loadfactor_0_drains_again_when_it_is_activated() {
    let (a, b) = (named("a"), named("b"));
    let members = [(a.port(), "a loadfactor=0"), (b.port(), "b")]
        .map(|(port, route)| format!("ajp://127.0.0.1:{port} route={route}"));
    let httpd = with_status(balancer(prefork(2), &members)).start();
    order(&httpd, "stop", "*");
    httpd.get("/app/x").expect(503);
    order(&httpd, "activate", "*");
    for _ in 0..4 {
        assert_eq!(httpd.get("/app/x").expect(200).text(), "b");
    }
    let of_a = httpd.request("GET", "/app/x", "Cookie: JSESSIONID=x.a\r\n");
    assert_eq!(of_a.expect(200).text(), "a");
}

#[test]
fn recover_reports_that_a_member_in_error_has_also_failed_its_health_check() {
    let peer = ScriptedPeer::start(test_support::ajp::echo::uris);
    let member_line = format!("ajp://127.0.0.1:{} route=a status=+CE retry=600", peer.port());
    let httpd = with_status(balancer(prefork(2), &[member_line])).start();
    let state = || {
        let report = report(&httpd);
        let of = member(&report, "");
        (of["state"].as_str().expect("a word").to_owned(), of["recovers_in"].is_null())
    };
    assert_eq!(state(), ("health_check_failed".into(), true));
    assert!(is_in_error(&httpd, peer.port()));
    let form = format!("action=recover&member=a&nonce={}", nonce(&httpd));
    let text = post(&mut httpd.client(), "", &form).text();
    assert!(
        text.contains("it failed its health check, and comes back only when it passes one"),
        "{text}"
    );
    assert!(!is_in_error(&httpd, peer.port()));
    assert_eq!(state(), ("health_check_failed".into(), true));
    let log = httpd.error_log();
    assert!(log.contains("was health_check_failed, but it failed its health check"), "{log}");
    post(&mut httpd.client(), "", &form).expect(409);
}

#[test]
fn activate_reports_its_effect_on_a_member_that_localonly_or_loadfactor_0_drains() {
    let (a, b) = (named("a"), named("b"));
    let members = [(a.port(), "a"), (b.port(), "b local=On")]
        .map(|(port, route)| format!("ajp://127.0.0.1:{port} route={route}"));
    let httpd = with_status(balancer(prefork(2), &members))
        .conf("ProxySet balancer://members localonly=On")
        .start();
    let activation = |port: u16| {
        member(&report(&httpd), &format!(":{port}"))["activation"].as_str().map(str::to_owned)
    };
    assert_eq!(activation(a.port()).as_deref(), Some("draining"));
    let done = order(&httpd, "activate", "a");
    let text = "done, but it now takes requests without a session too, despite localonly\n";
    assert!(done.ends_with(text), "{done}");
    assert_eq!(activation(a.port()).as_deref(), Some("active"));
    let log = httpd.error_log();
    assert!(log.contains("was draining, is active, but it now takes requests without"), "{log}");
    assert!(order(&httpd, "activate", "b").ends_with(": done\n"));
    assert!(order(&httpd, "drain", "a").ends_with(": done\n"));

    let form = format!("action=activate&member=a&from=page&nonce={}", nonce(&httpd));
    let answer = post(&mut httpd.client(), "", &form).expect(303);
    let target = answer.header("Location").and_then(|target| target.split_once('?'));
    let page = httpd.get(&format!("/ajp-status?{}", target.expect("a query").1)).expect(200).text();
    assert!(page.contains(": done, but it now takes requests without a session too"), "{page}");

    let members = [format!("ajp://127.0.0.1:{} route=a loadfactor=0", a.port())];
    let httpd = with_status(balancer(prefork(2), &members)).start();
    let done = order(&httpd, "activate", "a");
    let text = "done, but it serves only its own sessions, because of loadfactor=0\n";
    assert!(done.ends_with(text), "{done}");
}

#[test]
fn an_unknown_command_is_an_error_in_the_lines_that_mod_jk_s_scripts_read() {
    let two = Two::start(prefork(3));
    let httpd = &two.httpd;
    for command in ["cmd=halt", "cmd=Update&w=members&sw=a&vwa=s", "cmd=dump"] {
        let answer = httpd.get(&format!("/ajp-status?{command}&mime=prop")).expect(400).text();
        let lines: Vec<_> = answer.lines().collect();
        let said = "worker.result.message=cmd must be list, show or version";
        assert_eq!(lines, ["worker.result.type=ERROR", said], "{command}");
    }
    for command in ["cmd=list", "cmd=show&w=members", "cmd=version"] {
        let answer = httpd.get(&format!("/ajp-status?{command}&mime=prop")).expect(200).text();
        assert!(answer.contains("worker.result.type=OK\n"), "{answer}");
    }
    let right = nonce(httpd);
    for (form, status) in [
        (format!("cmd=halt&w=members&sw=a&nonce={right}"), 400),
        (format!("cmd=recover&w=members&nonce={right}"), 400),
        ("cmd=recover&w=members&sw=a".to_owned(), 403),
    ] {
        let answer = post(&mut httpd.client(), "", &format!("{form}&mime=prop")).expect(status);
        assert!(
            answer.text().starts_with("worker.result.type=ERROR\n"),
            "{form}: {}",
            answer.text()
        );
    }
}
