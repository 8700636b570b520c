//! Messages of `jk2ajp` about misspelled names: the name, its place, and a suggestion.

use mod_proxy_ajp_rs::migrate::{Conversion, Files, Input, convert};

/// httpd.conf and workers.properties, in memory.
struct Memory<'m>(&'m str, &'m str);

impl Files for Memory<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        Ok(if path == "workers" { self.1 } else { self.0 }.into())
    }
    fn find(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

fn converted(httpd: &str, workers: &str) -> Conversion {
    let input = Input {
        httpd_conf: Some("httpd".into()),
        workers: Some("workers".into()),
        ..Input::default()
    };
    convert(&input, &Memory(httpd, workers), &|_| None).expect("the files can be read")
}

/// Each message as `file:line: text (help)`.
fn said(done: &Conversion) -> Vec<String> {
    let line = |message: &mod_proxy_ajp_rs::migrate::Message| {
        let place = done.sources.place(message.at);
        let help = message.help.as_deref().unwrap_or("");
        format!("{}:{}: {} ({help})", place.file, place.line, message.text)
    };
    done.messages.iter().map(line).collect()
}

const WORKERS: &str = "worker.list=lb,status\n\
    worker.lb.type=lb\n\
    worker.lb.balance_workers=worker1,worker2\n\
    worker.status.type=status\n\
    worker.worker1.host=h1\n\
    worker.worker2.host=h2\n";

#[test]
fn names_that_exist_are_not_reported() {
    assert_eq!(said(&converted("JkMount /a lb;stopped=worker1\n", WORKERS)), [""; 0]);
    // mod_jk's default worker needs no properties.
    assert_eq!(said(&converted("JkMount /a ajp13\n", "worker.list=ajp13\n")), [""; 0]);
    assert_eq!(said(&converted("JkMount /a ajp13\n", "")), [""; 0]);
}

#[test]
fn a_misspelled_name_in_balance_workers_is_an_undefined_worker_with_a_suggestion() {
    let workers = WORKERS.replace("=worker1,", "=myworker1,");
    assert_eq!(
        said(&converted("JkMount /a lb\n", &workers)),
        [
            "workers:3: worker `myworker1` is undefined: mod_jk assumes type ajp13 at localhost:8009 \
          (did you mean `worker1`?)"
        ]
    );
    // Suggestions are neither in the list already nor the balancer itself.
    let workers = WORKERS.replace("=worker1,", "=worker3,worker1,l,");
    assert_eq!(
        said(&converted("JkMount /a lb\n", &workers))
            .iter()
            .filter(|text| text.contains("undefined"))
            .collect::<Vec<_>>(),
        [
            "workers:3: worker `worker3` is undefined: mod_jk assumes type ajp13 at localhost:8009 \
             (define its address: worker.worker3.host=)",
            "workers:3: worker `l` is undefined: mod_jk assumes type ajp13 at localhost:8009 \
             (define its address: worker.l.host=)"
        ]
    );
}

#[test]
fn a_misspelled_name_in_worker_list_is_an_undefined_worker_too() {
    let workers = WORKERS.replace("lb,status", "lb,statos");
    assert_eq!(
        said(&converted("JkMount /a lb\n", &workers)),
        ["workers:1: worker `statos` is undefined: mod_jk assumes type ajp13 at localhost:8009 \
          (did you mean `status`?)"]
    );
}

#[test]
fn a_misspelled_worker_in_a_mount_gets_a_listed_one_as_suggestion() {
    let help = "mod_jk answers such requests with 500, httpd with 503";
    assert_eq!(
        said(&converted("JkMount /a lbb\n", WORKERS)),
        [format!("httpd:1: no worker `lbb` in worker.list (did you mean `lb`? {help})")]
    );
    // It exists, but is not in the list.
    assert_eq!(
        said(&converted("JkMount /a worker1\n", WORKERS)),
        [format!("httpd:1: no worker `worker1` in worker.list ({help})")]
    );
}

#[test]
fn a_misspelled_member_in_a_rule_or_a_redirect_is_reported() {
    assert_eq!(
        said(&converted("JkMount /a lb;stopped=worker1,wroker2\n", WORKERS)),
        ["httpd:1: `wroker2` is not a member of `lb` (did you mean `worker2`?)"]
    );
    let workers = format!("{WORKERS}worker.worker1.redirect=worker3\n");
    assert_eq!(
        said(&converted("JkMount /a lb\n", &workers)),
        ["workers:7: no member has the route or domain `worker3` (did you mean `worker1`?)"]
    );
    let workers = format!("{WORKERS}worker.worker1.redirect=west\nworker.worker2.domain=west\n");
    assert_eq!(said(&converted("JkMount /a lb\n", &workers)), [""; 0]);
}

#[test]
fn a_misspelled_reference_gets_the_template_as_suggestion() {
    let workers = format!("{WORKERS}worker.common.port=1\nworker.worker1.reference=worker.comon\n");
    assert_eq!(
        said(&converted("", &workers)),
        ["workers:8: there is no template `worker.comon` (did you mean `worker.common`?)"]
    );
}

#[test]
fn a_property_without_a_translation_is_not_reported_as_one_of_an_unused_worker() {
    let workers = format!("{WORKERS}worker.worker1.css=x\nworker.worker9.css=x\n");
    let done = converted("JkMount /a lb\n", &workers);
    let report = done.report.render(&done.sources);
    let reason = |worker: &str| {
        let line = format!("worker.{worker}.css=x\n");
        report.split(&line).nth(1).unwrap().lines().next().unwrap().trim().to_owned()
    };
    assert!(reason("worker1").contains("for a worker of this type"), "{report}");
    assert!(reason("worker9").contains("no worker that is listed"), "{report}");
}
