//! The module serves a Tomcat under each MPM, and from each example configuration.

use test_support::http::{Generated, sha256};
use test_support::httpd::{Httpd, Mpm};
use test_support::tls::Certificates;
use test_support::tomcat::{SECRET, Tomcat};

#[track_caller]
fn serves_the_application(mpm: Mpm) {
    let tomcat = Tomcat::shared();
    let httpd = Httpd::setup().mpm(mpm).define("AJP_PORT", tomcat.port).example("proxy.conf");
    let httpd = httpd.start();
    let mut client = httpd.client();

    for round in 0..20 {
        let page = client.get(&format!("/app/echo/{round}?round={round}")).expect(200);
        assert_eq!(page.said("query"), format!("round={round}"));
    }
    let body = Generated::bytes(100_000, 7);
    let upload = client.request("POST", "/app/upload", "Content-Length: 100000\r\n", &body);
    assert_eq!(upload.expect(200).said("sha256"), sha256([body]));
    assert_eq!(client.get("/app/static.txt").text(), "a static file of the application\n");
    assert_eq!(client.get("/elsewhere").status, 404);
}

#[test]
fn the_module_serves_a_tomcat_under_event() {
    serves_the_application(Mpm::Event);
}

#[test]
fn the_module_serves_a_tomcat_under_worker() {
    serves_the_application(Mpm::Worker);
}

#[test]
fn the_module_serves_a_tomcat_under_prefork() {
    serves_the_application(Mpm::Prefork);
}

#[test]
fn many_clients_at_once_each_get_their_own_answer_under_every_mpm() {
    let tomcat = Tomcat::shared();
    for mpm in [Mpm::Event, Mpm::Worker, Mpm::Prefork] {
        let httpd = Httpd::setup().mpm(mpm).define("AJP_PORT", tomcat.port).example("proxy.conf");
        // With all threads busy, the event MPM closes kept-alive connections without a log line.
        let threads = "<IfModule !mpm_prefork_module>\nThreadsPerChild 32\n</IfModule>";
        let httpd = httpd.conf(threads).start();
        std::thread::scope(|scope| {
            for number in 0..16 {
                let mut client = httpd.client();
                scope.spawn(move || {
                    for round in 0..10 {
                        let size = 1 + number * 5000 + round;
                        let target = format!("/app/download?size={size}&seed={number}");
                        let body = client.get(&target).expect(200).body;
                        assert!(body == Generated::bytes(size, number), "{mpm:?} {target}");
                    }
                });
            }
        });
    }
}

#[test]
fn existing_ifmodule_sections_for_mod_proxy_ajp_take_effect() {
    let (ok, printed) = Httpd::setup()
        .conf("<IfModule mod_proxy_ajp.c>\nDefine HEARD\n</IfModule>")
        .conf("<IfModule proxy_ajp_module>\nDefine HEARD_TOO\n</IfModule>")
        .conf("<IfDefine !HEARD>\nError \"not by file\"\n</IfDefine>")
        .conf("<IfDefine !HEARD_TOO>\nError \"not by record\"\n</IfDefine>")
        .configtest();

    assert!(ok, "{printed}");
}

#[test]
fn every_example_configuration_serves_the_application() {
    let tomcat = Tomcat::shared();
    let certificates = Certificates::new();
    let passwords = tempfile::NamedTempFile::new().expect("a temporary file");
    let setup = Httpd::setup()
        .modules(&["socache_shmcb", "ssl", "proxy_hcheck"])
        .define("AJP_PORT", tomcat.port)
        .define("AJP_SECRET_PORT", tomcat.secret_port)
        .define("AJP_SECRET", SECRET)
        .define("AJP_LARGE_PORT", tomcat.large_port)
        .define("AJP_SOCKET", tomcat.socket.display())
        .define("NODE1_PORT", tomcat.port)
        .define("NODE2_PORT", tomcat.node2_port)
        .define("CERTIFICATES", certificates.directory().display())
        .define("PASSWORDS", passwords.path().display());
    let mut tried = 0;
    for entry in std::fs::read_dir(test_support::httpd::examples_directory()).expect("it is there")
    {
        let name = entry.expect("readable").file_name().into_string().expect("ASCII");
        if !name.ends_with(".conf") || name == "load.conf" {
            continue;
        }
        let httpd = setup.clone().port(test_support::process::free_port()).example(&name).start();
        match name.as_str() {
            "tls.conf" => {
                let page = httpd.curl(&["--insecure"], "https", "/app/static.txt");
                assert_eq!(page, "a static file of the application\n");
            }
            "status.conf" => {
                let page = httpd.get("/ajp-status").expect(200).text();
                assert!(page.contains("AJP workers of localhost"), "{page}");
            }
            "attributes.conf" => assert_eq!(httpd.get("/app/static.txt").status, 401),
            _ => assert_eq!(httpd.get("/app/static.txt").expect(200).body.len(), 33, "{name}"),
        }
        tried += 1;
    }
    assert!(tried >= 8, "{tried} examples");
}
