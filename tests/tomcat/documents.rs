//! Each connector of the documents is given to a real Tomcat, and httpd reaches it with the configuration that the
//! same document has.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use test_support::dialer::{CPING, CPONG};
use test_support::httpd::Httpd;
use test_support::markdown::{Block, blocks, blocks_of};
use test_support::process::{DEADLINE, free_port, wait_for};
use test_support::tomcat::Tomcat;

/// The attributes of the connector in a block.
fn attributes(block: &Block) -> BTreeMap<String, String> {
    let connector = block.text.split("<Connector").nth(1).expect("a connector");
    let mut attributes = BTreeMap::new();
    let mut rest = connector.split("/>").next().expect("it ends");
    while let Some((name, value)) = rest.split_once("=\"") {
        let (value, after) = value.split_once('"').expect("a value ends");
        attributes.insert(name.trim().to_owned(), value.to_owned());
        rest = after;
    }
    attributes
}

/// As they stand in a connector, without those that the test's Tomcat has chosen itself.
fn text(attributes: &BTreeMap<String, String>, chosen: &[&str]) -> String {
    let others = attributes.iter().filter(|(name, _)| !chosen.contains(&name.as_str()));
    others.map(|(name, value)| format!("{name}='{value}' ")).collect()
}

#[test]
fn every_connector_of_the_documents_is_one_of_tomcat_s_or_of_this_project() {
    let xml: Vec<Block> = blocks().into_iter().filter(|block| block.language == "xml").collect();
    assert!(xml.len() >= 3, "{}", xml.len());
    for block in &xml {
        let protocol = attributes(block).remove("protocol").unwrap_or_default();
        let known = ["AJP/1.3", "ajp.reverse.ReverseAjpNioProtocol"];
        assert!(known.contains(&protocol.as_str()), "{}: {protocol}", block.place());
    }
}

#[test]
fn tomcat_serves_a_request_with_each_connector_of_its_own_in_the_documents() {
    let is_tomcat_s = |block: &Block| block.language == "xml" && block.text.contains("AJP/1.3");
    let blocks: Vec<Block> = blocks().into_iter().filter(is_tomcat_s).collect();
    let all: Vec<_> = blocks.iter().map(attributes).collect();
    let chosen = ["address", "port", "protocol", "secretRequired"];
    let texts: Vec<String> = all.iter().map(|attributes| text(attributes, &chosen)).collect();
    let tomcat = Tomcat::start_with(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    for ((block, attributes), port) in blocks.iter().zip(&all).zip(&tomcat.more_ports) {
        let secret =
            attributes.get("secret").map_or(String::new(), |word| format!("secret={word}"));
        let line = format!("ProxyPass \"/app\" \"ajp://127.0.0.1:{port}/app\" {secret}");
        let httpd = Httpd::setup().conf(&line).start();
        assert_eq!(httpd.get("/app/echo").status, 200, "{}", block.place());
        // Without the connector's secret it is refused.
        let other = Httpd::setup().conf(&line.replace("secret=", "secret=not")).start();
        let expected = if secret.is_empty() { 200 } else { 403 };
        assert_eq!(other.get("/app/echo").status, expected, "{}", block.place());
    }
}

#[test]
fn the_first_example_of_readme_serves_a_page_of_tomcat() {
    let blocks = blocks_of("README.md");
    let of = |language: &str| {
        blocks.iter().find(|block| block.language == language).expect("it has one")
    };
    let attributes = attributes(of("xml"));
    let tomcat = Tomcat::start_with(&[&text(&attributes, &["address", "port", "protocol"])]);
    let line = blocks.iter().find(|block| block.text.contains("ProxyPass ")).expect("it has one");
    let address = format!("{}:{}", attributes["address"], attributes["port"]);
    assert!(line.text.contains(&address), "both sides have the same address");
    let conf = line.text.replace(&address, &format!("127.0.0.1:{}", tomcat.more_ports[0]));
    let httpd = Httpd::setup().conf(&conf.replace("/shop", "/app")).start();
    httpd.get("/app/echo").expect(200);
}

#[test]
fn a_tomcat_connects_with_the_connector_and_the_key_of_the_page_on_reverse_connections()
-> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let key = directory.path().join("node1.key");
    fs::write(&key, "0123456789abcdef0123456789abcdef\n")?;
    let port = free_port();
    let blocks = blocks_of("docs/reverse.md");
    let connector = blocks.iter().find(|block| block.language == "xml").expect("it has one");
    let mut attributes = attributes(connector);
    let also = blocks_of("tomcat-connector/README.md");
    assert_eq!(
        attributes,
        self::attributes(also.iter().find(|block| block.language == "xml").expect("one"))
    );
    assert_eq!(
        attributes.get("address").zip(attributes.get("port")),
        Some((&"10.0.0.5".into(), &"9100".into()))
    );
    attributes.insert("address".into(), "127.0.0.1".into());
    attributes.insert("port".into(), port.to_string());
    // Relative to catalina.base, which is the test's own.
    assert_eq!(attributes.insert("keyFile".into(), absolute(&key)), Some("conf/node1.key".into()));
    let conf = blocks[0]
        .text
        .replace("10.0.0.5:9100", &format!("127.0.0.1:{port}"))
        .replace("10.1.2.0/24", "127.0.0.0/8")
        .replace("/etc/apache2/ajp-node1.key", &absolute(&key))
        .replace("/shop", "/app");
    let httpd = Httpd::setup().conf(&conf).start();
    let words = text(&attributes, &["protocol", "secretRequired"]);
    let _tomcat = Tomcat::start_dialling(&[words]);
    wait_for("a page of Tomcat", || (httpd.get("/app/echo").status == 200).then_some(()));
    Ok(())
}

fn absolute(path: &Path) -> String {
    path.display().to_string()
}

/// What docs/sizing.md says of `maxThreads`.
#[test]
fn requests_beyond_maxthreads_wait_in_tomcat_and_a_cping_waits_behind_them() {
    let tomcat = Tomcat::start_with(&["maxThreads='3' minSpareThreads='1'"]);
    let port = tomcat.more_ports[0];
    // Two names, so that there are two workers.
    let httpd = Httpd::setup()
        .conf(&format!("ProxyPass /app ajp://127.0.0.1:{port}/app"))
        .conf(&format!("ProxyPass /pinged/app ajp://localhost:{port}/app ping=500ms"))
        .start();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        // More than there are threads, so that a request always waits.
        for _ in 0..6 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    httpd.get("/app/slow?ms=2000").expect(200);
                }
            });
        }
        wait_for("a CPING is not answered in time", || {
            (httpd.get("/pinged/app/echo").status == 503).then_some(())
        });
        httpd.get("/app/echo").expect(200);
        is_over.store(true, Ordering::SeqCst);
    });
    let log = httpd.error_log();
    assert!(log.contains("AJP0110") && !log.contains("AJP0107"), "{log}");
}

/// A connection that Tomcat has accepted, and that is idle.
fn accepted(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("there is room");
    stream.set_read_timeout(Some(DEADLINE)).expect("not zero");
    stream.write_all(CPING).expect("it is open");
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).expect("Tomcat answers");
    assert_eq!(answer, CPONG);
    stream
}

/// What docs/sizing.md says of `maxConnections` and `acceptCount`.
#[test]
fn a_connection_beyond_maxconnections_waits_and_beyond_acceptcount_it_is_not_answered() {
    let tomcat = Tomcat::start_with(&["maxConnections='2' acceptCount='1'"]);
    let address = SocketAddr::from(([127, 0, 0, 1], tomcat.more_ports[0]));
    let line = format!("ProxyPass /app ajp://{address}/app connecttimeout=1000 timeout=3");
    let httpd = Httpd::setup().conf(&line).start();
    // Idle connections count, once Tomcat has accepted them.
    let mut held: Vec<TcpStream> = (0..2).map(|_| accepted(address)).collect();
    httpd.get("/app/echo").expect(504);

    let mut refused = 0;
    while refused < 3 {
        match TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
            Ok(stream) => held.push(stream),
            Err(_) => refused += 1,
        }
        assert!(held.len() < 20, "the queue has an end");
    }
    httpd.get("/app/echo").expect(503);
    assert!(httpd.error_log().contains("AJP0108"), "{}", httpd.error_log());

    drop(held);
    wait_for("there is room again", || (httpd.get("/app/echo").status == 200).then_some(()));
}

/// What docs/security.md says of paths that Tomcat reads in another way than httpd.
#[test]
fn a_path_with_dots_and_a_semicolon_leaves_its_proxypass_unless_its_mapping_is_servlet() {
    let tomcat = Tomcat::shared();
    let line = format!("ProxyPass \"/app/echo\" \"ajp://127.0.0.1:{}/app/echo\"", tomcat.port);
    let open = Httpd::setup().conf(&line).start();
    let closed = Httpd::setup().conf(&format!("{line} mapping=servlet")).start();
    for path in
        ["/app/echo/..;/static.txt", "/app/echo/..;a=b/static.txt", "/app/echo/%2e%2e;/static.txt"]
    {
        assert_eq!(open.get(path).expect(200).body.len(), 33, "{path} is the file beside it");
        closed.get(path).expect(404);
    }
    for httpd in [&open, &closed] {
        assert!(httpd.get("/app/echo/x").expect(200).text().contains("uri=/app/echo/x"));
        httpd.get("/app/echo/../static.txt").expect(404);
    }
    // The servlet's own path, with a semicolon that means nothing.
    assert!(
        closed.get("/app/echo/..%3b/static.txt").expect(200).text().contains("uri=/app/echo/..%3b")
    );
}

/// The same of access control.
#[test]
fn a_path_with_a_semicolon_is_not_seen_by_access_control_unless_the_mapping_is_servlet() {
    let tomcat = Tomcat::shared();
    for (mapping, status) in [("", 200), ("mapping=servlet", 403)] {
        let line = format!("ProxyPass \"/app\" \"ajp://127.0.0.1:{}/app\" {mapping}", tomcat.port);
        let rule = "<Location \"/app/static.txt\">\nRequire all denied\n</Location>";
        let httpd = Httpd::setup().conf(&line).conf(rule).start();
        for path in ["/app/echo/..;/static.txt", "/app/static.txt;x"] {
            assert_eq!(httpd.get(path).status, status, "{mapping} {path}");
        }
        httpd.get("/app/static.txt").expect(403);
        httpd.get("/app/index.html").expect(200);
    }
}
