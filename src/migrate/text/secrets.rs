//! Secrets, which no report and no message shows.

use std::collections::{HashMap, HashSet};

use super::property::Property;

/// The names whose values must not be shown.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Macros that are part of a secret.
    macros: HashSet<String>,
}

impl Secrets {
    /// Adds the macros that secrets contain, and the macros that those contain.
    pub fn learn(&mut self, lines: &[Property]) {
        let named = |value: &str| -> Vec<String> {
            let parts = value.split("$(").skip(1);
            parts.filter_map(|part| Some(part.split_once(')')?.0.to_owned())).collect()
        };
        let mut of: HashMap<&str, Vec<&str>> = HashMap::new();
        for line in lines {
            of.entry(&line.name).or_default().push(&line.value);
        }
        let secrets = lines.iter().filter(|line| is_secret(&line.name));
        let mut found: Vec<String> = secrets.flat_map(|line| named(&line.value)).collect();
        while let Some(name) = found.pop() {
            if !self.macros.contains(&name) {
                let of_it = of.get(&*name).into_iter().flatten();
                found.extend(of_it.flat_map(|value| named(value)));
                self.macros.insert(name);
            }
        }
    }

    /// Returns the line as a report may show it.
    #[must_use]
    pub fn hidden(&self, line: &str) -> String {
        self.value_at(line)
            .map_or_else(|| line.to_owned(), |at| format!("{}(not shown)", &line[..at]))
    }

    /// Returns the line with a star for each byte that must not be shown, so that all columns stay.
    #[must_use]
    pub fn starred(&self, line: &str) -> String {
        self.value_at(line).map_or_else(
            || line.to_owned(),
            |at| format!("{}{}", &line[..at], "*".repeat(line.len() - at)),
        )
    }

    /// Returns the offset of a value that must not be shown: behind the first `=` after its name.
    fn value_at(&self, line: &str) -> Option<usize> {
        let equals = line.find('=')?;
        let words = line[..equals].trim_end();
        let name = words.rsplit(|c: char| c.is_whitespace() || c == '"').next()?;
        let is_one = is_secret(name) || self.macros.contains(name);
        is_one.then_some(equals + 1)
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(".secret") || name.ends_with(".secretkey")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::read::properties;
    use crate::migrate::text::source::Sources;

    #[test]
    fn every_part_of_a_secret_is_hidden_wherever_it_is_written() {
        let text = "A=1\nB=x$(A)\nH=host\nworker.w.host=$(H)\nworker.w.secret=s$(B)\n";
        let file = Sources::default().add("w", text.as_bytes());
        let mut secrets = Secrets::default();
        secrets.learn(&properties::parse(&file, &mut Vec::new()));
        for (line, hidden, starred) in [
            ("A=1", "A=(not shown)", "A=*"),
            ("B = x$(A)", "B =(not shown)", "B =******"),
            ("H=host", "H=host", "H=host"),
            ("worker.w.secret=ä=b", "worker.w.secret=(not shown)", "worker.w.secret=****"),
            (
                "JkWorkerProperty \"worker.w.SECRETKEY=x\"",
                "JkWorkerProperty \"worker.w.SECRETKEY=(not shown)",
                "JkWorkerProperty \"worker.w.SECRETKEY=**",
            ),
            ("JkWorkerProperty A=1", "JkWorkerProperty A=(not shown)", "JkWorkerProperty A=*"),
            ("worker.w.secrets", "worker.w.secrets", "worker.w.secrets"),
        ] {
            assert_eq!(secrets.hidden(line), hidden);
            assert_eq!(secrets.starred(line), starred);
        }
    }
}
