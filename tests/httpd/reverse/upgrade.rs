//! A new version of the module takes over the ports that another version has left open.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use test_support::ajp::ScriptedPeer;
use test_support::ajp::echo::respond;
use test_support::httpd::{Httpd, Module};
use test_support::members::serve;
use test_support::process::{free_port, wait_for};
use test_support::sockets::{is_listening, listener};

/// Compiles the stand-in for the other version.
fn older(library: &Path, ports: [u16; 2]) {
    let apxs = |key: &str| {
        let output = Command::new("apxs").args(["-q", key]).output().expect("apxs (ci/setup)");
        String::from_utf8(output.stdout).expect("flags")
    };
    let flags = ["CFLAGS", "EXTRA_CPPFLAGS", "EXTRA_INCLUDES"].map(apxs).join(" ");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/httpd/reverse/mod_older.c");
    let done = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(library)
        .args([format!("-DPORT={}", ports[0]), format!("-DOTHER_PORT={}", ports[1])])
        .args(flags.split_whitespace())
        .arg(format!("-I{}", apxs("INCLUDEDIR").trim()))
        .arg(source)
        .status()
        .expect("a C compiler (ci/setup)");
    assert!(done.success(), "{done}");
}

#[test]
fn an_upgrade_takes_over_the_port_of_an_older_version_and_leaves_other_sockets_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let library = directory.path().join("live.so");
    let (port, other) = (free_port(), free_port());
    older(&library, [port, other]);
    let httpd = Httpd::setup()
        .module(Module::File(library.clone()))
        .conf(&format!(
            "#later ProxyPass /app ajp://127.0.0.1:{port}/app reversed=On acquire=60000"
        ))
        .start();
    let before = listener(port).expect("the older version listens");
    let container =
        ScriptedPeer::dial((Ipv4Addr::LOCALHOST, port).into(), Ipv4Addr::LOCALHOST, 1, {
            |conn| serve(conn, &|conn, _| respond(conn, "dialled in before").map(|()| true))
        });
    container.wait_for_connections(1);

    let new = directory.path().join("new.so");
    fs::copy(Module::Ours.path(), &new).expect("it is built");
    fs::rename(&new, &library).expect("it is ours");
    let conf = httpd.root().join("httpd.conf");
    let text = fs::read_to_string(&conf).expect("the harness wrote it");
    fs::write(&conf, text.replace("#later ", "")).expect("it is ours");
    let old = httpd.children();
    httpd.graceful();
    assert_eq!(listener(port).as_ref(), Some(&before), "the same socket");
    assert!(is_listening(other), "it is somebody else's");
    // The old children may accept the request, and know no ProxyPass.
    httpd.wait_for_new_children(&old, 1);
    assert_eq!(httpd.get("/app/x").expect(200).text(), "dialled in before");

    // From now on it is as with any other restart.
    httpd.graceful();
    assert_eq!(listener(port), Some(before));
    fs::write(&conf, text.replace("Include ", "#")).expect("it is ours");
    httpd.graceful();
    wait_for("nobody listens", || (!is_listening(port)).then_some(()));
    assert!(is_listening(other));
}
