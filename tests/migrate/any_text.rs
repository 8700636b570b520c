//! Whatever the files say, they are converted, or refused with a message that names a place; nothing
//! panics, and no written line can be mistaken by httpd for another.

use std::collections::HashMap;

use mod_proxy_ajp_rs::migrate::{Input, convert};
use proptest::prelude::*;
use test_support::checks::jk2ajp::{Memory, check_conversion};

/// Any characters; special ones are more frequent.
fn scrap() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        "[-!/|*?;=#$(){}.a-c \\\\\"'<>%&\t]{0,16}",
        any::<String>().prop_map(|text| text.chars().take(20).collect()),
    ]
}

fn value() -> impl Strategy<Value = String> {
    let usual = prop::sample::select(vec![
        "1",
        "0",
        "-1",
        "8009",
        "99999999999999999999",
        "10K",
        "3M",
        "on",
        "off",
        "lb",
        "a",
        "b",
        "a,b",
        "a b c",
        "ajp13",
        "ajp12",
        "ajp14",
        "jni",
        "status",
        "127.0.0.1",
        "::1",
        "/run/x.sock",
        "A",
        "CPI",
        "D",
        "S",
        "worker.a",
        "worker.t",
        "worker",
        "$(H)",
        "$(HOME)",
        "500,-503",
        "west.x",
        ";sid",
        "/a/*",
        "x\\",
        "a\"b",
    ]);
    prop_oneof![4 => usual.prop_map(str::to_owned), 1 => scrap()]
}

fn property() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "list",
        "type",
        "host",
        "port",
        "balance_workers",
        "balanced_workers",
        "reference",
        "mount",
        "route",
        "domain",
        "redirect",
        "activation",
        "disabled",
        "stopped",
        "distance",
        "lbfactor",
        "secret",
        "method",
        "ping_mode",
        "connect_timeout",
        "reply_timeout",
        "socket_timeout",
        "connection_pool_size",
        "cachesize",
        "fail_on_status",
        "session_cookie",
        "session_path",
        "set_session_cookie",
        "session_cookie_path",
        "sticky_session",
        "recover_time",
        "local_worker",
        "local_worker_only",
        "max_packet_size",
        "socket_buffer",
        "retries",
    ]);
    let workers = prop::sample::select(vec!["a", "b", "lb", "t", "c.d", "\u{fc}"]);
    prop_oneof![
        8 => (workers, names, value()).prop_map(|(worker, name, value)| format!("worker.{worker}.{name}={value}")),
        2 => value().prop_map(|value| format!("worker.list={value}")),
        1 => value().prop_map(|value| format!("H={value}")),
        1 => scrap(),
    ]
}

fn rule() -> impl Strategy<Value = String> {
    let starts = prop::sample::select(vec!["", "!", "-", "-!"]);
    let patterns = prop_oneof![
        prop::sample::select(vec![
            "/a", "/a|/*", "/*", "/*.jsp", "/a/?/b*", "*.x", "/a;b", "//", "/a\"b\\"
        ])
        .prop_map(str::to_owned),
        scrap(),
    ];
    let workers = prop::sample::select(vec!["a", "lb", "*", "nobody", "t"]);
    let extensions = prop::sample::select(vec![
        "",
        ";reply_timeout=5",
        ";stopped=a;active=b",
        ";session_path=;x",
        ";fail_on_status=404",
        ";use_server_errors=450",
        ";stateless=1",
        ";session_cookie=\"",
        ";nonsense",
        ";;",
        ";set_session_cookie=1;session_cookie_path=/\"\\",
    ]);
    (starts, patterns, workers, extensions).prop_map(|(start, pattern, worker, extensions)| {
        format!("{start}{pattern}={worker}{extensions}")
    })
}

fn directive() -> impl Strategy<Value = String> {
    let usual = prop::sample::select(vec![
        "JkMount /a lb",
        "JkMount /a|/* lb;stopped=a",
        "JkUnMount /a/b *",
        "JkMount lb",
        "JkMountCopy All",
        "JkMountCopy On",
        "<VirtualHost *:80>",
        "</VirtualHost>",
        "<Location /x>",
        "<LocationMatch \"^/y\">",
        "</Location>",
        "<IfDefine X>",
        "</IfDefine>",
        "ServerName x.org",
        "JkOptions +FlushPackets -DisableReuse",
        "JkOptions ForwardURICompatUnparsed",
        "JkOptions +Nonsense",
        "JkEnvVar A \"b c\"",
        "JkEnvVar \"a\\\"b\"",
        "JkWorkerProperty worker.a.port=1",
        "JkWorkersFile workers.properties",
        "JkMountFile map",
        "JkMountFile none",
        "JkStripSession On ;x$",
        "JkLogLevel debug",
        "JkLogLevel loud",
        "JkShmFile x",
        "JkMountFileReload 5",
        "JkMountFileReload -1",
        "JkBad",
        "Include httpd.conf",
        "Include map",
        "Define V w",
        "JkMount /${V} a",
        "JkMount /a \\",
        "JkAutoAlias /x",
        "SetHandler jakarta-servlet",
        "<IfModule mod_jk.c>",
        "<IfModule mod_jk.c>",
        "</IfModule>",
        "<IfModule !jk_module>",
        "SetEnvIf Request_URI \\.css$ no-jk",
        "SetEnvIf A \"b\tc\" \\",
        "RewriteEngine On",
        "JkEnvVar A\u{85}",
        "JkMount /a\u{1} lb",
    ]);
    prop_oneof![5 => usual.prop_map(str::to_owned), 1 => scrap()]
}

fn lines(line: impl Strategy<Value = String>, most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(line, 0..most).prop_map(|lines| lines.join("\n"))
}

/// A configuration that can be converted, so that the lines around it matter.
const SOUND: &str =
    "worker.list=lb,a\nworker.lb.type=lb\nworker.lb.balance_workers=a,b\nworker.b.port=8010\n";

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_that_look_right_are_converted_or_refused(
        workers in lines(property(), 24), map in lines(rule(), 12), httpd in lines(directive(), 12), is_old: bool,
    ) {
        check_conversion(&Memory { httpd, workers, map }, is_old);
    }

    #[test]
    fn any_rule_of_sound_workers_is_converted_or_refused(map in lines(rule(), 16), extra in property()) {
        let workers = format!("{SOUND}{extra}");
        check_conversion(&Memory { httpd: String::new(), workers, map }, false);
    }

    #[test]
    fn any_directive_about_sound_workers_is_converted_or_refused(httpd in lines(directive(), 16)) {
        let memory = Memory { httpd, workers: SOUND.into(), map: "/m/*=lb".into() };
        check_conversion(&memory, false);
    }

    #[test]
    fn any_text_at_all_is_converted_or_refused(workers: String, map: String, httpd: String, is_old: bool) {
        check_conversion(&Memory { httpd, workers, map }, is_old);
    }
}

/// Jk directives, each with a `%` in place of some character.
const DIRECTIVES: &[&str] = &[
    "JkMount /a% lb",
    "JkMount /a lb%",
    "JkMount \"/a%b\" lb",
    "JkUnMount /a% lb",
    "JkMount /a lb;reply_timeout=5%",
    "<Location /x>\nJkMount lb%\n</Location>",
    "<Location /x%>\nJkMount lb\n</Location>",
    "<VirtualHost *:80>\nJkMount /a% lb\n</VirtualHost>",
    "JkMountFile map%",
    "JkMountFileReload 5%",
    "JkMountCopy On%",
    "JkWorkersFile workers.properties%",
    "JkWorkerProperty worker.a.host=h%",
    "JkOptions +FlushPackets%",
    "JkEnvVar A%",
    "JkEnvVar A b%c",
    "JkEnvVar A \"b%\"",
    "JkStripSession On ;x%",
    "JkStripSession Off%",
    "JkLogLevel info%",
    "JkLogFile x%",
    "JkShmFile x%",
    "JkAutoAlias /x%",
    "JkWorkerIndicator W%",
    "JkRequestLogFormat %",
    "JkMount /${W%} lb",
    "JkMount /a${C} lb",
];

/// The same, with a tab inside a word and not between two.
const WITH_TABS: &[&str] = &["JkMount \"/a\tb\" lb", "JkEnvVar A \"b\tc\""];

#[test]
fn a_control_character_in_any_jk_directive_is_refused_with_its_place() {
    let mut taken = Vec::new();
    for directive in DIRECTIVES.iter().chain(WITH_TABS) {
        for character in ['\0', '\u{1}', '\u{1b}', '\u{7f}', '\u{85}', '\u{9b}'] {
            let text = directive.replace('%', &character.to_string());
            let httpd = format!("# first\n{text}\n");
            let memory = Memory { httpd, workers: SOUND.into(), map: "/m/*=lb".into() };
            let input = Input {
                httpd_conf: Some("httpd.conf".into()),
                workers: Some("workers.properties".into()),
                variables: HashMap::from([("C".into(), character.to_string())]),
                ..Input::default()
            };
            let done = convert(&input, &memory, &|_| None).expect("the files can be read");
            let said = done.messages.iter().find(|message| message.text == "a control character");
            let place = said.map(|message| done.sources.place(message.at));
            let jk = 2 + text.lines().position(|line| line.contains("Jk")).unwrap_or(0);
            if !place.is_some_and(|place| place.file == "httpd.conf" && place.line == jk) {
                taken.push(text);
            }
        }
    }
    assert!(taken.is_empty(), "{} of these are taken: {taken:?}", taken.len());
}

#[test]
fn a_control_character_that_a_macro_puts_in_is_refused_too() {
    for character in ["\n", "\0", "\u{85}"] {
        let environment = |name: &str| (name == "EVIL").then(|| format!("h{character}Listen 1"));
        let workers = format!("{SOUND}worker.a.secret=h$(EVIL)\n");
        let memory = Memory { httpd: String::new(), workers, map: "/m/*=a".into() };
        let input = Input {
            workers: Some("workers.properties".into()),
            map: Some("map".into()),
            ..Input::default()
        };
        let done = convert(&input, &memory, &environment).expect("the files can be read");
        let said: Vec<_> = done.messages.iter().map(|message| message.text.as_str()).collect();
        assert!(said.contains(&"a control character"), "{said:?}");
        let place = done.sources.place(done.messages[0].at);
        assert_eq!((place.file, place.line), ("workers.properties", 5));
    }
}
