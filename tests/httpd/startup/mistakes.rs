//! Mistakes in the configuration, each made once: what httpd says of it, and that nothing is refused with
//! which mod_proxy_ajp starts.

use test_support::ajp::ScriptedPeer;
use test_support::httpd::{Httpd, Setup, release};

/// The places where worker parameters are allowed, each with `parameters` in it.
fn places(url: &str, parameters: &str) -> [String; 6] {
    [
        format!("ProxyPass /app {url} {parameters}"),
        format!("<Location /app>\nProxyPass {url} {parameters}\n</Location>"),
        format!("<Proxy balancer://b>\nBalancerMember {url} {parameters}\n</Proxy>"),
        format!("ProxyPass /app {url}\nProxySet {url} {parameters}"),
        format!("<Proxy {url} {parameters}>\n</Proxy>\nProxyPass /app {url}"),
        format!("<VirtualHost *:*>\nProxyPass /app {url} {parameters}\n</VirtualHost>"),
    ]
}

/// Fails unless the configuration is refused, with all of `words` in what httpd says.
#[track_caller]
fn refuses(setup: Setup, conf: &str, words: &[&str]) {
    let (accepted, printed) = setup.conf(conf).configtest();
    assert!(!accepted, "{conf} was accepted");
    for word in words {
        assert!(printed.contains(word), "{conf}: no {word:?} in: {printed}");
    }
}

/// The lines with this number, from the number on.
fn lines_of<'l>(log: &'l str, number: &str) -> Vec<&'l str> {
    log.lines().filter_map(|line| Some(&line[line.find(number)?..])).collect()
}

/// Starts httpd, restarts it gracefully, and tests its configuration. Returns the line that each of the
/// three logs once with this number.
#[track_caller]
fn said_once(setup: Setup, number: &str) -> String {
    let httpd = setup.clone().start();
    let log = httpd.error_log();
    let [line] = lines_of(&log, number)[..] else { panic!("one {number} at start: {log}") };
    httpd.graceful();
    let log = httpd.error_log();
    let again = lines_of(&log, number);
    assert_eq!(again, [line, line], "once more after a restart");
    let (accepted, printed) = setup.configtest();
    let tested = lines_of(&printed, number);
    assert!(accepted && tested.len() == 1, "once in the test of the configuration: {printed}");
    line.to_owned()
}

/// Fails if a start says any of this with one of the numbers.
#[track_caller]
fn is_silent(setup: Setup, numbers: &[&str]) {
    let (accepted, printed) = setup.configtest();
    assert!(accepted, "{printed}");
    for number in numbers {
        assert_eq!(lines_of(&printed, number), [""; 0]);
    }
}

#[test]
fn an_unknown_parameter_is_named_with_line_and_the_nearest_one_wherever_it_stands() {
    let words = [
        "AH00526: Syntax error on line ",
        "httpd.conf",
        "unknown Worker parameter forceclosed; did you mean forceclose?",
    ];
    for place in places("ajp://127.0.0.1:9/app", "ping=5 forceclosed=On") {
        refuses(Httpd::setup(), &place, &words);
        refuses(Httpd::setup().modules(&["proxy_hcheck"]), &place, &words);
    }
}

#[test]
fn a_misspelled_parameter_of_mod_proxy_or_hcheck_is_named_without_its_value_which_may_be_a_secret()
{
    let pass = |parameter: &str| format!("ProxyPass /app ajp://127.0.0.1:9/app {parameter}");
    let (_, printed) = Httpd::setup().conf(&pass("secert=hush")).configtest();
    assert!(printed.contains("unknown Worker parameter secert; did you mean secret?"), "{printed}");
    assert!(!printed.contains("hush"), "{printed}");
    let needs = "unknown Worker parameter hcmethod; it needs mod_proxy_hcheck, which is not loaded";
    refuses(Httpd::setup(), &pass("hcmethod=CPING"), &[needs]);
    let hcheck = || Httpd::setup().modules(&["proxy_hcheck"]);
    refuses(hcheck(), &pass("hcmetod=CPING"), &["hcmetod; did you mean hcmethod?"]);
    refuses(hcheck(), &pass("hcmethod=NOSUCH"), &["Unknown method"]);
    refuses(Httpd::setup(), &pass("localonly=On"), &["localonly; it is a parameter of a balancer"]);
}

#[test]
fn an_unknown_parameter_of_a_balancer_is_named_with_its_line_before_mod_proxy_refuses_it() {
    let member = "BalancerMember ajp://127.0.0.1:9 route=a";
    for (conf, place) in [
        (format!("<Proxy balancer://b>\n{member}\n</Proxy>\nProxyPass /a balancer://b WORD"), 3),
        (format!("<Proxy balancer://b>\n{member}\nProxySet WORD\n</Proxy>"), 2),
        (format!("<Proxy balancer://b WORD>\n{member}\n</Proxy>"), 0),
    ] {
        let conf = conf.replace("WORD", "stickysesion=JSESSIONID");
        let (accepted, printed) = Httpd::setup().conf(&format!("#here\n{conf}")).configtest();
        assert!(!accepted, "{conf}");
        let [line] = lines_of(&printed, "AJP0054: ")[..] else { panic!("{printed}") };
        assert!(line.starts_with("AJP0054: line "), "{line}");
        assert!(
            line.contains("httpd.conf: balancer://b: unknown parameter stickysesion"),
            "{line}"
        );
        assert!(line.ends_with("; did you mean stickysession?"), "{line}");
        // httpd's own line has the number of the same line.
        let number = line.split(' ').nth(2).expect("line N of");
        assert!(
            printed.contains(&format!("Syntax error on line {number} of")),
            "{place}: {printed}"
        );
        assert!(printed.contains("unknown Balancer parameter"), "{printed}");
    }
    let set = format!("<Proxy balancer://b>\n{member}\nProxySet local=On\n</Proxy>");
    refuses(Httpd::setup(), &set, &["unknown parameter local; it is a parameter of a member"]);
}

/// Whether mod_proxy reads units of `timeout` and `retry`, as trunk does: it has `min`, and refuses `m`.
fn reads_units() -> bool {
    release() >= (2, 5, 0)
}

#[test]
fn a_unit_that_mod_proxy_ignores_is_said_once_with_line_parameter_and_what_is_in_force() {
    let url = "ajp://127.0.0.1:9/app";
    let mut cases = vec![("ttl=2m", "2 s")];
    if !reads_units() {
        cases.extend([("timeout=60s", "60 s"), ("retry=1m", "1 s")]);
    }
    for (written, read) in cases {
        for place in places(url, written) {
            let (accepted, printed) = Httpd::setup().conf(&place).configtest();
            assert!(accepted, "{place}: {printed}");
            let [line] = lines_of(&printed, "AJP0051: ")[..] else { panic!("{place}: {printed}") };
            assert!(line.starts_with("AJP0051: line "), "{line}");
            let facts = format!("httpd.conf: {url}: {written} is in force as {read}, because ");
            assert!(line.contains(&facts), "{line}");
        }
    }
    let start =
        said_once(Httpd::setup().conf(&format!("ProxyPass /app {url} ttl=2m")), "AJP0051: ");
    assert!(start.contains("ttl=2m is in force as 2 s"), "{start}");
}

#[test]
fn the_line_of_a_misread_number_is_httpd_s_own() {
    let line = |conf: &str| -> usize {
        let (_, printed) = Httpd::setup().conf(conf).configtest();
        let number = printed.split(" line ").nth(1).and_then(|rest| rest.split(' ').next());
        number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{printed}"))
    };
    let pass = "ProxyPass /app ajp://127.0.0.1:9/app";
    let refused = line(&format!("# one\n# two\n{pass} forceclose=maybe"));
    assert_eq!(line(&format!("# one\n# two\n{pass} ttl=2m")), refused);
}

#[test]
fn a_misread_number_stays_as_mod_proxy_reads_it() {
    let silent = ScriptedPeer::start(|conn| {
        while conn.read_packet()?.is_some() {}
        Ok(())
    });
    let conf = format!("ProxyPass /app ajp://127.0.0.1:{}/app timeout=1m retries=0", silent.port());
    if reads_units() {
        return refuses(Httpd::setup(), &conf, &["Timeout value has wrong format"]);
    }
    let httpd = Httpd::setup().conf(&conf).start();

    httpd.get("/app/x").expect(504);
    let log = httpd.error_log();
    assert!(log.contains("timeout=1m is in force as 1 s"), "{log}");
}

#[test]
fn numbers_without_a_unit_and_units_where_they_count_are_not_mentioned() {
    let parameters = "ttl=60 timeout=300 retry=5 max=20 loadfactor=50 ping=500ms acquire=1s \
                      connectiontimeout=2s connecttimeout=1min replytimeout=2min pinginterval=1h \
                      idlemax=5min pingconnect=2s pingprepost=500ms retryinterval=1s escalation=2min";
    for place in places("ajp://127.0.0.1:9/app", parameters) {
        is_silent(Httpd::setup().conf(&place), &["AJP0051"]);
    }
}

#[test]
fn a_balancer_s_number_with_a_unit_is_named_if_the_balancer_has_an_ajp_member() {
    let balancer = |member: &str| {
        Httpd::setup().modules(&["proxy_http"]).conf(&format!(
            "<Proxy balancer://b>\nBalancerMember {member}://127.0.0.1:9\nProxySet timeout=5s\n</Proxy>"
        ))
    };
    let (_, printed) = balancer("ajp").configtest();
    assert!(printed.contains("balancer://b: timeout=5s is in force as 5 s"), "{printed}");
    is_silent(balancer("http"), &["AJP0051"]);
}

#[test]
fn a_connection_parameter_on_a_worker_that_is_not_ajp_is_refused_with_parameter_and_worker() {
    for parameter in [
        "forceclose=On",
        "connecttimeout=500",
        "idlemax=500",
        "pingmode=connect",
        "pingconnect=500",
        "pingprepost=500",
        "pinginterval=30",
        "replytimeout=500",
        "maxreplytimeouts=3",
        "recovery=getalways",
        "retries=2",
        "retryinterval=100",
        "failstatus=500",
        "escalation=30",
        "uploadahead=0",
        "busylimit=10",
        "reversed=On",
    ] {
        let name = parameter.split('=').next().expect("a name");
        let text = format!(
            "{name}: only ajp:// workers have this parameter, http://127.0.0.1:9/app is not one"
        );
        let setup = Httpd::setup().modules(&["proxy_http"]);
        let place = format!("ProxyPass /app http://127.0.0.1:9/app {parameter}");
        refuses(setup, &place, &["AH00526: Syntax error on line ", &text]);
    }
    for place in places("http://127.0.0.1:9/app", "forceclose=On") {
        let setup = Httpd::setup().modules(&["proxy_http"]);
        refuses(setup, &place, &["only ajp:// workers have this parameter"]);
    }
}

#[test]
fn parameters_that_choose_a_member_are_accepted_on_every_member_of_a_balancer_with_an_ajp_member() {
    for parameters in
        ["activation=disabled", "domain=west", "distance=1", "local=On", "loadfactor=0"]
    {
        let conf = format!(
            "<Proxy balancer://b>\nBalancerMember http://127.0.0.1:9 {parameters}\nBalancerMember \
             ajp://127.0.0.1:10 {parameters}\n</Proxy>"
        );
        let setup = Httpd::setup().modules(&["proxy_http"]).conf(&conf);
        is_silent(setup, &["AJP0052", "AJP0051"]);
    }
}

#[test]
fn parameters_that_choose_a_member_are_named_where_this_module_does_not_choose() {
    let http = |members: &str| {
        let conf = format!("<Proxy balancer://b>\n{members}\n</Proxy>");
        said_once(Httpd::setup().modules(&["proxy_http"]).conf(&conf), "AJP0052: ")
    };
    assert_eq!(
        http("BalancerMember http://127.0.0.1:9 domain=west\nBalancerMember http://127.0.0.1:10"),
        "AJP0052: balancer://b has no ajp:// member, so mod_proxy_balancer alone chooses its members: \
         domain has no effect"
    );
    assert_eq!(
        http(
            "BalancerMember http://127.0.0.1:9 domain=west local=On\nBalancerMember \
             http://127.0.0.1:10 activation=disabled distance=1"
        ),
        "AJP0052: balancer://b has no ajp:// member, so mod_proxy_balancer alone chooses its members: \
         domain has no effect; activation, distance, local: only as mod_proxy's status and \
         lbset"
    );
    let plain = "ProxyPass /app ajp://127.0.0.1:9/app domain=west local=On";
    assert_eq!(
        said_once(Httpd::setup().conf(plain), "AJP0052: "),
        "AJP0052: ajp://127.0.0.1:9/app is not a member of a balancer, so these have no effect: local, \
         domain"
    );
    is_silent(
        Httpd::setup().conf("ProxyPass /app ajp://127.0.0.1:9/app activation=stopped lbset=0"),
        &["AJP0052"],
    );
}

#[test]
fn without_mod_proxy_balancer_an_error_at_start_names_the_balancers_with_ajp_members() {
    let balancer = |name: &str, url: &str| {
        format!("<Proxy balancer://{name}>\nBalancerMember {url}\n</Proxy>")
    };
    let modules = || {
        let setup = Httpd::setup().without(&["proxy_balancer", "lbmethod_byrequests"]);
        setup.modules(&["proxy_http"])
    };
    let setup = modules()
        .conf(&balancer("shop", "ajp://127.0.0.1:9"))
        .conf(&balancer("web", "http://127.0.0.1:9"))
        .conf("ProxyPass /shop balancer://shop");
    let line = said_once(setup, "AJP0050: ");
    assert!(
        line.starts_with(
            "AJP0050: mod_proxy_balancer is not loaded, so every request for balancer://shop fails with \
             503; "
        ),
        "{line}"
    );
    assert!(line.contains("a2enmod proxy_balancer"), "{line}");
    is_silent(modules().conf(&balancer("web", "http://127.0.0.1:9")), &["AJP0050"]);
    is_silent(Httpd::setup().conf(&balancer("shop", "ajp://127.0.0.1:9")), &["AJP0050"]);
}

#[test]
fn what_httpd_says_itself_of_a_missing_module_gets_no_second_line() {
    let conf = "<Proxy balancer://b>\nBalancerMember ajp://127.0.0.1:9\n</Proxy>";
    for (missing, number, text) in [
        ("lbmethod_byrequests", "AH02432", "Cannot find LB Method: byrequests"),
        ("slotmem_shm", "AH01177", "is mod_slotmem_shm loaded??"),
    ] {
        let log = Httpd::setup().without(&[missing]).conf(conf).start_fails();
        assert!(log.contains(number) && log.contains(text), "{missing}: {log}");
        let ours: Vec<_> = log.lines().filter(|line| line.contains("AJP0")).collect();
        assert!(ours.iter().all(|line| line.contains("AJP0002")), "{missing}: {ours:?}");
    }
}

#[test]
fn a_proxypass_that_takes_the_requests_for_ajp_status_is_named_with_the_remedy() {
    let page =
        "<Location \"/ajp-status\">\nSetHandler ajp-status\nRequire all granted\n</Location>";
    let pass = "ProxyPass \"/\" \"ajp://127.0.0.1:9/\"";
    let hidden = Httpd::setup().conf(page).conf(pass);
    let line = said_once(hidden.clone(), "AJP0053: ");
    assert!(line.starts_with("AJP0053: line "), "{line}");
    assert!(
        line.contains(
            "httpd.conf: <Location \"/ajp-status\"> with ajp-status gets no requests, because ProxyPass \
             \"/\" (line "
        ),
        "{line}"
    );
    assert!(
        line.ends_with("takes them; write ProxyPass \"/ajp-status\" \"!\" before that line"),
        "{line}"
    );
    hidden.start().get("/ajp-status").expect(503);

    let remedy = Httpd::setup().conf(page).conf("ProxyPass \"/ajp-status\" \"!\"").conf(pass);
    is_silent(remedy.clone(), &["AJP0053"]);
    remedy.start().get("/ajp-status").expect(200);
}
