//! Man pages and completions, beside what the programs say themselves and what the module reads.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use manuals::Manual;
use mod_proxy_ajp_rs::config::{BalancerKeys, WorkerSettings};

const PROGRAMS: [(&str, &str); 2] =
    [("jk2ajp", env!("CARGO_BIN_EXE_jk2ajp")), ("ajp-dialer", env!("CARGO_BIN_EXE_ajp-dialer"))];

/// The text of one of the files.
fn manual(path: &str) -> String {
    let mut all = manuals::all().into_iter();
    let Manual { content, .. } =
        all.find(|manual| manual.path == path).unwrap_or_else(|| panic!("no {path}"));
    String::from_utf8(content).expect("text")
}

/// A page as a reader sees it, without faces.
fn page(path: &str) -> String {
    let faces = ["\\fB", "\\fI", "\\fR"];
    let text = manual(path).replace("\\-", "-").replace("\\*(Aq", "'");
    faces.into_iter().fold(text, |text, face| text.replace(face, ""))
}

/// The options that a program's `--help` has, with one hyphen and with two.
fn options(program: &str) -> BTreeSet<String> {
    let output = Command::new(program).arg("--help").output().expect("it was built");
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).expect("text");
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    // Behind the options is the name of the value, or the text.
    let heads = lines.map(|line| line.split(['<', '[']).next().unwrap_or(line));
    let words = heads.flat_map(|head| head.split([' ', ',', '=']));
    words.filter(|word| word.starts_with('-')).map(str::to_owned).collect()
}

#[test]
fn the_options_of_help_are_found() {
    let found = options(PROGRAMS[0].1);
    for option in ["-o", "--output", "--watch", "--jk-1.2.6", "-V"] {
        assert!(found.contains(option), "{option}: {found:?}");
    }
    assert!(options(PROGRAMS[1].1).len() >= 12);
}

#[test]
fn every_option_of_a_program_is_in_its_page_and_in_its_completions() {
    for (name, program) in PROGRAMS {
        let page = page(&format!("man/man1/{name}.1"));
        let bash = manual(&format!("bash-completion/completions/{name}"));
        let zsh = manual(&format!("zsh/site-functions/_{name}"));
        let fish = manual(&format!("fish/vendor_completions.d/{name}.fish"));
        let entries: BTreeSet<&str> = page
            .split(".TP\n")
            .filter_map(|entry| entry.lines().next())
            .flat_map(|line| line.split([' ', ',', '[', '=']))
            .collect();
        for option in options(program) {
            assert!(entries.contains(option.as_str()), "{name}.1 has no {option}: {entries:?}");
            let is_word = |text: &str| text.split([' ', '"']).any(|word| word == option);
            assert!(is_word(&bash), "bash, {name}: no {option}");
            assert!(in_zsh(&zsh).contains(option.as_str()), "zsh, {name}: no {option}");
            let in_fish = match option.strip_prefix("--") {
                Some(long) => format!(" -l {long} "),
                None => format!(" -s {} ", &option[1..]),
            };
            assert!(fish.contains(&in_fish), "fish, {name}: no {option}");
        }
    }
}

/// The options of a completion for zsh: `'*-D+[Set a variable]:NAME:_default'`, and in brackets in front those that
/// exclude it.
fn in_zsh(completion: &str) -> BTreeSet<&str> {
    let lines = completion.lines().filter_map(|line| line.strip_prefix('\''));
    let without_others = |line| match str::split_once(line, ')') {
        Some((others, rest)) if others.starts_with('(') => rest,
        _ => line,
    };
    let words = lines.map(|line| without_others(line).trim_start_matches('*'));
    words.filter_map(|word| word.split(['[', '=', '+']).next()).collect()
}

#[test]
fn a_colon_in_the_name_of_a_value_does_not_end_it_in_zsh() {
    let zsh = manual("zsh/site-functions/_ajp-dialer");
    assert!(zsh.contains(r"]:HOST\:PORT[-PORT]:_default'"), "{zsh}");
}

#[test]
fn bash_completes_the_options_of_a_program() {
    for (name, program) in PROGRAMS {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join(name);
        fs::write(&file, manual(&format!("bash-completion/completions/{name}"))).expect("ours");
        // What bash does at a Tab behind `NAME --`.
        let script = "source \"$1\"; COMP_WORDS=(\"$2\" --); COMP_CWORD=1
            function=$(complete -p \"$2\" | sed 's/.*-F \\([^ ]*\\).*/\\1/')
            \"$function\" \"$2\" -- \"$2\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
        let mut bash = Command::new("bash");
        let output = bash.args(["-c", script, "-"]).arg(&file).arg(name).output().expect("bash");
        let offered = String::from_utf8(output.stdout).expect("text");
        let offered: BTreeSet<String> = offered.lines().map(str::to_owned).collect();
        let mut long = options(program);
        long.retain(|option| option.starts_with("--"));
        assert_eq!(offered, long, "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_page_of_the_module_has_each_directive_and_each_parameter_once() {
    let page = page("man/man7/mod_proxy_ajp_rs.7");
    let lines: Vec<&str> = page.lines().collect();
    let entries: Vec<&str> = lines
        .windows(2)
        .filter(|pair| [".TP", ".TQ"].contains(&pair[0]))
        .filter_map(|pair| pair[1].split([' ', '=']).next())
        .collect();
    // `tests/documents` compares this table with the directives of the code.
    let rows = include_str!("../../docs/reference.md").lines();
    let rows = rows.filter_map(|line| line.strip_prefix("| `"));
    let directives = rows.filter(|row| row.starts_with("ProxyAjp"));
    let directives = directives.filter_map(|row| row.split([' ', '`']).next());
    let parameters = WorkerSettings::documented().chain(BalancerKeys::documented());
    let names: Vec<&str> = directives.chain(parameters.map(|docs| docs.name)).collect();
    assert!(names.len() > 25, "{names:?}");
    for name in names {
        let count = entries.iter().filter(|entry| **entry == name).count();
        assert_eq!(count, 1, "{name}: {entries:?}");
    }
}

#[test]
fn the_page_of_the_module_has_no_marks_of_markdown() {
    let page = page("man/man7/mod_proxy_ajp_rs.7");
    for mark in ["`", "](", "**", ".md#"] {
        assert!(!page.contains(mark), "{mark}: {page}");
    }
}

#[test]
fn pages_have_the_version_of_the_programs() {
    for path in ["man/man1/jk2ajp.1", "man/man1/ajp-dialer.1", "man/man7/mod_proxy_ajp_rs.7"] {
        let page = page(path);
        let title = page.lines().find(|line| line.starts_with(".TH")).expect("every page has one");
        assert!(title.contains(concat!(" ", env!("CARGO_PKG_VERSION"), "\"")), "{title}");
    }
}
