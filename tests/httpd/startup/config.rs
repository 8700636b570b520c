//! Configurations: those of stock mod_proxy_ajp are accepted, and invalid ones are refused with a
//! message.

use test_support::ajp::ScriptedPeer;
use test_support::httpd::{Httpd, Mpm, Setup, release};
use test_support::process::wait_for;
use test_support::relay::Relay;
use test_support::tomcat::Tomcat;

/// The places where worker parameters are allowed, each with `parameters` in it.
fn places(parameters: &str) -> [String; 5] {
    let url = "ajp://127.0.0.1:9/app";
    [
        format!("ProxyPass /app {url} {parameters}"),
        format!("<Location /app>\nProxyPass {url} {parameters}\n</Location>"),
        format!("<Proxy balancer://b>\nBalancerMember {url} {parameters}\n</Proxy>"),
        format!("ProxyPass /app {url}\nProxySet {url} {parameters}"),
        format!("<Proxy {url} {parameters}>\n</Proxy>\nProxyPass /app {url}"),
    ]
}

#[track_caller]
fn accepts(setup: &Setup, parameters: &str) {
    for place in places(parameters) {
        let (accepted, printed) = setup.clone().conf(&place).configtest();
        assert!(accepted, "{place}: {printed}");
    }
}

/// Fails unless the configuration is refused everywhere, with each of `words` in the message.
#[track_caller]
fn refuses(parameters: &str, words: &[&str]) {
    for place in places(parameters) {
        let (accepted, printed) = Httpd::setup().conf(&place).configtest();
        assert!(!accepted, "{place} was accepted");
        for word in words {
            assert!(printed.contains(word), "{place}: no {word:?} in: {printed}");
        }
    }
}

#[test]
fn every_worker_parameter_of_mod_proxy_is_accepted() {
    let parameters = "loadfactor=50 retry=5 ttl=60 min=0 max=20 smax=10 acquire=3000 timeout=300 \
        connectiontimeout=500ms ping=1 iobuffersize=65536 receivebuffersize=4096 keepalive=On \
        disablereuse=Off enablereuse=On flushpackets=auto flushwait=20 \
        secret=abc responsefieldsize=16384 status=+I";
    accepts(&Httpd::setup(), parameters);
    if release() >= (2, 4, 59) {
        accepts(&Httpd::setup(), "addressttl=60");
    } else {
        refuses("addressttl=60", &["addressttl; a later httpd has it"]);
    }
}

#[test]
fn parameters_of_mod_proxy_hcheck_are_accepted_beside_ours() {
    let setup = Httpd::setup().modules(&["proxy_hcheck"]);
    // httpd 2.4.49 to 2.4.54 accepts CPING only when it reads its configuration again.
    let has_cping = release() >= (2, 4, 55);
    for (parameters, is_good) in [
        ("forceclose=On hcmethod=CPING hcinterval=5", has_cping),
        ("forceclose=On hcmethod=OPTIONS hcinterval=5", true),
        ("hcmethod=TCP connecttimeout=500 hcpasses=2", true),
    ] {
        let member = format!("BalancerMember ajp://127.0.0.1:9 {parameters}");
        let conf = format!("<Proxy balancer://b>\n{member}\n</Proxy>");
        let (accepted, printed) = setup.clone().conf(&conf).configtest();
        assert_eq!(accepted, is_good, "{parameters}: {printed}");
    }
}

#[test]
fn forceclose_and_connecttimeout_are_accepted_wherever_worker_parameters_are() {
    accepts(&Httpd::setup(), "forceclose=On connecttimeout=500");
    accepts(&Httpd::setup(), "ForceClose=off ConnectTimeout=2s");
}

#[test]
fn a_wrong_forceclose_is_refused_with_parameter_value_and_range() {
    refuses("forceclose=maybe", &["forceclose", "maybe", "On", "Off"]);
    refuses("forceclose=1", &["forceclose", "1", "On", "Off"]);
}

#[test]
fn a_wrong_connecttimeout_is_refused_with_parameter_value_and_range() {
    for wrong in ["0", "-5", "soon", "5parsecs", "99999999999999999999"] {
        let parameters = format!("connecttimeout={wrong}");
        refuses(&parameters, &["connecttimeout", wrong, "ms"]);
    }
}

#[test]
fn an_unknown_parameter_is_refused_with_and_without_hcheck() {
    refuses("forceclosed=On", &["unknown Worker parameter"]);
    let (accepted, printed) = Httpd::setup()
        .modules(&["proxy_hcheck"])
        .conf("ProxyPass /app ajp://127.0.0.1:9 nonsense=1")
        .configtest();
    assert!(!accepted && printed.contains("unknown Worker"), "{printed}");
}

#[test]
fn wrong_values_of_stock_parameters_are_refused_with_their_name() {
    for wrong in ["iobuffersize=100", "ping=0", "flushpackets=perhaps", "ttl=0"] {
        let (accepted, printed) =
            Httpd::setup().conf(&format!("ProxyPass /a ajp://127.0.0.1:9 {wrong}")).configtest();
        let name = wrong.split('=').next().expect("split gives at least one");
        assert!(!accepted && printed.to_lowercase().contains(name), "{wrong}: {printed}");
    }
}

/// The number of connections to the backend that ten requests of one client take.
fn connections_for_ten_requests(parameters: &str) -> usize {
    let relay = Relay::to(Tomcat::shared().address());
    let conf = format!("ProxyPass /app ajp://127.0.0.1:{}/app {parameters}", relay.port);
    // Not with a housekeeper: while it checks the idle connection, a request opens another.
    let httpd = Httpd::setup().conf("ProxyAjpMaintain 0").conf(&conf).start();
    let mut client = httpd.client();
    for number in 0..10 {
        let page = client.get(&format!("/app/echo?n={number}")).expect(200);
        assert_eq!(page.said("query"), format!("n={number}"));
    }
    relay.connections()
}

#[test]
fn a_connection_serves_one_request_after_another() {
    assert_eq!(connections_for_ten_requests(""), 1);
    assert_eq!(connections_for_ten_requests("ping=60"), 1);
}

#[test]
fn with_disablereuse_each_request_gets_its_own_connection() {
    assert_eq!(connections_for_ten_requests("disablereuse=On"), 10);
}

#[test]
fn with_forceclose_each_request_gets_its_own_connection() {
    assert_eq!(connections_for_ten_requests("forceclose=Off"), 1);
    assert_eq!(connections_for_ten_requests("forceclose=On"), 10);
}

#[test]
fn a_request_of_a_plain_worker_whose_backend_is_gone_is_a_503_and_the_next_is_served() {
    let relay = Relay::to(Tomcat::shared().address());
    let conf = format!("ProxyPass /app ajp://127.0.0.1:{}/app", relay.port);
    let httpd = Httpd::setup().conf(&conf).start();
    httpd.get("/app/echo").expect(200);
    relay.cut();
    assert_eq!(httpd.get("/app/echo").status, 503);
    relay.mend();

    httpd.get("/app/echo").expect(200);
}

#[test]
fn connecttimeout_ends_the_wait_for_a_backend_that_does_not_answer() {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
    // A listener with a full queue: further connection attempts get no answer at all.
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    let port = test_support::process::free_port();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    bind(&listener, &address).expect("the port is free");
    listen(&listener, 0).expect("a bound socket");
    let brief = std::time::Duration::from_secs(1);
    let queued: Vec<_> =
        std::iter::from_fn(|| std::net::TcpStream::connect_timeout(&address, brief).ok())
            .take(64)
            .collect();
    assert!(queued.len() < 64, "the queue never fills here");

    let conf = format!("ProxyPass /app ajp://127.0.0.1:{port}/app connecttimeout=300");
    let httpd = Httpd::setup().conf(&conf).start();
    let started = std::time::Instant::now();
    let answer = httpd.get("/app/echo");

    assert_eq!(answer.status, 503);
    assert!(started.elapsed() >= brief * 3 / 10, "{:?}", started.elapsed());
    let log = httpd.error_log();
    assert_eq!(log.matches("no answer within 300ms").count(), 1, "{log}");
}

#[test]
fn parameters_take_effect_inside_a_virtual_host() {
    let relay = Relay::to(Tomcat::shared().address());
    let httpd = Httpd::setup()
        .conf("<VirtualHost *:*>")
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app forceclose=On", relay.port))
        .conf("<Proxy balancer://one>")
        .conf(&format!("BalancerMember ajp://127.0.0.1:{} connecttimeout=5s", relay.port))
        .conf("</Proxy>\nProxyPass /balanced balancer://one/app\n</VirtualHost>")
        .start();
    for _ in 0..3 {
        httpd.get("/app/static.txt").expect(200);
    }

    assert_eq!(relay.connections(), 3);
    httpd.get("/balanced/static.txt").expect(200);
    assert!(!Httpd::setup()
        .conf("<VirtualHost *:*>\nProxyPass /app ajp://localhost/ forceclose=maybe\n</VirtualHost>")
        .configtest()
        .0);
}

#[test]
fn virtual_hosts_that_define_the_same_backend_share_its_connections() {
    let relay = Relay::to(Tomcat::shared().address());
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app", relay.port);
    let httpd = Httpd::setup()
        .mpm(Mpm::Prefork)
        // Not with a housekeeper: while it checks the idle connection, a request opens another.
        .conf("StartServers 1\nMaxRequestWorkers 1\nProxyAjpMaintain 0")
        .conf(&format!("<VirtualHost *:*>\nServerName one\n{pass}\n</VirtualHost>"))
        .conf(&format!("<VirtualHost *:*>\nServerName two\n{pass}\n</VirtualHost>"))
        .start();
    let get = |host: &str| {
        let mut client = httpd.client();
        client.send(format!(
            "GET /app/static.txt HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        ));
        client.response("GET").expect(200);
    };
    get("one");
    get("two");

    assert_eq!(relay.connections(), 1);
}

#[test]
fn workers_with_limits_of_their_own_do_not_share_them() {
    let relay = Relay::to(Tomcat::shared().address());
    let httpd = Httpd::setup()
        .conf("ThreadsPerChild 8\nMaxRequestWorkers 8\nStartServers 1\nServerLimit 1")
        .conf(&format!(
            "ProxyPass /narrow ajp://127.0.0.1:{}/app/echo max=1 acquire=50",
            relay.port
        ))
        .conf(&format!("ProxyPass /wide ajp://127.0.0.1:{}/app max=5", relay.port))
        .start();
    let mut slow: Vec<_> = (0..3).map(|_| httpd.client()).collect();
    for client in &mut slow {
        client.send("GET /wide/slow?ms=1500 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    wait_for("three slow requests", || (relay.connections() == 3).then_some(()));

    httpd.get("/narrow/x").expect(200);
    for client in &mut slow {
        client.response("GET").expect(200);
    }
}

#[test]
fn acquire_0_does_not_wait_wherever_worker_parameters_are_accepted() {
    for conf in places("acquire=0 forceclose=On") {
        let (accepted, said) = Httpd::setup().conf(&conf).configtest();
        assert!(accepted, "{conf}: {said}");
    }
    let silent = ScriptedPeer::start(|conn| {
        while conn.read_packet()?.is_some() {}
        Ok(())
    });
    let httpd = Httpd::setup()
        .conf("ThreadsPerChild 8\nMaxRequestWorkers 8\nStartServers 1\nServerLimit 1")
        .conf(&format!(
            "ProxyPass /app ajp://127.0.0.1:{}/app max=1 acquire=0 timeout=6",
            silent.port()
        ))
        .start();
    let mut waiting = httpd.client();
    waiting.send("GET /app/x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    silent.wait_for_requests(1);

    assert_eq!(httpd.get("/app/x").status, 503);
    assert_eq!(waiting.response("GET").status, 504);
}
