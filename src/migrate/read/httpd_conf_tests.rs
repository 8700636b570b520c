//! Which lines of httpd's configuration are read and copied, and which are reported.

use super::super::directive::Location;
use super::super::files::Memory;
use super::*;

fn conf(files: Vec<(&'static str, &'static str)>) -> (HttpdConf, Vec<Message>, Sources) {
    let (mut sources, mut messages) = (Sources::default(), Vec::new());
    let memory = Memory(files);
    let conf =
        read("m", None, HashMap::new(), &|_| None, &memory, &mut sources, &mut messages).unwrap();
    (conf, messages, sources)
}

#[test]
fn directives_have_their_server_their_location_and_their_line() {
    let (conf, messages, sources) = conf(vec![(
        "m",
        "JkMount /a w\n<VirtualHost *:80>\n  ServerName x.org\n  <Location \"/p\">\n    JkMount w\n  </Location>\n</VirtualHost>\n",
    )]);
    assert!(messages.is_empty());
    let [main, inner] = &conf.directives[..] else { panic!("two: {:?}", conf.directives) };
    assert_eq!((main.server, main.location.clone()), (0, None));
    assert_eq!(main.words, ["/a", "w"]);
    let path = Location { path: "/p".into(), is_expression: false };
    assert_eq!((inner.server, inner.location.clone()), (1, Some(path)));
    assert_eq!(sources.line(inner.at), "m:5");
    assert_eq!(conf.servers[1].name.as_deref(), Some("x.org"));
}

#[test]
fn includes_are_followed_below_the_server_root() {
    let (conf, messages, sources) = conf(vec![
        ("m", "ServerRoot /r\nIncludeOptional sites/*.conf\nInclude none.conf\n"),
        ("/r/sites/one.conf", "JkMount /a w\n"),
    ]);
    assert_eq!(conf.directives.len(), 1);
    assert_eq!(sources.line(conf.directives[0].at), "/r/sites/one.conf:1");
    assert_eq!(messages.len(), 1, "none.conf does not exist");
}

#[test]
fn macros_and_ifversion_are_reported_and_iffile_checks_the_file() {
    let (conf, messages, _) = conf(vec![
        (
            "m",
            "ServerRoot /r\n<IfFile w>\nJkMount /a w\n</IfFile>\n<IfFile !w>\nJkMount /b w\n</IfFile>\n\
             <IfFile none>\nJkMount /c w\n</IfFile>\n\
             <Macro host $name>\nJkMount /$name w\nRewriteEngine On\n</Macro>\n\
             <IfVersion >= 2.4>\nJkMount /d w\n</IfVersion>\n",
        ),
        ("/r/w", ""),
    ]);
    let mounts = conf.directives.iter().map(|line| line.words[0].as_str());
    assert_eq!(mounts.collect::<Vec<_>>(), ["/a", "/d"]);
    let said: Vec<_> = messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(
        said,
        [
            "JkMount is ignored: it is in a <Macro>",
            "JkMount is converted as if the condition of its <IfVersion> were true"
        ]
    );
    assert_eq!(conf.rewrites, None);
}

#[test]
fn no_jk_that_is_set_too_late_is_reported() {
    let text = "SetEnvIf Request_URI ^/s no-jk\nRewriteRule ^/t - [E=no-jk:1]\nSetEnv no-jk 1\n";
    let (_, messages, sources) = conf(vec![("m", text)]);
    let lines = messages.iter().map(|message| sources.place(message.at).line);
    assert_eq!(lines.collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn the_output_of_jk2ajp_is_not_read_again() {
    let (conf, messages, _) = conf(vec![
        ("m", "JkMount /a w\nInclude /o/jk2ajp.conf\n"),
        ("/o/jk2ajp.conf", "# Written by jk2ajp for x.\n<VirtualHost _default_:*>\nJkBad\n"),
    ]);
    assert!(messages.is_empty());
    assert_eq!((conf.servers.len(), conf.directives.len()), (1, 1));
}

#[test]
fn a_file_that_includes_itself_ends() {
    let (_, messages, _) = conf(vec![("m", "Include m\n")]);
    assert!(messages.iter().any(|message| message.text.contains("128 deep")));
}

#[test]
fn continued_lines_and_variables_are_read_as_httpd_reads_them() {
    let (conf, _, sources) = conf(vec![(
        "m",
        "Define W lb\nJkMount /a \\\n   ${W}\n<IfDefine X>\nJkMount /x x\n</IfDefine>\n<IfModule !mod_jk.c>\nJkMount /y y\n</IfModule>\nJkMount /z ${no}",
    )]);
    let words: Vec<_> = conf.directives.iter().map(|d| d.words.join(" ")).collect();
    assert_eq!(words, ["/a lb", "/z ${no}"]);
    let place = sources.place(conf.directives[0].at);
    assert_eq!((place.file, place.line, place.text), ("m", 2, "JkMount /a    lb"));
}

#[test]
fn a_section_closed_under_another_name_is_an_error() {
    let (_, messages, _) = conf(vec![("m", "<Location /a>\n</VirtualHost>\n</X>\n")]);
    assert_eq!(messages.len(), 2);
}

/// Returns the copied lines with the sections around them, and the messages with their lines.
fn beside(files: Vec<(&'static str, &'static str)>) -> (Vec<String>, Vec<(usize, String)>) {
    let (conf, messages, sources) = conf(files);
    let copied = conf.copied.iter().map(|line| {
        let around = line.around.iter().map(|around| format!("{} ", around.opening));
        format!("{}: {}{}", line.server, around.collect::<String>(), line.text)
    });
    let said = messages.iter().map(|message| {
        let text = message.text.split(':').next().unwrap_or("").to_owned();
        (sources.place(message.at).line, text)
    });
    (copied.collect(), said.collect())
}

#[test]
fn lines_beside_jk_lines_in_ifmodule_mod_jk_are_copied_with_their_sections() {
    let (copied, said) = beside(vec![
        (
            "m",
            "SetEnvIf Host x outside\n\
             <IfModule mod_jk.c>\n\
             JkMount /a w\n\
             SetEnvIf Request_URI \"${V}\" \\\n  no-jk\n\
             <Location /x>\nJkMount w\n<Limit GET>\nRequire ip 10.0.0.1\n</Limit>\n</Location>\n\
             Include /i\n\
             </IfModule>\n\
             <VirtualHost *:80>\n<Directory /d>\n<IfModule jk_module>\nOptions -Indexes\n</IfModule>\nAllowOverride None\n</Directory>\n</VirtualHost>\n",
        ),
        ("/i", "JkMount /b w\nAlias\t/s /srv/s\n"),
    ]);
    assert_eq!(
        copied,
        [
            "0: SetEnvIf Request_URI \"${V}\"   no-jk",
            "0: <Location /x> <Limit GET> Require ip 10.0.0.1",
            "0: Alias /s /srv/s",
            "1: <Directory /d> Options -Indexes",
        ]
    );
    assert_eq!(said, []);
}

#[test]
fn lines_that_mod_jk_does_not_enable_are_neither_copied_nor_reported() {
    let text = "<IfModule mod_jk.c>\n<IfDefine X>\nAlias /a /b\n</IfDefine>\n<IfModule !mod_jk.c>\nAlias /c /d\n</IfModule>\n</IfModule>\n\
                <IfModule !mod_jk.c>\n<IfModule mod_jk.c>\n</IfModule>\n</IfModule>\n";
    let (copied, said) = beside(vec![("m", text)]);
    assert_eq!(copied, [""; 0]);
    assert_eq!(said, [(10, "<IfModule> takes effect without mod_jk".into())]);
}

#[test]
fn lines_that_cannot_be_copied_are_reported() {
    let (copied, said) = beside(vec![
        (
            "m",
            "<IfModule mod_jk.c>\n\
             Define V 1\n\
             LoadModule jk_module mod_jk.so\n\
             LoadModule x_module mod_x.so\n\
             <If true>\nSetEnv A 1\n</If>\n<Else>\nSetEnv A 2\n</Else>\n\
             SetEnv A \"b\tc\"\n\
             SetHandler jakarta-servlet\n\
             <VirtualHost *:80>\nJkMount /a w\nAlias /c /d\n</VirtualHost>\n\
             <Macro m>\nSetEnv A 3\n</Macro>\n\
             Use m\n\
             Include /o\n\
             </IfModule>\nSetEnv A \\",
        ),
        ("/o", "# Written by jk2ajp for x.\nJkBad\n"),
    ]);
    assert_eq!(copied, ["0: <If true> SetEnv A 1"]);
    let lost = |line, what: &str| (line, format!("{what} is lost without mod_jk"));
    assert_eq!(
        said,
        [
            lost(2, "Define"),
            lost(4, "LoadModule"),
            lost(9, "SetEnv"),
            lost(11, "SetEnv"),
            lost(13, "this virtual host"),
            (18, "SetEnv is ignored".into()),
            lost(20, "Use"),
            lost(21, "/o"),
        ]
    );
}

#[test]
fn lines_and_sections_that_take_effect_without_mod_jk_are_reported_once() {
    let text = "<IfModule !mod_jk.c>\nAlias /a /b\n<Location /x>\nRequire all granted\n</Location>\nJkMount /a w\n</IfModule>\n";
    let (copied, said) = beside(vec![("m", text)]);
    assert_eq!(copied, [""; 0]);
    let told = |line, what: &str| (line, format!("{what} takes effect without mod_jk"));
    assert_eq!(said, [told(2, "Alias"), told(3, "<Location>"), told(6, "JkMount")]);
}
