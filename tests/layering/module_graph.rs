//! The modules of a crate and their imports of each other: rooms of a layer, and circles.
//!
//! Reads paths that begin with `crate`, `self`, `super` or a child module, in `use` and in code. A name
//! that a `mod.rs` re-exports leads to the file that has it; the re-export itself is no import. Code of
//! tests may import what it likes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{Token, is_test_file, sources, tokens};

/// A module's path from the crate root.
type Module = Vec<String>;

/// A room (a folder or file of a layer), and the rooms of the same layer that it may import.
pub type Rooms = [(&'static str, &'static [&'static str])];

/// Files of one folder that may import each other in a circle.
pub struct Exception {
    /// The folder, below `src/`.
    pub folder: &'static str,
    /// Its files and folders in circles, as nodes are called; empty: any.
    pub nodes: &'static [&'static str],
    /// The reason.
    pub why: &'static str,
}

/// The imports: the importing node, the imported one, and an example's place.
type Edges = BTreeMap<(String, String), String>;

/// The imports between the files and subfolders of each folder.
///
/// A folder counts as one node of its parent; `mod` is the folder's own `mod.rs`, `lib.rs` or `main.rs`.
#[derive(Default)]
pub struct Graph {
    /// The imports of each folder, by its path below `src/`; the crate root's path is `""`.
    folders: BTreeMap<String, Edges>,
    /// All nodes of each folder.
    nodes: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Reads the library in `src`, and each program in a folder of `src/bin`, which is a crate of its own.
    pub fn read(src: &Path) -> Self {
        let mut graph = Self::default();
        let mut crates = vec![(String::new(), src.to_path_buf())];
        let programs = fs::read_dir(src.join("bin")).into_iter().flatten().flatten();
        for program in programs.filter(|entry| entry.path().is_dir()) {
            let name = format!("bin/{}", program.file_name().to_string_lossy());
            crates.push((name, program.path()));
        }
        for (name, folder) in crates {
            let read = |path: PathBuf| {
                let below = path.strip_prefix(&folder).expect("found below it");
                let below = below.to_string_lossy().into_owned();
                (below, fs::read_to_string(&path).expect("a source file is text"))
            };
            let files = sources(&folder).into_iter().map(read);
            let files: Vec<_> = files.filter(|(path, _)| !path.starts_with("bin/")).collect();
            graph.add(&name, &files);
        }
        graph
    }

    /// Adds the files (path and text) of one crate, whose folder is `root` below `src/`.
    pub fn add(&mut self, root: &str, files: &[(String, String)]) {
        let files = files.iter().filter(|(path, _)| !is_test_file(path));
        let files: Vec<_> = files.map(|(path, text)| (path, module(path), tokens(text))).collect();
        let modules: HashSet<Module> = files.iter().map(|(_, module, _)| module.clone()).collect();
        let parents =
            modules.iter().flat_map(|module| (0..module.len()).map(|to| module[..to].to_vec()));
        let mut names = Names {
            is_library: root.is_empty(),
            parents: parents.collect(),
            modules,
            aliases: HashMap::new(),
        };
        let mut all = Vec::new();
        for (path, module, tokens) in &files {
            let imports = names.imports(module, tokens);
            for import in &imports {
                if let Some(alias) = &import.alias {
                    names.aliases.insert((module.clone(), alias.clone()), import.path.clone());
                }
            }
            all.push((path, module, imports));
        }
        for (path, module, imports) in all {
            let here = names.place(module);
            for (at, node) in here.iter().enumerate() {
                self.nodes.entry(folder(root, &here[..at])).or_default().insert(node.clone());
            }
            for import in imports.iter().filter(|import| !names.is_facade(module, import)) {
                let there = names.place(&names.resolve(&import.path));
                let same = here.iter().zip(&there).take_while(|(one, other)| one == other).count();
                let (Some(from), Some(to)) = (here.get(same), there.get(same)) else { continue };
                let edges = self.folders.entry(folder(root, &here[..same])).or_default();
                let example = format!("{}:{}", folder(root, &[(*path).clone()]), import.line);
                edges.entry((from.clone(), to.clone())).or_insert(example);
            }
        }
    }

    /// Imports between rooms of a layer that its table does not allow, and rooms without a row. The
    /// layer's `mod.rs` needs no row as long as it only declares and re-exports.
    pub fn broken_rooms(&self, layer: &str, rooms: &Rooms) -> Vec<String> {
        let mut findings = Vec::new();
        let row = |room: &str| rooms.iter().find(|(name, _)| *name == room);
        let nodes = self.nodes.get(layer).into_iter().flatten();
        for node in nodes.filter(|node| *node != "mod" && row(node).is_none()) {
            findings.push(format!("{layer}/{node}: no room in the table of {layer}"));
        }
        for ((from, to), example) in self.folders.get(layer).into_iter().flatten() {
            let allowed = row(from).is_some_and(|(_, allowed)| allowed.contains(&to.as_str()));
            if !allowed {
                findings.push(format!("{example}: in {layer}, `{from}` must not import `{to}`"));
            }
        }
        findings
    }

    /// Circles of files in every folder, except for the exceptions; and exceptions without a circle.
    pub fn circles(&self, exceptions: &[Exception]) -> Vec<String> {
        let mut findings = Vec::new();
        for (folder, edges) in &self.folders {
            let excepted: Vec<&Exception> =
                exceptions.iter().filter(|exception| exception.folder == folder).collect();
            let is_excepted =
                |node: &str| excepted.iter().any(|e| e.nodes.is_empty() || e.nodes.contains(&node));
            let rest: Edges = edges
                .iter()
                .filter(|((from, to), _)| !is_excepted(from) || !is_excepted(to))
                .map(|(edge, example)| (edge.clone(), example.clone()))
                .collect();
            if let Some(circle) = circle(&rest) {
                findings.push(format!("{folder}: {}", show(&circle, edges)));
            }
            if !excepted.is_empty() && circle(edges).is_none() {
                findings.push(format!("{folder}: an exception, and there is no circle"));
            }
        }
        for exception in exceptions {
            if !self.folders.contains_key(exception.folder) || exception.why.is_empty() {
                findings
                    .push(format!("{}: an exception without folder or reason", exception.folder));
            }
        }
        findings
    }
}

/// Returns a circle, if there is one, with each node once. A depth-first search.
fn circle(edges: &Edges) -> Option<Vec<&str>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges.keys() {
        next.entry(from).or_default().push(to);
    }
    let mut done = BTreeSet::new();
    for start in next.keys() {
        // Each node of the path, with the number of its successors that have been visited.
        let mut path: Vec<(&str, usize)> = vec![(start, 0)];
        while let Some((node, visited)) = path.pop() {
            let successor = next.get(node).and_then(|all| all.get(visited)).copied();
            match successor.filter(|_| !done.contains(node)) {
                None => {
                    done.insert(node);
                }
                Some(successor) => {
                    path.push((node, visited + 1));
                    if let Some(from) = path.iter().position(|(known, _)| *known == successor) {
                        return Some(path[from..].iter().map(|(node, _)| *node).collect());
                    }
                    path.push((successor, 0));
                }
            }
        }
    }
    None
}

fn show(circle: &[&str], edges: &Edges) -> String {
    let pairs = circle.iter().zip(circle.iter().cycle().skip(1));
    let shown = pairs.map(|(from, to)| {
        let example = &edges[&((*from).to_owned(), (*to).to_owned())];
        format!("`{from}` imports `{to}` ({example})")
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// A folder's path below `src/`.
fn folder(root: &str, below: &[String]) -> String {
    let root = (!root.is_empty()).then_some(root);
    root.into_iter().chain(below.iter().map(String::as_str)).collect::<Vec<_>>().join("/")
}

/// The module of a file, `path` below the crate's folder.
fn module(path: &str) -> Module {
    let mut parts: Module = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    let is_root = parts.len() == 1 && matches!(&*parts[0], "lib" | "main");
    if is_root || parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// A path in the code of a file.
#[derive(Debug)]
struct Import {
    line: usize,
    /// The path from the crate root, as it is written.
    path: Module,
    /// The name that a `use` gives it.
    alias: Option<String>,
    /// Whether the `use` is a re-export.
    is_public: bool,
}

/// The statement that contains a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Statement {
    PublicUse,
    Use,
    Other,
}

struct Names {
    /// Whether it is the library: `mod_proxy_ajp_rs` is this crate.
    is_library: bool,
    modules: HashSet<Module>,
    /// The modules with a folder.
    parents: HashSet<Module>,
    /// The meaning of a name that a `use` introduces in a module.
    aliases: HashMap<(Module, String), Module>,
}

impl Names {
    /// The place of a module: folders, then the file, which is `mod` if the module has a folder.
    fn place(&self, module: &[String]) -> Module {
        let mut place = module.to_vec();
        if self.parents.contains(module) {
            place.push("mod".into());
        }
        place
    }

    /// The module of a path's item, through the re-exports of the modules that it names.
    fn resolve(&self, path: &[String]) -> Module {
        let mut path = path.to_vec();
        // Each re-export leads to another module; more than this many would be a circle of names.
        'names: for _ in 0..16 {
            let mut module = Module::new();
            for (at, name) in path.iter().enumerate() {
                let child = [&module[..], std::slice::from_ref(name)].concat();
                if self.modules.contains(&child) {
                    module = child;
                } else if let Some(target) = self.aliases.get(&(module.clone(), name.clone())) {
                    path = [&target[..], &path[at + 1..]].concat();
                    continue 'names;
                } else {
                    return module;
                }
            }
            return module;
        }
        Module::new()
    }

    /// Whether it only re-exports names from the module's own folder.
    fn is_facade(&self, module: &[String], import: &Import) -> bool {
        self.parents.contains(module) && import.is_public && import.path.starts_with(module)
    }

    /// All paths in a file that lead into its crate.
    fn imports(&self, module: &[String], tokens: &[Token<'_>]) -> Vec<Import> {
        let mut found = Vec::new();
        let mut at = 0;
        let mut statement = Statement::Other;
        while at < tokens.len() {
            let token = &tokens[at];
            let before = at.checked_sub(1).map_or("", |before| tokens[before].text);
            statement = match token.text {
                "use" if matches!(before, "pub" | ")") => Statement::PublicUse,
                "use" => Statement::Use,
                ";" => Statement::Other,
                _ => statement,
            };
            let is_first = before != "::" && before != "." && before != "in";
            let is_path = tokens.get(at + 1).is_some_and(|next| next.text == "::");
            if token.in_tests || !is_first || !is_path {
                at += 1;
                continue;
            }
            let is_child = self.modules.contains(&[module, &[token.text.to_owned()]].concat());
            let (base, first) = match token.text {
                "crate" => (Some(Module::new()), at + 2),
                "mod_proxy_ajp_rs" if self.is_library => (Some(Module::new()), at + 2),
                "self" | "super" => {
                    let mut supers = 0;
                    let mut next = at;
                    while matches!(tokens.get(next), Some(t) if t.text == "super" || t.text == "self")
                        && tokens.get(next + 1).is_some_and(|t| t.text == "::")
                    {
                        supers += usize::from(tokens[next].text == "super");
                        next += 2;
                    }
                    // A `super` out of an inline module stays in the file.
                    let ups = supers.checked_sub(token.modules);
                    let base = ups.and_then(|ups| module.len().checked_sub(ups));
                    (base.map(|length| module[..length].to_vec()), next)
                }
                _ if is_child && token.modules == 0 => (Some(module.to_vec()), at),
                _ => (None, at + 1),
            };
            match base {
                Some(base) => at = tree(tokens, first, &base, statement, &mut found),
                None => at = first.max(at + 1),
            }
        }
        found
    }
}

/// Reads the rest of a path, or of a tree of paths in `use`. Returns its end.
fn tree(
    tokens: &[Token<'_>],
    from: usize,
    base: &[String],
    statement: Statement,
    found: &mut Vec<Import>,
) -> usize {
    let mut path = base.to_vec();
    let mut at = from;
    while let Some(token) = tokens.get(at) {
        if token.text == "{" {
            at += 1;
            while tokens.get(at).is_some_and(|token| token.text != "}") {
                at = tree(tokens, at, &path, statement, found);
                at += usize::from(tokens.get(at).is_some_and(|token| token.text == ","));
            }
            return at + 1;
        }
        let is_name = token.text.chars().all(|c| c.is_alphanumeric() || c == '_');
        if is_name && token.text != "self" {
            path.push(token.text.to_owned());
        }
        let goes_on = tokens.get(at + 1).is_some_and(|next| next.text == "::");
        let is_generic = tokens.get(at + 2).is_some_and(|next| next.text == "<");
        if goes_on && !is_generic {
            at += 2;
            continue;
        }
        let line = token.line;
        at += 1;
        let mut alias = path.last().cloned().filter(|_| statement != Statement::Other);
        if alias.is_some() && tokens.get(at).is_some_and(|token| token.text == "as") {
            alias = tokens.get(at + 1).map(|token| token.text.to_owned());
            at += 2;
        }
        let is_public = statement == Statement::PublicUse;
        found.push(Import { line, path, alias, is_public });
        return at;
    }
    at
}
