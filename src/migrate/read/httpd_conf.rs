//! Reads httpd's configuration as far as Jk directives depend on it: sections, Include, Define.

use std::collections::HashMap;
use std::sync::Arc;

use super::continued_lines::ContinuedLines;
use super::copied_lines::{self, CopiedLine, EnclosingSection, ModJkCondition, one_line};
use super::directive::{Directive, JK_HANDLER, Location, ServerSection};
use super::files::{Files, resolve_path};
use super::macros::{Environment, expand};
use super::sections::{Section, Sections};
use crate::config::Words;
use crate::migrate::text::characters::{CONTROL_CHARACTER, control_character, trim};
use crate::migrate::text::count;
use crate::migrate::text::limits::{MAX_DIRECTIVES, MAX_EXPANSION, MAX_SECTION_DEPTH};
use crate::migrate::text::marks::is_output;
use crate::migrate::text::message::Message;
use crate::migrate::text::source::{SourceFile, Sources};
use crate::migrate::text::span::Span;

/// The relevant content of httpd's configuration.
#[derive(Debug)]
pub struct HttpdConf {
    /// All directives that begin with Jk, SetHandler, and logs with mod_jk's notes.
    pub directives: Vec<Directive>,
    /// The main server, and the virtual hosts in their order.
    pub servers: Vec<ServerSection>,
    /// ServerRoot.
    pub server_root: Option<String>,
    /// The first directive of mod_rewrite in the main server.
    pub rewrites: Option<Span>,
    /// Lines of other modules that are in force only if mod_jk is loaded.
    pub copied: Vec<CopiedLine>,
}

/// The depth to which httpd follows Include.
const MAX_DEPTH: usize = 128;

/// More files than any configuration has. Without a limit, a file that includes itself twice would never end.
const MAX_FILES: usize = 2_000;

/// Reads a file and all files that it includes. `variables` are those of `-D`; Define adds to them.
///
/// Without `server_root` and a ServerRoot, paths are relative to the directory of the file, as on Debian.
///
/// # Errors
/// The file cannot be read: which, and why.
pub fn read(
    path: &str,
    server_root: Option<&str>,
    variables: HashMap<String, String>,
    environment: &Environment<'_>,
    files: &dyn Files,
    sources: &mut Sources,
    messages: &mut Vec<Message>,
) -> Result<HttpdConf, String> {
    let main = ServerSection { addresses: String::new(), name: None, at: None };
    let directory = path.rsplit_once('/').map(|(directory, _)| directory);
    let root = server_root.or(directory.map(|root| if root.is_empty() { "/" } else { root }));
    let conf = HttpdConf {
        directives: Vec::new(),
        servers: vec![main],
        server_root: root.map(str::to_owned),
        rewrites: None,
        copied: Vec::new(),
    };
    let mut reader = Reader {
        files,
        sources,
        messages,
        variables,
        conf,
        sections: Sections::default(),
        included: 0,
        assumes_root: server_root.is_none(),
        is_stopped: false,
        opened: 0,
        unexpanded: String::new(),
        environment,
    };
    let bytes = files.read(path).map_err(|why| format!("{path}: {why}"))?;
    reader.file(path, &bytes, 0);
    Ok(reader.conf)
}

struct Reader<'r> {
    files: &'r dyn Files,
    sources: &'r mut Sources,
    messages: &'r mut Vec<Message>,
    variables: HashMap<String, String>,
    conf: HttpdConf,
    sections: Sections,
    /// The number of included files so far.
    included: usize,
    /// Whether ServerRoot is still only assumed.
    assumes_root: bool,
    /// Whether a limit was exceeded, so that nothing more is read.
    is_stopped: bool,
    /// The number of sections so far.
    opened: usize,
    /// The current line with its variables as they are written.
    unexpanded: String,
    environment: &'r Environment<'r>,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, bytes: &[u8], depth: usize) {
        let file = self.sources.add(path, bytes);
        if self.sources.exceed_limit() {
            let first = file.text().lines().next().unwrap_or("");
            self.stop(count::too_much_read(file.span(first)));
        }
        for (whole, joined) in ContinuedLines::of(file.text()) {
            if self.is_stopped {
                return;
            }
            self.line(&file, whole, &joined, depth);
        }
    }

    /// Stops reading, with this message the first time.
    fn stop(&mut self, why: Message) {
        if !std::mem::replace(&mut self.is_stopped, true) {
            self.messages.push(why);
        }
    }

    fn line(&mut self, file: &SourceFile, whole: &str, joined: &str, depth: usize) {
        if joined.is_empty() || joined.starts_with('#') {
            return;
        }
        let known = |name: &str| self.variables.get(name).cloned();
        let known = |name: &str| known(name).or_else(|| (self.environment)(name));
        let Some(expanded) = expand(joined, known) else {
            let what = "bytes added to a line by its variables";
            self.stop(count::refusal(file.span(whole), what, MAX_EXPANSION));
            return;
        };
        joined.clone_into(&mut self.unexpanded);
        if expanded == whole {
            self.directive(file, whole, file.span(whole), depth);
            return;
        }
        // The expanded words are not in the file, so they get a text of their own.
        let first = whole.lines().next().unwrap_or("").trim_end_matches('\\');
        let shown = self.sources.add_line(file.span(first), &expanded);
        if self.sources.exceed_limit() {
            self.stop(count::too_much_read(shown.span(shown.text())));
            return;
        }
        let line = shown.clone();
        self.directive(&shown, line.text(), shown.span(line.text()), depth);
    }

    fn directive(&mut self, file: &SourceFile, line: &str, at: Span, depth: usize) {
        let end = line.find(|c: char| c.is_ascii_whitespace()).unwrap_or(line.len());
        let (name, arguments) = (&line[..end], trim(&line[end..]));
        if let Some(closed) = name.strip_prefix("</") {
            self.close(closed.trim_end_matches('>'), at);
            return;
        }
        if let Some(opened) = name.strip_prefix('<') {
            let arguments = trim(arguments.trim_end_matches('>'));
            self.open(opened.trim_end_matches('>'), arguments, at);
            return;
        }
        let is_jk = name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("Jk"));
        let needs_mod_jk = self.sections.require_mod_jk();
        let unknown = self.sections.unknown(!is_jk);
        if let Some(section) = unknown.filter(|_| is_jk || needs_mod_jk) {
            self.messages.push(in_unknown_section(at, name, section.is_skipped));
        }
        if self.sections.exclude_mod_jk() {
            self.messages.push(copied_lines::takes_effect(at, name));
        }
        if self.sections.is_skipped() {
            return;
        }
        let words: Vec<String> = Words::of(arguments).map(|word| word.text.into_owned()).collect();
        if is_jk {
            // A tab between words is harmless.
            let with_tab = words.iter().any(|word| word.contains('\t')).then_some(line);
            if let Some(bad) = control_character(line).or(with_tab) {
                self.messages.push(Message::error(file.span(bad), CONTROL_CHARACTER));
                return;
            }
        }
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        if arguments.contains("no-jk") && (is("RewriteRule") || is("SetEnv")) {
            self.messages.push(late_no_jk(at, name));
        }
        let server = self.sections.server();
        let is_jk_handler = is("SetHandler") && words.iter().any(|word| word == JK_HANDLER);
        let is_jk_module = is("LoadModule") && words.iter().any(|word| word == "jk_module");
        let is_of_mod_jk = is_jk || is_jk_handler || is_jk_module;
        if needs_mod_jk && !is_of_mod_jk && !is("Include") && !is("IncludeOptional") {
            self.copy(name, at);
        }
        match words.first() {
            Some(pattern) if is("Include") || is("IncludeOptional") => {
                self.include(pattern, is("IncludeOptional"), at, depth);
            }
            Some(root) if is("ServerRoot") && self.assumes_root => {
                self.assumes_root = false;
                self.conf.server_root = Some(root.clone());
            }
            Some(server_name) if is("ServerName") => {
                self.conf.servers[server].name = Some(server_name.clone());
            }
            Some(variable) if is("Define") => {
                let value = words.get(1).cloned().unwrap_or_default();
                self.variables.insert(variable.clone(), value);
            }
            Some(variable) if is("UnDefine") => drop(self.variables.remove(variable)),
            _ if is_jk
                || is("SetHandler")
                || ((is("LogFormat") || is("CustomLog")) && arguments.contains("{JK_")) =>
            {
                if self.conf.directives.len() >= MAX_DIRECTIVES {
                    self.stop(count::refusal(at, "Jk directives", MAX_DIRECTIVES));
                    return;
                }
                self.conf.directives.push(Directive {
                    name: name.into(),
                    words,
                    arguments: arguments.into(),
                    at,
                    file: file.clone(),
                    server,
                    location: self.sections.location(),
                });
            }
            _ if server == 0 && name.to_ascii_lowercase().starts_with("rewrite") => {
                self.conf.rewrites.get_or_insert(at);
            }
            _ => {}
        }
    }

    /// Copies a line that would be lost with mod_jk, or reports it.
    fn copy(&mut self, name: &str, at: Span) {
        let text = match one_line(&self.unexpanded) {
            Ok(_) if copied_lines::depends_on_order(name) => Err("it affects the lines below it"),
            text => text,
        };
        match (text, self.sections.around()) {
            (Ok(text), Ok(around)) => {
                let server = self.sections.server();
                self.conf.copied.push(CopiedLine { server, at, text, around });
            }
            (Err(why), _) | (_, Err(why)) => self.messages.push(copied_lines::lost(at, name, why)),
        }
    }

    fn open(&mut self, name: &str, arguments: &str, at: Span) {
        if self.sections.len() >= MAX_SECTION_DEPTH {
            self.stop(count::refusal(at, "nested sections", MAX_SECTION_DEPTH));
            return;
        }
        if self.conf.servers.len() > MAX_DIRECTIVES {
            self.stop(count::refusal(at, "virtual hosts", MAX_DIRECTIVES));
            return;
        }
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        let mut server = self.sections.server();
        if self.sections.exclude_mod_jk() {
            self.messages.push(copied_lines::takes_effect(at, &format!("<{name}>")));
        }
        if is("VirtualHost") && !self.sections.is_skipped() && self.sections.require_mod_jk() {
            let why = "it is converted as if it were outside";
            self.messages.push(copied_lines::lost(at, "this virtual host", why));
        }
        let condition = if is("IfModule") { ModJkCondition::of(arguments) } else { None };
        self.opened += 1;
        let around = match one_line(&self.unexpanded) {
            Ok(_) if is("Else") || is("ElseIf") => Err("it depends on the section above it"),
            Ok(opening) => {
                Ok(Arc::new(EnclosingSection { id: self.opened, opening, name: name.into() }))
            }
            Err(why) => Err(why),
        };
        let mut location = None;
        let mut is_skipped = false;
        let is_unknown = is("IfVersion") || is("Macro");
        if is("VirtualHost") {
            server = self.conf.servers.len();
            let addresses = arguments.to_owned();
            self.conf.servers.push(ServerSection { addresses, name: None, at: Some(at) });
        } else if is("Location") || is("LocationMatch") {
            location = Some(Location::parse(name, arguments));
        } else if is("IfDefine") {
            let (not, name) = negated(arguments);
            is_skipped = self.variables.contains_key(name) == not;
        } else if is("IfModule") {
            is_skipped = condition == Some(ModJkCondition::NotLoaded);
        } else if is("IfFile") {
            let (not, name) = negated(arguments);
            let path = resolve_path(self.conf.server_root.as_deref(), name.trim_matches('"'));
            let is_there = self.files.read(&path).is_ok() || !self.files.find(&path).is_empty();
            is_skipped = is_there == not;
        } else if is("Macro") {
            is_skipped = true;
        }
        let name = name.into();
        let section = Section { name, server, location, is_skipped, is_unknown, condition, around };
        self.sections.push(section);
    }

    fn close(&mut self, name: &str, at: Span) {
        match self.sections.pop() {
            Some(open) if open.name.eq_ignore_ascii_case(name) => {}
            Some(open) => {
                let text = format!("</{name}> instead of </{}>", open.name);
                self.messages.push(Message::error(at, text));
            }
            None => {
                let text = format!("</{name}> without <{name}>");
                self.messages.push(Message::error(at, text));
            }
        }
    }

    fn include(&mut self, pattern: &str, is_optional: bool, at: Span, depth: usize) {
        if depth >= MAX_DEPTH {
            self.messages.push(Message::error(at, "files are included more than 128 deep"));
            return;
        }
        let pattern = resolve_path(self.conf.server_root.as_deref(), pattern);
        let found = self.files.find(&pattern);
        if found.is_empty() && !is_optional && !pattern.contains(['*', '?', '[']) {
            let text = format!("{pattern} not found");
            self.messages
                .push(Message::warning(at, text).help("its Jk directives are not converted"));
        }
        for path in found {
            if self.is_stopped {
                return;
            }
            self.included += 1;
            if self.included > MAX_FILES {
                self.stop(Message::error(at, "more than 2000 files are included"));
                return;
            }
            match self.files.read(&path) {
                // Its `<VirtualHost _default_:*>` would be converted as one more virtual host.
                Ok(bytes) if is_output(&bytes) => {
                    if self.sections.require_mod_jk() {
                        let why = "it is the output of jk2ajp";
                        self.messages.push(copied_lines::lost(at, &path, why));
                    }
                }
                Ok(bytes) => self.file(&path, &bytes, depth + 1),
                Err(why) => {
                    self.messages.push(Message::warning(at, format!("{path}: {why}")));
                }
            }
        }
    }
}

/// Returns the warning about a line in a section whose effect is unknown.
fn in_unknown_section(at: Span, name: &str, is_skipped: bool) -> Message {
    let (what, help) = if is_skipped {
        (
            "ignored: it is in a <Macro>",
            "replace `Use` by its expansion, which `apachectl -t -D DUMP_CONFIG` shows",
        )
    } else {
        ("converted as if the condition of its <IfVersion> were true", "remove it if it is false")
    };
    Message::warning(at, format!("{name} is {what}")).help(help)
}

/// Returns the warning about a directive that sets no-jk too late.
fn late_no_jk(at: Span, name: &str) -> Message {
    let help = if name.eq_ignore_ascii_case("SetEnv") {
        "it takes effect after mod_proxy has mapped the request: use `SetEnvIf Request_URI ... no-jk`"
    } else {
        "add E=no-proxy:1"
    };
    Message::warning(at, format!("no-jk has no effect if {name} sets it")).help(help)
}

/// Splits off the `!` of a condition.
fn negated(arguments: &str) -> (bool, &str) {
    match arguments.strip_prefix('!') {
        Some(name) => (true, name.trim()),
        None => (false, arguments),
    }
}

#[cfg(test)]
#[path = "httpd_conf_tests.rs"]
mod tests;
