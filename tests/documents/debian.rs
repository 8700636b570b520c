//! Files of the Debian package and of its checks that name things of the sources.

use std::fs;
use std::process::Command;

use mod_proxy_ajp_rs::config::{BalancerKeys, WorkerSettings};

use super::{directives, root};

/// What the Debian package says of such a configuration when it is removed, line by line.
fn named_by_the_debian_package(configuration: &str) -> Vec<String> {
    let script = root().join("packaging/debian/libapache2-mod-proxy-ajp-rs.prerm");
    let script = fs::read_to_string(script).expect("it is there");
    let function = script.find("own_words() {").expect("the script has it");
    let end = script.find("\n}\n").expect("the function ends");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("shop.conf");
    fs::write(&file, configuration).expect("our own file");
    let output = Command::new("sh")
        .args(["-c", &format!("{}\n}}\nown_words shop.conf", &script[function..end])])
        .current_dir(&directory)
        .output()
        .expect("every system has a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_debian_package_names_each_of_our_parameters_and_directives_when_it_is_removed() {
    let source = |path| fs::read_to_string(root().join(path)).expect("it is there");
    let mut lines = Vec::new();
    for docs in WorkerSettings::documented() {
        lines.push(format!("BalancerMember {}={}", docs.name, docs.example));
    }
    for docs in BalancerKeys::documented() {
        lines.push(format!("ProxySet {}={}", docs.name, docs.example));
    }
    lines.extend(directives(&source("src/ffi/startup/directives.rs")));
    let methods = source("src/ffi/balancing/lbmethod.rs");
    for method in methods.split("provider(c\"").skip(1) {
        let name = method.split('"').next().expect("a name");
        lines.push(format!("ProxySet lbmethod={name}"));
    }
    assert!(lines.len() > 30, "{lines:?}");
    let named = named_by_the_debian_package(&lines.join("\n"));
    let wanted = (1..).zip(&lines).map(|(at, line)| format!("shop.conf:{at}: {line}"));
    assert_eq!(named, wanted.collect::<Vec<_>>());
}

#[test]
fn the_debian_package_names_the_words_alone_wherever_they_stand() {
    let named = named_by_the_debian_package(
        "ProxyPass /a ajp://h/a secret=hidden \\\n   \"Retries=2\" route=a\n\
         <Proxy \"balancer://b\" sessionretry=On>\n\
         \tbalancermember 'ajp://h' loadfactor=0 ACQUIRE=0ms\n</Proxy>\n\
         proxyPassMatch ^/b ajp://h/b lbmethod=sessions\n",
    );
    assert_eq!(
        named,
        [
            "shop.conf:1: ProxyPass Retries=2",
            "shop.conf:3: <Proxy sessionretry=On",
            "shop.conf:4: balancermember loadfactor=0 ACQUIRE=0ms",
            "shop.conf:6: proxyPassMatch lbmethod=sessions",
        ]
    );
}

#[test]
fn the_debian_package_names_nothing_that_mod_proxy_ajp_accepts() {
    let of_stock = "# ProxyPass /a ajp://h/a retries=2\n\
        ProxyPass /a ajp://h/a?recovery=5 timeout=5 acquire=10 loadfactor=10 lbset=0 retry=0 ping=1\n\
        ProxyPassReverse /a ajp://h/retries=2\nSetEnv x retries=2\n\
        ProxySet balancer://b lbmethod=byrequests nofailover=On stickysession=local\n\
        ProxyTimeout 5\nBalancerMember ajp://h loadfactor=1.5 redirect=local= acquire=1000\n";
    assert_eq!(named_by_the_debian_package(of_stock), [""; 0]);
}

#[test]
fn the_patch_for_the_check_of_an_upgrade_fits_the_sources_and_changes_each_version_of_a_layout() {
    let patch = root().join("ci/release.d/other-layouts.patch");
    let output = Command::new("patch")
        .args(["--dry-run", "--batch", "--strip=1", "--input"])
        .arg(&patch)
        .current_dir(root())
        .output()
        .expect("patch (ci/setup)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let patch = fs::read_to_string(patch).expect("it is there");
    for version in
        ["pub const VERSION: u32", "pub const OPERATOR_VERSION: u32", "pub struct PoolSlot"]
    {
        assert!(patch.contains(version), "{version}");
    }
}
