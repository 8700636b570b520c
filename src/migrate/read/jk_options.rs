//! JkOptions.

use super::directive::Directive;
use crate::migrate::text::message::Message;
use crate::migrate::text::report::Report;

/// What RejectUnsafeURI forbids, in an expression behind `^`. mod_jk does not look into parameters.
pub const UNSAFE: &str = r"(?:[^;%\x5C]++|;[^/]*+)*+[%\x5C]";

/// An option that something comes of.
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
    /// RejectUnsafeURI: such paths are not mapped.
    RejectUnsafe,
}

/// What one server's lines say of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JkOptions {
    on: Vec<JkOption>,
    off: Vec<JkOption>,
    /// One of ForwardURI… was chosen here.
    says_uri: bool,
}

impl JkOptions {
    /// It is on.
    #[must_use]
    pub fn has(&self, choice: JkOption) -> bool {
        self.on.contains(&choice)
    }

    /// These, but for one choice that is made elsewhere.
    #[must_use]
    pub fn with(mut self, choice: JkOption, on: bool) -> Self {
        self.on.retain(|known| *known != choice);
        if on {
            self.on.push(choice);
        }
        self
    }

    /// These, and what `base` says where they say nothing.
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

    /// Takes a line.
    pub fn add(&mut self, line: &Directive, report: &mut Report, messages: &mut Vec<Message>) {
        for word in &line.words {
            let (minus, name) = match word.strip_prefix(['+', '-']) {
                Some(name) => (word.starts_with('-'), name),
                None => (false, word.as_str()),
            };
            let lower = name.to_ascii_lowercase();
            let is_uri = lower.starts_with("forwarduri");
            if is_uri && minus {
                let text = format!("{word}: this option cannot be switched off");
                messages.push(Message::error(line.at, text));
                continue;
            }
            let said = if minus { "nothing: it is so anyway" } else { "" };
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
                    let meaning = "Whatever the backend has sent goes out when no more comes for 10 ms, the headers too.";
                    report.record_changed(line.at, "flushpackets=auto", meaning);
                    JkOption::FlushHeader
                }
                _ => {
                    self.says_uri |= is_uri;
                    if is_uri {
                        self.on.retain(|choice| *choice != JkOption::Unparsed);
                    }
                    Self::rest(&lower, word, line, report, messages);
                    continue;
                }
            };
            self.says_uri |= is_uri;
            self.on.retain(|known| *known != choice);
            // In one server a minus counts, whether it stands before or behind the plus.
            if minus {
                self.off.push(choice);
            } else if !self.off.contains(&choice) {
                self.on.push(choice);
            }
        }
    }

    fn rest(
        name: &str,
        word: &str,
        line: &Directive,
        report: &mut Report,
        messages: &mut Vec<Message>,
    ) {
        let is_off = word.starts_with('-');
        match name {
            "forwarddirectories" | "forwardlocaladdress" | "forwardphysicaladdress" if is_off => {
                report.record_kept(line.at, "nothing: it is so anyway");
            }
            "forwardkeysize" if is_off => {
                report.record_dropped(line.at, "the key's size is always sent with TLS", "Nothing to do.");
            }
            "forwarduriproxy" | "forwardkeysize" => report.record_kept(line.at, "nothing: it is so anyway"),
            "forwarduricompat" | "forwarduriescaped" => report.record_changed(
                line.at,
                "nothing",
                "The path is encoded anew after httpd has decoded it (ForwardURIProxy), which is the safe way.",
            ),
            "collapseslashesall" | "collapseslashesnone" | "collapseslashesunmount" => {
                report.record_dropped(line.at, "mod_jk takes it, and does nothing", "MergeSlashes is httpd's own.");
            }
            "forwarddirectories" => report.record_dropped(
                line.at,
                "a directory without an index file is not handed on",
                "Mount the directories themselves, or write RewriteRule lines with [P].",
            ),
            "forwardlocaladdress" | "forwardphysicaladdress" => report.record_dropped(
                line.at,
                "the client's address is what httpd takes for it",
                "mod_remoteip changes what that is.",
            ),
            _ => messages.push(
                Message::error(line.at, format!("mod_jk knows no option {word}"))
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
    fn a_virtual_host_has_its_own_and_the_main_server_s_it_does_not_switch_off() {
        let main = options("+FlushPackets DisableReuse +ForwardURICompatUnparsed").0;
        let host = options("-FlushPackets +RejectUnsafeURI ForwardURIProxy").0.over(&main);
        assert!(host.has(JkOption::DisableReuse) && host.has(JkOption::RejectUnsafe));
        assert!(!host.has(JkOption::FlushPackets) && !host.has(JkOption::Unparsed));
    }

    #[test]
    fn minus_counts_in_its_own_server_in_whichever_order_and_is_not_inherited() {
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
