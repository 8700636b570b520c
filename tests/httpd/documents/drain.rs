//! The script of docs/operations.md that takes a node out of service, in front of containers that answer and one
//! that does not.

use test_support::httpd::Httpd;
use test_support::markdown::{Block, blocks_of};
use test_support::members::{balancer, hold, holding, named, one_child};
use test_support::process::wait_for;
use test_support::status::{member, report};

use super::shell;
use super::site::Site;

/// The script, with its arguments.
fn script(arguments: &str) -> Block {
    let script = shell("docs/operations.md", "#!/bin/sh");
    Block { text: format!("set -- {arguments}\n{}", script.text), ..script }
}

/// As Debian's mods-enabled/status.conf has it.
const SERVER_STATUS: &str =
    "<Location /server-status>\nSetHandler server-status\nRequire local\n</Location>";

/// The configuration of docs/operations.md, with a password that the script knows, and these members.
fn start(site: &mut Site, members: &[String]) -> Httpd {
    let example =
        blocks_of("docs/operations.md").into_iter().find(|block| block.language == "apache");
    let example = example.expect("it begins with an example");
    super::with_files(site, &example);
    site.write("/etc/apache2/ajp-drain.curl", "user = \"admin:operator\"\n");
    let text = site.map(&example.text);
    balancer(one_child(), members).port(site.port).conf(&text).conf(SERVER_STATUS).start()
}

fn activation(httpd: &Httpd, port: u16) -> String {
    member(&report(httpd), &format!(":{port}"))["activation"].as_str().expect("a word").to_owned()
}

/// A deployment leaves a file.
const DEPLOY: &str = "node1 touch deployed";
/// Sessions end at once, and requests within a second.
const SOON: &[(&str, &str)] = &[("SESSIONS", "0"), ("REQUESTS", "1")];

fn is_deployed(site: &Site) -> bool {
    site.path("/etc/apache2/deployed").exists()
}

#[test]
fn the_script_drains_and_stops_the_node_runs_the_command_and_puts_the_node_back() {
    let (a, b) = (named("a"), named("b"));
    let lines = [(a.port(), "node1"), (b.port(), "node2")]
        .map(|(port, route)| format!("ajp://127.0.0.1:{port} route={route}"));
    let mut site = Site::new();
    let httpd = start(&mut site, &lines);
    let printed = site.succeed(&script(DEPLOY), SOON);
    let expected: String = ["drain", "stop", "activate"]
        .map(|order| format!("{order} balancer://members ajp://127.0.0.1:{}: done\n", a.port()))
        .concat();
    assert_eq!(printed, expected);
    assert!(is_deployed(&site));
    assert_eq!(activation(&httpd, a.port()), "active");
    assert!(
        !httpd
            .error_log()
            .contains(&format!("stop balancer://members ajp://127.0.0.1:{}", b.port()))
    );
}

#[test]
fn the_script_waits_for_requests_to_end_before_it_runs_the_command() {
    let (container, gate) = holding();
    let lines = [format!("ajp://127.0.0.1:{} route=node1", container.port())];
    let mut site = Site::new();
    let httpd = start(&mut site, &lines);
    let mut clients = hold(&httpd, 1);
    container.wait_for_requests(1);
    std::thread::scope(|scope| {
        let run =
            scope.spawn(|| site.run(&script(DEPLOY), &[("SESSIONS", "0"), ("REQUESTS", "60")]));
        wait_for("the member is stopped", || {
            (activation(&httpd, container.port()) == "stopped").then_some(())
        });
        gate.open();
        clients[0].response("GET").expect(200);
        let (succeeded, printed) = run.join().expect("no panic");
        assert!(succeeded && printed.contains("activate "), "{printed}");
    });
    assert!(is_deployed(&site));
}

#[test]
fn the_script_ends_when_a_request_hangs_lists_it_and_leaves_the_node_stopped() {
    let (container, gate) = holding();
    let lines = [format!("ajp://127.0.0.1:{} route=node1", container.port())];
    let mut site = Site::new();
    let httpd = start(&mut site, &lines);
    let mut clients = hold(&httpd, 2);
    container.wait_for_requests(2);
    let (succeeded, printed) = site.run(&script(DEPLOY), SOON);
    assert!(!succeeded, "{printed}");
    let url = format!("balancer://members ajp://127.0.0.1:{}", container.port());
    let list = format!(
        "drain {url}: done\nstop {url}: done\n\
         ajp-drain: node1 is stopped, but 1 s later it still has requests in flight:\n  \
         {url}: 2 in flight, "
    );
    assert!(printed.starts_with(&list), "{printed}");
    assert!(
        printed.ends_with(
            "ajp-drain: touch was not run. mod_status shows the URLs of these requests.\n"
        )
    );
    assert!(!is_deployed(&site));
    assert_eq!(activation(&httpd, container.port()), "stopped");
    let urls = httpd.request("GET", "/server-status", "").text();
    assert!(urls.contains("GET /app/held"), "{urls}");
    gate.open();
    for client in &mut clients {
        client.response("GET").expect(200);
    }
}

#[test]
fn the_script_runs_nothing_for_a_node_that_does_not_exist_without_httpd_or_with_a_wrong_password() {
    let a = named("a");
    let mut site = Site::new();
    let httpd = start(&mut site, &[format!("ajp://127.0.0.1:{} route=node1", a.port())]);
    let (succeeded, printed) = site.run(&script("node7 touch deployed"), SOON);
    assert!(!succeeded && printed.contains("no such worker"), "{printed}");
    site.write("/etc/apache2/ajp-drain.curl", "user = \"admin:guess\"\n");
    let (succeeded, printed) = site.run(&script(DEPLOY), SOON);
    assert!(!succeeded && printed.contains("401"), "{printed}");
    drop(httpd);
    let (succeeded, printed) = site.run(&script(DEPLOY), SOON);
    assert!(!succeeded, "{printed}");
    assert!(!is_deployed(&site));
}

#[test]
fn the_script_does_not_put_a_node_back_whose_deployment_failed() {
    let a = named("a");
    let mut site = Site::new();
    let httpd = start(&mut site, &[format!("ajp://127.0.0.1:{} route=node1", a.port())]);
    let (succeeded, printed) = site.run(&script("node1 false"), SOON);
    assert!(!succeeded && !printed.contains("activate"), "{printed}");
    assert_eq!(activation(&httpd, a.port()), "stopped");
}
