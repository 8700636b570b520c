//! JkOptions.

use super::directive::Directive;
use crate::migrate::text::message::Message;
use crate::migrate::text::report::Report;

/// The expression, without its `^`, for paths that RejectUnsafeURI rejects. mod_jk ignores path parameters.
pub const UNSAFE: &str = r"(?:[^;%\x5C]++|;[^/]*+)*+[%\x5C]";

/// An option with a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JkOption {
    /// ForwardURICompatUnparsed: `nocanon`.
    Unparsed,
    /// FlushPackets: `flushpackets=on`.
    FlushPackets,
    /// FlushHeader: `flushpackets=auto`.
    FlushHeader,
    /// DisableReuse: `forceclose=On`.
    DisableReuse,
    /// ForwardSSLCertChain: `ProxyAjpCertChain On`.
    CertChain,
    /// RejectUnsafeURI: an exclusion of such paths.
    RejectUnsafe,
}

/// The options of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JkOptions {
    on: Vec<JkOption>,
    off: Vec<JkOption>,
    /// Whether the server chooses one of the ForwardURI… options.
    says_uri: bool,
}

impl JkOptions {
    /// Returns whether an option is on.
    #[must_use]
    pub fn has(&self, choice: JkOption) -> bool {
        self.on.contains(&choice)
    }

    /// Returns the options with one of them set or cleared.
    #[must_use]
    pub fn with(mut self, choice: JkOption, on: bool) -> Self {
        self.on.retain(|known| *known != choice);
        if on {
            self.on.push(choice);
        }
        self
    }

    /// Returns the options, with those of `base` that they do not set.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        let mut merged = self.clone();
        for choice in &base.on {
            let uri = *choice == JkOption::Unparsed && self.says_uri;
            if !self.off.contains(choice) && !merged.has(*choice) && !uri {
                merged.on.push(*choice);
            }
        }
        merged
    }

    /// Adds a JkOptions line.
    pub fn add(&mut self, line: &Directive, report: &mut Report, messages: &mut Vec<Message>) {
        for word in &line.words {
            let (minus, name) = match word.strip_prefix(['+', '-']) {
                Some(name) => (word.starts_with('-'), name),
                None => (false, word.as_str()),
            };
            let lower = name.to_ascii_lowercase();
            let is_uri = lower.starts_with("forwarduri");
            if is_uri && minus {
                let text = format!("{word}: this option cannot be disabled");
                messages.push(Message::error(line.at, text));
                continue;
            }
            let said = if minus { "nothing (this is the default)" } else { "" };
            let mut kept =
                |words: &str| report.record_kept(line.at, if minus { said } else { words });
            let choice = match lower.as_str() {
                "forwarduricompatunparsed" => {
                    kept("nocanon");
                    JkOption::Unparsed
                }
                "flushpackets" => {
                    kept("flushpackets=on");
                    JkOption::FlushPackets
                }
                "disablereuse" => {
                    kept("forceclose=On");
                    JkOption::DisableReuse
                }
                "forwardsslcertchain" => {
                    kept("ProxyAjpCertChain On");
                    JkOption::CertChain
                }
                "rejectunsafeuri" => {
                    kept(&format!("ProxyPassMatch \"^{UNSAFE}\" \"!\""));
                    JkOption::RejectUnsafe
                }
                "flushheader" => {
                    let meaning = "The response so far, headers included, is flushed when the backend has sent nothing for 10 ms.";
                    report.record_changed(line.at, "flushpackets=auto", meaning);
                    JkOption::FlushHeader
                }
                _ => {
                    self.says_uri |= is_uri;
                    if is_uri {
                        self.on.retain(|choice| *choice != JkOption::Unparsed);
                    }
                    Self::add_untranslated(&lower, word, line, report, messages);
                    continue;
                }
            };
            self.says_uri |= is_uri;
            self.on.retain(|known| *known != choice);
            // Within a server, minus takes precedence over plus, regardless of their order.
            if minus {
                self.off.push(choice);
            } else if !self.off.contains(&choice) {
                self.on.push(choice);
            }
        }
    }

    fn add_untranslated(
        name: &str,
        word: &str,
        line: &Directive,
        report: &mut Report,
        messages: &mut Vec<Message>,
    ) {
        let is_off = word.starts_with('-');
        match name {
            "forwarddirectories" | "forwardlocaladdress" | "forwardphysicaladdress" if is_off => {
                report.record_kept(line.at, "nothing (this is the default)");
            }
            "forwardkeysize" if is_off => {
                report.record_dropped(line.at, "the key size is always sent with TLS", "Nothing to do.");
            }
            "forwarduriproxy" | "forwardkeysize" => report.record_kept(line.at, "nothing (this is the default)"),
            "forwarduricompat" | "forwarduriescaped" => report.record_changed(
                line.at,
                "nothing",
                "The path is encoded again after httpd has decoded it (ForwardURIProxy), which is safe.",
            ),
            "collapseslashesall" | "collapseslashesnone" | "collapseslashesunmount" => {
                report.record_dropped(line.at, "mod_jk accepts and ignores it", "See httpd's MergeSlashes.");
            }
            "forwarddirectories" => report.record_dropped(
                line.at,
                "a directory without an index file is not forwarded",
                "Mount the directories, or use RewriteRule with [P].",
            ),
            "forwardlocaladdress" | "forwardphysicaladdress" => report.record_dropped(
                line.at,
                "the client address is the one that httpd uses",
                "Use mod_remoteip to change it.",
            ),
            _ => messages.push(
                Message::error(line.at, format!("mod_jk has no option {word}"))
                    .help("httpd does not start with this line"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::text::source::Sources;

    fn options(words: &str) -> (JkOptions, Vec<Message>) {
        let file = Sources::default().add("f", words.as_bytes());
        let line = Directive {
            name: "JkOptions".into(),
            words: words.split(' ').map(str::to_owned).collect(),
            arguments: words.into(),
            at: file.span(file.text()),
            file: file.clone(),
            server: 0,
            location: None,
        };
        let (mut options, mut messages) = (JkOptions::default(), Vec::new());
        options.add(&line, &mut Report::default(), &mut messages);
        (options, messages)
    }

    #[test]
    fn a_virtual_host_has_its_own_options_and_the_main_server_s_that_it_does_not_disable() {
        let main = options("+FlushPackets DisableReuse +ForwardURICompatUnparsed").0;
        let host = options("-FlushPackets +RejectUnsafeURI ForwardURIProxy").0.over(&main);
        assert!(host.has(JkOption::DisableReuse) && host.has(JkOption::RejectUnsafe));
        assert!(!host.has(JkOption::FlushPackets) && !host.has(JkOption::Unparsed));
    }

    #[test]
    fn minus_takes_precedence_in_its_own_server_in_any_order_and_is_not_inherited() {
        let off = ["+FlushPackets -FlushPackets", "-FlushPackets +FlushPackets"];
        for words in off {
            assert!(!options(words).0.has(JkOption::FlushPackets), "{words}");
        }
        let main = options("-ForwardSSLCertChain -FlushHeader").0;
        assert!(options("+ForwardSSLCertChain").0.over(&main).has(JkOption::CertChain));
        assert!(!JkOptions::default().over(&main).has(JkOption::FlushHeader));
    }

    #[test]
    fn an_unknown_option_and_a_forwarduri_with_a_minus_are_errors() {
        assert_eq!(options("+Nonsense").1.len(), 1);
        assert_eq!(options("-ForwardURIProxy").1.len(), 1);
        assert!(options("+ForwardKeySize -ForwardDirectories").1.is_empty());
    }
}
