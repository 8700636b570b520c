//! Macros, duplicates, templates, and their limits.

use super::super::properties::parse;
use super::*;
use crate::migrate::text::message::Severity;
use crate::migrate::text::source::Sources;

fn read(text: &str) -> (Definitions, Vec<Message>) {
    let mut messages = Vec::new();
    let lines = parse(&Sources::default().add("f", text.as_bytes()), &mut messages);
    let environment = |name: &str| (name == "HOME").then(|| "/home".to_owned());
    let all = Definitions::read(lines, &environment, &mut messages);
    (all, messages)
}

fn value<'a>(all: &'a Definitions, name: &str) -> Option<&'a str> {
    all.named(name).map(|found| &*found.value)
}

#[test]
fn a_macro_is_defined_above_or_in_the_environment() {
    let (all, messages) = read(
        "H=node\nworker.a.host=$(H).example.org\nworker.a.source=$(HOME)\nworker.a.route=$(no)",
    );
    assert_eq!(value(&all, "worker.a.host"), Some("node.example.org"));
    assert_eq!(value(&all, "worker.a.source"), Some("/home"));
    assert_eq!(value(&all, "worker.a.route"), Some("$(no)"));
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].severity, Severity::Warning);
}

#[test]
fn repeated_lists_are_joined_and_of_other_properties_the_last_takes_effect() {
    let (all, messages) = read("worker.list=a\nworker.list=b\nworker.a.port=1\nworker.a.port=2");
    assert_eq!(value(&all, "worker.list"), Some("a,b"));
    assert_eq!(all.named("worker.list").unwrap().lines.len(), 2);
    assert_eq!(value(&all, "worker.a.port"), Some("2"));
    assert_eq!((messages.len(), all.replaced.len()), (1, 1));
}

#[test]
fn a_template_provides_missing_properties_also_from_its_own_template() {
    let (all, messages) = read(
        "worker.base.port=1\nworker.base.host=h\nworker.mid.reference=worker.base\nworker.mid.port=2\n\
         worker.a.reference=worker.mid\nworker.a.lbfactor=3",
    );
    let of = |property: &str| value(&all, &format!("worker.a.{property}"));
    assert_eq!((of("port"), of("host"), of("lbfactor")), (Some("2"), Some("h"), Some("3")));
    assert!(messages.is_empty());
}

#[test]
fn a_missing_template_and_a_cycle_of_templates_are_errors() {
    for text in [
        "worker.a.reference=worker.none",
        "worker.a.reference=worker.b\nworker.b.reference=worker.a",
        "worker.a.reference=worker.a",
    ] {
        let (_, messages) = read(text);
        assert!(messages.iter().any(|m| m.severity == Severity::Error), "{text}");
    }
}

/// Returns the error, and the number of properties by then.
fn refused(text: &str) -> (String, usize) {
    let (all, messages) = read(text);
    let errors: Vec<_> =
        messages.iter().filter(|message| message.severity == Severity::Error).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    (errors[0].text.clone(), all.properties.so_far())
}

#[test]
fn a_template_that_contains_all_workers_ends() {
    let lines: String = (0..40).map(|n| format!("worker.w{n}.reference=worker\n")).collect();
    let (said, properties) = refused(&lines);
    assert!(said.contains("contains itself"), "{said}");
    assert_eq!(properties, 40);
}

#[test]
fn a_template_that_contains_itself_is_found_before_anything_is_copied() {
    for (text, copied) in [
        ("worker.c.x.reference=worker.c", 0),
        ("worker.c.port=1\nworker.c.x.reference=worker.c\nworker.c.host=h", 0),
        ("worker.c.x.y.z.reference=worker.c.x\nworker.c.x.port=1", 0),
        // By way of another one, which gets the part that refers to it.
        ("worker.a.x.reference=worker.b\nworker.b.reference=worker.a", 2),
        ("worker.a.reference=worker.b\nworker.b.x.reference=worker.a", 2),
    ] {
        let (said, properties) = refused(text);
        assert!(said.contains("contains itself"), "{text}: {said}");
        assert_eq!(properties, text.lines().count() + copied, "{text}");
    }
}

#[test]
fn templates_that_refer_to_each_other_in_a_cycle_are_reported_as_such() {
    for text in [
        "worker.a.reference=worker.a",
        "worker.a.reference=worker.b\nworker.b.reference=worker.a",
        "worker.a.reference=worker.b\nworker.b.reference=worker.c\nworker.c.reference=worker.b\nworker.c.port=1",
    ] {
        let (said, properties) = refused(text);
        assert!(said.contains("in a cycle"), "{text}: {said}");
        assert_eq!(properties, text.lines().count(), "{text}");
    }
}

#[test]
fn templates_and_macros_that_double_are_refused_at_the_limit() {
    let mut text = String::from("worker.t0.a.port=1\nworker.t0.b.port=1\n");
    for n in 1..40 {
        let part = |half| format!("worker.t{n}.{half}.reference=worker.t{}\n", n - 1);
        text += &(part("a") + &part("b"));
    }
    let (said, properties) = refused(&text);
    assert!(said.starts_with("more than 20000 properties"), "{said}");
    assert!(properties <= MAX_PROPERTIES);
    let mut text = String::from("M0=12345678\n");
    for n in 1..40 {
        text += &format!("M{n}={}\n", format!("$(M{})", n - 1).repeat(20));
    }
    let (all, messages) = read(&text);
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].text.starts_with("more than 4194304 bytes"), "{}", messages[0].text);
    assert!(all.bytes.so_far() <= MAX_PROPERTY_BYTES);
}

#[test]
fn twice_the_lines_are_at_most_twice_the_properties() {
    let of = |workers: usize| {
        let mut text = String::from("worker.t.port=1\nworker.t.host=h\n");
        for n in 0..workers {
            text += &format!("worker.list=w{n:05}\nworker.w{n:05}.reference=worker.t\n");
        }
        let (all, messages) = read(&text);
        assert!(messages.is_empty());
        (all.properties.so_far(), all.bytes.so_far())
    };
    let ((few, short), (many, long)) = (of(1_000), of(2_000));
    assert_eq!((few, many), (3 + 3_000, 3 + 6_000));
    assert!(long <= 2 * short, "{short} {long}");
}

#[test]
fn a_misspelled_template_gets_a_suggestion() {
    for (text, meant) in [
        ("worker.common.port=1\nworker.a.reference=worker.comon", "worker.common"),
        ("worker.common.port=1\nworker.a.reference=common", "worker.common"),
    ] {
        let (_, messages) = read(text);
        let help = messages[0].help.as_deref();
        assert_eq!(help, Some(&*format!("did you mean `{meant}`?")), "{text}");
    }
}

#[test]
fn an_unknown_property_is_an_error_with_a_suggestion() {
    let (_, messages) = read("worker.a.lbfaktor=1");
    assert_eq!(messages[0].severity, Severity::Error);
    assert_eq!(messages[0].help.as_deref(), Some("did you mean `lbfactor`?"));
}
