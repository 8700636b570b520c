//! A few lines can multiply to any size. A result that is too large is refused with a message, before
//! it is built; any other grows with the lines.

use std::fmt::Write as _;

use mod_proxy_ajp_rs::migrate::{Conversion, Files, Input, Severity, convert};

/// httpd.conf, workers.properties and a map, in memory.
#[derive(Default)]
struct Memory {
    httpd: String,
    workers: String,
    map: String,
}

impl Files for Memory {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let text = match path {
            "workers" => &self.workers,
            "map" => &self.map,
            _ => &self.httpd,
        };
        Ok(text.clone().into_bytes())
    }
    fn find(&self, pattern: &str) -> Vec<String> {
        vec![pattern.to_owned()]
    }
}

fn converted(memory: &Memory) -> Conversion {
    let input = Input {
        httpd_conf: Some("httpd".into()),
        workers: Some("workers".into()),
        ..Input::default()
    };
    convert(&input, memory, &|_| None).expect("the files can be read")
}

/// Checks that the input is refused, by one message with a place, and with no more than so many others.
#[track_caller]
fn refused(memory: &Memory, because: &str) {
    let done = converted(memory);
    assert!(done.files.is_empty());
    let errors: Vec<_> =
        done.messages.iter().filter(|message| message.severity == Severity::Error).collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].text.contains(because), "{}", errors[0].text);
    assert!(done.sources.place(errors[0].at).line > 0);
    assert!(done.properties <= 20_000, "{}", done.properties);
    assert!(done.sources.bytes() <= 2 * (16 << 20), "{}", done.sources.bytes());
}

const WORKERS: &str =
    "worker.list=lb,a\nworker.lb.type=lb\nworker.lb.balance_workers=a,b\nworker.b.port=8010\n";

fn repeated(count: usize, line: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0..count {
        writeln!(text, "{}", line(number)).expect("a String takes all");
    }
    text
}

#[test]
fn a_template_that_contains_itself_is_refused_as_such() {
    let workers = format!("{WORKERS}worker.c.x.reference=worker.c\n");
    let memory = Memory { workers, ..Memory::default() };
    refused(&memory, "contains itself");
    assert_eq!(converted(&memory).properties, 5, "nothing is copied");
}

#[test]
fn properties_that_templates_multiply_are_refused() {
    let mut workers = WORKERS.to_owned() + &repeated(200, |n| format!("worker.t.a{n}.port=1"));
    workers += &repeated(200, |n| format!("worker.w{n}.reference=worker.t"));
    refused(&Memory { workers, ..Memory::default() }, "more than 20000 properties");
}

#[test]
fn values_that_macros_double_are_refused() {
    let mut workers = String::from("M0=12345678\n");
    workers += &repeated(60, |n| format!("M{}=$(M{n})$(M{n})", n + 1));
    workers += WORKERS;
    refused(&Memory { workers, ..Memory::default() }, "more than 4194304 bytes of names");
}

#[test]
fn a_line_that_variables_double_is_refused() {
    let mut httpd = String::from("Define V0 12345678\n");
    httpd += &repeated(60, |n| format!("Define V{} ${{V{n}}}${{V{n}}}", n + 1));
    refused(
        &Memory { httpd, workers: WORKERS.into(), ..Memory::default() },
        "more than 65536 bytes added to a line",
    );
}

#[test]
fn lines_that_variables_make_long_are_counted_as_read() {
    let mut httpd = format!("Define V {}\n", "x".repeat(60_000));
    httpd += &repeated(1_000, |_| "Alias /${V} /x".into());
    refused(
        &Memory { httpd, workers: WORKERS.into(), ..Memory::default() },
        "more than 16777216 bytes of input",
    );
}

#[test]
fn a_file_that_is_included_again_and_again_is_counted_each_time() {
    // It includes itself twice, with a megabyte of comments.
    let httpd = format!(
        "{}Include httpd\nInclude httpd\n",
        format!("#{}\n", "x".repeat(1_000)).repeat(1_000)
    );
    refused(
        &Memory { httpd, workers: WORKERS.into(), ..Memory::default() },
        "more than 16777216 bytes of input",
    );
}

#[test]
fn sections_within_sections_are_counted() {
    let httpd = repeated(10_000, |_| "<IfModule mod_x.c>".into());
    refused(
        &Memory { httpd, workers: WORKERS.into(), ..Memory::default() },
        "more than 128 nested sections",
    );
}

#[test]
fn members_that_lists_and_rules_multiply_are_refused() {
    let list: Vec<String> = (0..500).map(|n| format!("n{n}")).collect();
    let mut workers = format!("worker.t.type=lb\nworker.t.balance_workers={}\n", list.join(","));
    workers += &repeated(500, |n| format!("worker.n{n}.host=h{n}"));
    let templates = repeated(100, |n| format!("worker.list=b{n}\nworker.b{n}.reference=worker.t"));
    let many = Memory { workers: workers.clone() + &templates, ..Memory::default() };
    refused(&many, "more than 20000 workers and members");
    // Each of these rules has a balancer of its own.
    workers += "worker.list=t\n";
    let httpd = repeated(100, |n| format!("JkMount /a{n} t;session_cookie=C{n}"));
    refused(&Memory { httpd, workers, ..Memory::default() }, "more than 20000 workers and members");
}

#[test]
fn mounts_that_are_copied_to_virtual_hosts_are_counted() {
    let mut httpd = String::from("JkMountCopy All\n");
    httpd += &repeated(300, |n| format!("JkMount /a{n}/* lb"));
    httpd += &repeated(300, |n| format!("<VirtualHost *:80>\nServerName h{n}\n</VirtualHost>"));
    refused(
        &Memory { httpd, workers: WORKERS.into(), ..Memory::default() },
        "more than 20000 rules",
    );
}

#[test]
fn a_map_that_each_virtual_host_names_is_counted_each_time() {
    let httpd = repeated(300, |_| "<VirtualHost *:80>\nJkMountFile map\n</VirtualHost>".into());
    let map = repeated(300, |n| format!("/a{n}/*=lb"));
    refused(&Memory { httpd, workers: WORKERS.into(), map }, "more than 20000 rules");
}

#[test]
fn too_many_exclusions_before_the_mounts_of_their_worker_are_refused() {
    let mut httpd = String::from("JkMount /of-a a\n");
    httpd += &repeated(2_000, |n| format!("JkMount /*/m{n}/* lb\nJkUnMount /*/x{n}/* lb"));
    refused(
        &Memory { httpd, workers: WORKERS.into(), ..Memory::default() },
        "more than 16777216 bytes of output",
    );
}

#[test]
fn long_lists_on_many_lines_are_read() {
    let mut workers = repeated(9_000, |n| format!("worker.list=w{n}\nworker.w{n}.host=h{n}"));
    workers += "worker.list=lb\nworker.lb.type=lb\n";
    workers += &repeated(9_000, |n| format!("worker.lb.balance_workers=w{n}"));
    let done = converted(&Memory { httpd: "JkMount /a lb\n".into(), workers, map: String::new() });
    assert!(!done.has_failed(), "{:?}", done.messages.first());
    assert_eq!(done.files[0].text.matches("BalancerMember").count(), 9_000);
}

#[test]
fn twice_the_input_makes_twice_the_output() {
    let lines = |count: usize| {
        let mut workers = String::from("worker.list=lb\nworker.lb.type=lb\nworker.t.port=8009\n");
        workers += &repeated(count, |n| {
            format!(
                "worker.lb.balance_workers=n{n}\nworker.n{n}.reference=worker.t\nworker.n{n}.host=h{n}"
            )
        });
        let map = repeated(count, |n| format!("/a{n}|/*=lb\n!/a{n}/static/*=lb"));
        let httpd = "JkMountFile map\nJkStripSession On\n".into();
        let done = converted(&Memory { httpd, workers, map });
        assert!(!done.has_failed(), "{:?}", done.messages.first());
        let report = done.report.render(&done.sources).lines().count();
        (done.files.iter().map(|file| file.text.lines().count()).sum::<usize>(), report)
    };
    let ((written, said), (twice_written, twice_said)) = (lines(200), lines(400));
    assert!(twice_written <= 2 * written, "{written} {twice_written}");
    assert!(twice_said <= 2 * said, "{said} {twice_said}");
}
