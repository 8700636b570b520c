//! Where the files go, and that nothing else changes.

use std::fs;
use std::process::Command;

use super::release::{apxs, installed};
use super::{Place, added, manuals, succeed};

/// The main file of an httpd that was built from source, with mod_proxy_ajp in use.
const HTTPD_CONF: &str = "\
ServerRoot \"/opt/httpd\"
Listen 80
LoadModule mpm_event_module modules/mod_mpm_event.so
#LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_ajp_module modules/mod_proxy_ajp.so
LoadModule unixd_module modules/mod_unixd.so
<IfModule !mpm_prefork_module>
	#LoadModule cgid_module modules/mod_cgid.so
</IfModule>
<IfModule proxy_ajp_module>
ProxyPass \"/shop\" \"ajp://127.0.0.1:8009/shop\"
</IfModule>
";

/// These files, and the man pages and completions.
fn with_manuals(files: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = files.iter().map(|&file| file.to_owned()).chain(manuals()).collect();
    all.sort();
    all
}

#[test]
fn on_debian_the_module_has_a_load_file_of_its_own_and_that_of_apache2_stays_as_it_is() {
    let place = Place::debian();
    let before = place.files();

    place.install_built(&[]);

    let after = place.files();
    assert_eq!(
        added(&before, &after),
        with_manuals(&[
            "apache2/mods-available/proxy_ajp_rs.load",
            "apache2/mods-enabled/proxy_ajp_rs.load",
            "bin/ajp-dialer",
            "bin/jk2ajp",
            "modules/mod_proxy_ajp_rs.so",
        ])
    );
    for (name, content) in
        before.iter().filter(|(name, _)| *name != "apache2/mods-enabled/proxy_ajp.load")
    {
        assert_eq!(after.get(name), Some(content), "{name}");
    }
    assert!(!after.contains_key("apache2/mods-enabled/proxy_ajp.load"), "both would be loaded");
}

#[test]
fn on_debian_the_load_file_is_that_of_the_package() {
    let place = Place::debian();

    place.install_built(&[]);

    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/proxy_ajp_rs.load");
    let template = fs::read_to_string(template).expect("it is there");
    let modules = place.path("modules").display().to_string();
    let load = place.read("apache2/mods-available/proxy_ajp_rs.load");
    assert_eq!(load, template.replace("@libexecdir@", &modules));
}

#[test]
fn on_debian_an_uninstall_leaves_nothing_and_enables_mod_proxy_ajp_again() {
    let place = Place::debian();
    let before = place.files();

    place.install_built(&[]);
    place.install_built(&["--uninstall"]);

    assert_eq!(place.files(), before);
}

#[test]
fn on_debian_an_uninstall_does_not_enable_what_was_not_enabled_before() {
    let place = Place::debian();
    succeed(place.debian_tool("a2dismod").args(["-q", "-p", "proxy_ajp"]));
    let before = place.files();

    place.install_built(&[]);
    place.install_built(&["--uninstall"]);

    assert_eq!(place.files(), before);
}

#[test]
fn where_there_is_conf_modules_d_the_module_has_a_file_there_that_is_read_before_00_proxy_conf() {
    let place = Place::new("httpd/conf");
    place.write("httpd/conf/httpd.conf", "Include conf.modules.d/*.conf\n");
    let stock = "LoadModule proxy_module modules/mod_proxy.so\nLoadModule proxy_ajp_module modules/mod_proxy_ajp.so\n";
    place.write("httpd/conf.modules.d/00-proxy.conf", stock);
    let before = place.files();

    place.install_built(&[]);

    let ours = "httpd/conf.modules.d/00-mod_proxy_ajp_rs.conf";
    let after = place.files();
    assert_eq!(
        added(&before, &after),
        with_manuals(&["bin/ajp-dialer", "bin/jk2ajp", ours, "modules/mod_proxy_ajp_rs.so"])
    );
    assert!(ours < "httpd/conf.modules.d/00-proxy.conf");
    assert!(before.iter().all(|(name, content)| after.get(name) == Some(content)));
    let text = place.read(ours);
    let line = |words: &str| text.find(words).unwrap_or_else(|| panic!("no {words} in {text}"));
    assert!(line("LoadModule proxy_module") < line("LoadModule proxy_ajp_module"));

    place.install_built(&["--uninstall"]);
    assert_eq!(place.files(), before);
}

#[test]
fn a_destdir_with_the_directory_gets_the_file_there_as_packages_are_made_without_a_configuration() {
    for (configuration, file) in [
        ("httpd/conf", "httpd/conf.modules.d/00-mod_proxy_ajp_rs.conf"),
        ("apache2", "apache2/mods-available/proxy_ajp_rs.load"),
    ] {
        let place = Place::new(configuration);
        let root = place.root.path().strip_prefix("/").expect("an absolute path");
        let destination = place.path("package");
        let copied = destination.join(root).join(file);
        fs::create_dir_all(copied.parent().expect("below it")).expect("our own directory");

        let target = place.built_elsewhere();
        let mut install = place.install();
        install.arg("--no-build").env("CARGO_TARGET_DIR", target).env("DESTDIR", &destination);
        succeed(&mut install);

        assert!(copied.is_file(), "{file}");
        assert!(!place.path(file).exists(), "{file}");
    }
}

/// An installation adds a file to `conf.d`, changes none, and its removal leaves nothing.
#[track_caller]
fn has_only_a_file_in_conf_d(place: &Place) {
    let before = place.files();

    place.install_built(&[]);

    let after = place.files();
    assert!(after.contains_key("apache2/conf.d/00-mod_proxy_ajp_rs.conf"), "{:?}", after.keys());
    assert!(before.iter().all(|(name, content)| after.get(name) == Some(content)));

    place.install_built(&["--uninstall"]);
    assert_eq!(place.files(), before);
}

#[test]
fn where_httpd_conf_includes_conf_d_the_module_has_a_file_there() {
    let place = Place::new("apache2");
    place.write("apache2/httpd.conf", "IncludeOptional /etc/apache2/conf.d/*.conf\n");
    place.write(
        "apache2/conf.d/proxy.conf",
        "LoadModule proxy_ajp_module modules/mod_proxy_ajp.so\n",
    );
    has_only_a_file_in_conf_d(&place);
}

#[test]
fn where_default_server_conf_includes_conf_d_as_on_suse_the_module_has_a_file_there() {
    let place = Place::new("apache2");
    let modules = "LoadModule proxy_module modules/mod_proxy.so\n";
    place.write("apache2/sysconfig.d/loadmodule.conf", modules);
    place.write("apache2/httpd.conf", "Include /etc/apache2/default-server.conf\n");
    place.write("apache2/default-server.conf", "IncludeOptional /etc/apache2/conf.d/*.conf\n");
    has_only_a_file_in_conf_d(&place);
}

#[test]
fn the_file_that_docs_rhel_md_shows_is_the_one_that_is_written() {
    let place = Place::new("httpd/conf");
    fs::create_dir(place.path("httpd/conf.modules.d")).expect("our own directory");
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rhel.md");
    let document = fs::read_to_string(document).expect("it is there");
    let shown = document.split("# /etc/httpd/conf.modules.d/00-mod_proxy_ajp_rs.conf\n").nth(1);
    let shown = shown.and_then(|text| text.split("```").next()).expect("it shows the file");

    place.install_built(&[]);

    let written = place.read("httpd/conf.modules.d/00-mod_proxy_ajp_rs.conf");
    let modules = place.path("modules").display().to_string();
    assert_eq!(written.replace(&modules, "/usr/lib64/httpd/modules"), shown);
}

#[test]
fn in_an_httpd_conf_the_module_takes_the_place_of_mod_proxy_ajp_and_an_uninstall_undoes_it() {
    let place = Place::new("conf");
    place.write("conf/httpd.conf", HTTPD_CONF);
    let before = place.files();

    place.install_built(&[]);
    let once = place.read("conf/httpd.conf");
    place.install_built(&[]);

    assert_eq!(place.read("conf/httpd.conf"), once, "a second time changes nothing");
    let active: Vec<&str> =
        once.lines().map(str::trim).filter(|line| line.starts_with("LoadModule")).collect();
    let modules = place.path("modules").display().to_string();
    assert_eq!(
        active,
        [
            "LoadModule mpm_event_module modules/mod_mpm_event.so",
            "LoadModule unixd_module modules/mod_unixd.so",
            &format!("LoadModule proxy_module {modules}/mod_proxy.so"),
            &format!("LoadModule proxy_ajp_module {modules}/mod_proxy_ajp_rs.so"),
        ]
    );
    let read_later = once.find("<IfModule proxy_ajp_module>");
    assert!(once.find("mod_proxy_ajp_rs.so") < read_later, "{once}");

    place.install_built(&["--uninstall"]);
    assert_eq!(place.files(), before);
}

#[test]
fn an_httpd_conf_that_loads_the_module_by_a_line_of_the_administrator_stays_as_it_is() {
    let place = Place::new("conf");
    let own = "LoadModule proxy_module m/mod_proxy.so\nLoadModule proxy_ajp_module m/mod_proxy_ajp_rs.so\n";
    place.write("conf/httpd.conf", own);

    place.install_built(&[]);

    assert_eq!(place.read("conf/httpd.conf"), own);
}

#[test]
fn an_httpd_loads_the_module_from_the_httpd_conf_that_has_been_changed() {
    let place = Place::new("conf");
    let system = apxs("LIBEXECDIR");
    fs::copy(format!("{system}/mod_proxy.so"), place.path("modules/mod_proxy.so")).expect("there");
    let conf = format!(
        "LoadModule mpm_event_module {system}/mod_mpm_event.so\n\
         #LoadModule proxy_module modules/mod_proxy.so\nServerName localhost\nListen 127.0.0.1:1\n\
         ErrorLog \"{}\"\n",
        place.path("error.log").display()
    );
    place.write("conf/httpd.conf", &conf);
    let target = place.built_elsewhere();
    fs::copy(&installed()[0], target.join("release/libmod_proxy_ajp_rs.so")).expect("our own file");

    succeed(place.install().arg("--no-build").env("CARGO_TARGET_DIR", target));

    let mut httpd = Command::new("apache2");
    httpd.args(["-t", "-D", "DUMP_MODULES", "-f"]).arg(place.path("conf/httpd.conf"));
    let listed = succeed(&mut httpd);
    assert!(listed.contains("proxy_ajp_module (shared)"), "{listed}");
}

#[test]
fn with_a_destdir_files_are_copied_and_nothing_is_enabled() {
    let place = Place::debian();
    let before = place.files();
    let destination = place.path("built/package");

    let said = succeed(
        place
            .install()
            .arg("--no-build")
            .env("CARGO_TARGET_DIR", place.built_elsewhere())
            .env("DESTDIR", &destination),
    );

    assert_eq!(place.files(), before);
    let root = place.root.path().strip_prefix("/").expect("an absolute path");
    for file in [
        "modules/mod_proxy_ajp_rs.so",
        "bin/jk2ajp",
        "bin/ajp-dialer",
        "apache2/mods-available/proxy_ajp_rs.load",
    ] {
        assert!(destination.join(root).join(file).is_file(), "{file}");
    }
    assert!(said.contains("enabled nothing"), "{said}");
}

#[test]
fn with_a_prefix_the_commands_are_in_its_bin_and_manuals_in_its_share() {
    let place = Place::new("conf");
    let target = place.built_elsewhere();
    let prefix = place.path("local");

    succeed(
        place.install().arg("--no-build").env("CARGO_TARGET_DIR", target).env("PREFIX", prefix),
    );

    assert!(place.path("local/bin/jk2ajp").is_file());
    assert!(place.path("local/bin/ajp-dialer").is_file());
    assert!(!place.path("bin/jk2ajp").exists());
    for manual in manuals() {
        assert!(place.path("local").join(&manual).is_file(), "{manual}");
    }
}

#[test]
fn the_last_line_says_how_to_load_it_without_losing_a_request() {
    let place = Place::debian();

    let said = place.install_built(&[]);

    let last = said.lines().last();
    assert_eq!(last, Some("check with 'apachectl configtest', then 'apachectl graceful'"));
}
