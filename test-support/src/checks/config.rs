//! Lines of httpd's configuration.

use std::net::SocketAddr;

use mod_proxy_ajp_rs::config::{
    BalancerKeys, ConfigLine, Line, LinePlace, Maintain, RequestAttributes, ReverseListener, Words,
    WorkerSettings, hidden_status_pages, misread_numbers, unknown_worker_parameter,
};

/// The words that stand for what mod_proxy would refuse.
const OURS: [&str; 4] = ["acquireonce=On", "loadfactor=1", "sessionsonly=On", "distance=0"];

/// Reads `text` as lines of a configuration, and checks what becomes of each: a line is split without a loss, its
/// rewriting leaves the words that are not ours as they are and has nothing to do a second time, and a value that
/// is refused changes nothing. Text that is no UTF-8 is nothing to check.
pub fn check_config(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let mut section = "";
    for line in text.lines().map(str::trim) {
        let (directive, arguments) = line.split_once(' ').unwrap_or((line, ""));
        check_words(arguments);
        for has_path in [false, true] {
            check_rewriting(Line { directive, arguments, section, has_path });
        }
        check_listener(arguments);
        if let Ok(every) = Maintain::parse(arguments) {
            assert!(every.every().is_none_or(|every| !every.is_zero()));
        }
        if directive.eq_ignore_ascii_case("<Proxy") {
            section = arguments.trim_end_matches('>');
        } else if directive.starts_with("</") {
            section = "";
        }
    }
    let lines = tree(text);
    let count = text.lines().count();
    assert!(hidden_status_pages(&lines).len() <= count * count);
    let places = misread_numbers(&lines);
    assert!(places.len() <= text.len());
}

fn check_words(arguments: &str) {
    let mut words = Words::of(arguments);
    let mut again = String::new();
    let mut attributes = RequestAttributes::default();
    for word in words.by_ref() {
        again.push_str(word.space);
        again.push_str(word.raw);
        if attributes.add(word.text.as_bytes(), None).is_ok() {
            assert!(!attributes.variables().is_empty());
        }
        if let Some((name, value)) = word.parameter() {
            check_parameter(name, value);
        }
    }
    again.push_str(words.rest());
    assert_eq!(again, arguments, "a part of the line is lost");
}

fn check_parameter(name: &str, value: &str) {
    let mut settings = WorkerSettings::default();
    match settings.set(name, value) {
        Ok(true) => {
            let once = settings.clone();
            assert_eq!(settings.set(name, value), Ok(true), "{name}={value} is taken once only");
            assert_eq!(settings, once);
        }
        Ok(false) => assert_eq!(settings, WorkerSettings::default(), "{name} is not ours"),
        Err(error) => {
            assert_eq!(settings, WorkerSettings::default(), "{name}={value} is refused");
            assert_eq!(error.value, value);
        }
    }
    let mut keys = BalancerKeys::default();
    if keys.set(name, value) != Ok(true) {
        assert_eq!(keys, BalancerKeys::default(), "{name}={value} is not taken");
    }
    for is_ajp in [false, true] {
        assert!(unknown_worker_parameter(name, is_ajp).contains(name));
    }
}

fn check_rewriting(line: Line<'_>) {
    for has_ajp_member in [false, true] {
        let Ok(edited) = line.edit(|_| has_ajp_member) else { continue };
        let Some(arguments) = &edited.arguments else { continue };
        let again = Line { arguments, ..line }.edit(|_| has_ajp_member).expect("it was accepted");
        assert_eq!(again.arguments, None, "{line:?} is rewritten twice");
        let (body, end) = parts(line.directive, line.arguments);
        let (body_again, end_again) = parts(line.directive, arguments);
        assert_eq!(end_again, end, "{line:?} ends otherwise");
        let words = |text| -> Vec<(String, String)> {
            Words::of(text).map(|word| (word.space.to_owned(), word.raw.to_owned())).collect()
        };
        let (before, mut at) = (words(body), 0);
        for word in words(body_again) {
            match before[at..].iter().position(|other| *other == word) {
                Some(skipped) => at += skipped + 1,
                None => assert!(OURS.contains(&&*word.1), "{line:?} has got {word:?}"),
            }
        }
    }
}

/// The arguments before the last `>` of the line of a section, and what is from there on, which httpd does not read.
fn parts<'a>(directive: &str, arguments: &'a str) -> (&'a str, &'a str) {
    let end = arguments.rfind('>').filter(|_| directive.starts_with('<'));
    arguments.split_at(end.unwrap_or(arguments.len()))
}

fn check_listener(arguments: &str) {
    let Ok(listener) = ReverseListener::parse(arguments) else { return };
    assert!(listener.is_for(listener.host.as_bytes(), listener.port));
    let addresses: Vec<SocketAddr> = listener.addresses().collect();
    assert!(!addresses.is_empty(), "{listener:?} listens nowhere");
    assert_eq!(listener.is_shared(), addresses.len() == 1);
    for address in addresses {
        assert!(listener.covers(address.ip(), address.port()), "{listener:?}: {address}");
    }
    assert!(listener.overlaps(&listener));
    assert!(listener.url().starts_with("ajp://"));
}

/// The lines as httpd reads them, each with those of its section.
fn tree(text: &str) -> Vec<ConfigLine> {
    let mut open = vec![ConfigLine::default()];
    for (at, line) in text.lines().map(str::trim).enumerate() {
        let (directive, arguments) = line.split_once(' ').unwrap_or((line, ""));
        let number = u32::try_from(at + 1).unwrap_or(u32::MAX);
        let line = ConfigLine {
            directive: directive.into(),
            arguments: arguments.trim().into(),
            place: LinePlace { file: "x.conf".into(), number },
            lines: Vec::new(),
        };
        if directive.starts_with("</") {
            close(&mut open);
        } else if directive.starts_with('<') && open.len() < 20 {
            open.push(line);
        } else if let Some(section) = open.last_mut() {
            section.lines.push(line);
        }
    }
    while open.len() > 1 {
        close(&mut open);
    }
    open.remove(0).lines
}

/// Ends the section that was opened last.
fn close(open: &mut Vec<ConfigLine>) {
    if open.len() > 1 {
        if let (Some(section), Some(around)) = (open.pop(), open.last_mut()) {
            around.lines.push(section);
        }
    }
}
