//! The fenced blocks of the documents: what they are in, and how they are marked.

use std::fs;
use std::path::PathBuf;

use super::places::root;

/// A fenced block of a document.
#[derive(Clone, Debug)]
pub struct Block {
    /// The document's path from the root of the sources.
    pub document: String,
    /// The line of its opening fence.
    pub line: usize,
    /// The first word behind the fence: `apache`, `sh`, `xml`; empty for pictures and log lines.
    pub language: String,
    /// The word behind the language, if there is one: see [`Block::is_complete`].
    pub mark: Option<String>,
    /// The lines between the fences.
    pub text: String,
}

impl Block {
    /// Whether it has no mark, so that it must work as it stands.
    pub fn is_complete(&self) -> bool {
        self.mark.is_none()
    }

    /// Whether it has this mark.
    pub fn is_marked(&self, mark: &str) -> bool {
        self.mark.as_deref() == Some(mark)
    }

    /// Where it is, for a failure: `docs/reverse.md:3`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.document, self.line)
    }
}

/// The documents that have blocks.
pub fn documents() -> Vec<String> {
    let own = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
    let readmes = ["httpd-conf/README.md", "tomcat-connector/README.md"];
    let mut names: Vec<String> = own.into_iter().chain(readmes).map(str::to_owned).collect();
    let entries = fs::read_dir(root().join("docs")).expect("the documents are there");
    let paths =
        entries.map(|entry| PathBuf::from("docs").join(entry.expect("readable").file_name()));
    let is_document = |path: &PathBuf| path.extension().is_some_and(|name| name == "md");
    names.extend(paths.filter(is_document).map(|path| path.display().to_string()));
    names.sort();
    names
}

/// The blocks of all documents, in the order of the documents' names.
pub fn blocks() -> Vec<Block> {
    let read = |name: &String| fs::read_to_string(root().join(name)).expect("a document is text");
    documents().iter().flat_map(|name| blocks_in(name, &read(name))).collect()
}

/// The blocks of one document.
#[track_caller]
pub fn blocks_of(document: &str) -> Vec<Block> {
    let text = fs::read_to_string(root().join(document)).expect("a document is text");
    blocks_in(document, &text)
}

/// The blocks of this text.
pub fn blocks_in(document: &str, text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (index, line) in text.lines().enumerate() {
        let Some(info) = line.trim_start().strip_prefix("```") else {
            if let (true, Some(block)) = (is_open, found.last_mut()) {
                block.text.push_str(line);
                block.text.push('\n');
            }
            continue;
        };
        is_open = !is_open;
        if is_open {
            let mut words = info.split_whitespace().map(str::to_owned);
            found.push(Block {
                document: document.to_owned(),
                line: index + 1,
                language: words.next().unwrap_or_default(),
                mark: words.next(),
                text: String::new(),
            });
        }
    }
    assert!(!is_open, "{document}: the last block has no end");
    found
}
