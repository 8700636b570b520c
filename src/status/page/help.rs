//! What the words of the page mean.

use std::fmt;

use askama::Template;

use crate::balance::Activation;
use crate::pool::CloseReason;
use crate::stats::{ErrorReason, MEMBER_FIGURES, POOL_FIGURES};
use crate::status::State;

#[derive(Template)]
#[template(path = "page/help.html", config = "src/status/askama.toml")]
struct Help<'s> {
    server: &'s str,
    version: &'static str,
    colour: &'static str,
    title: &'static str,
    lists: Vec<List>,
}

/// Words and their meanings.
struct List {
    title: &'static str,
    words: Vec<(&'static str, String)>,
}

/// A help text without the marks of its markup.
fn plain(text: &str) -> String {
    text.replace('`', "")
}

/// Writes the page, for the server of this name.
///
/// # Errors
/// Those of `out`.
pub fn help(server: &str, out: &mut impl fmt::Write) -> Result<(), askama::Error> {
    let member = MEMBER_FIGURES.iter().filter_map(|figure| Some((figure.shown.json?, figure.help)));
    let pool = POOL_FIGURES.iter().filter_map(|figure| Some((figure.shown.json?, figure.help)));
    let list = |title, words: Vec<(&'static str, &'static str)>| List {
        title,
        words: words.into_iter().map(|(word, meaning)| (word, plain(meaning))).collect(),
    };
    Help {
        server,
        version: env!("CARGO_PKG_VERSION"),
        colour: "good",
        title: "What the words mean",
        lists: vec![
            list("States", State::ALL.map(|one| (one.name(), one.help())).into()),
            list("Activations", Activation::ALL.map(|one| (one.name(), one.help())).into()),
            list("Why requests fail", ErrorReason::ALL.map(|one| (one.name(), one.help())).into()),
            list(
                "Why connections are closed",
                CloseReason::ALL.map(|one| (one.name(), one.help())).into(),
            ),
            list("Figures of a member", member.collect()),
            list("Figures of a connection pool", pool.collect()),
        ],
    }
    .render_into(out)
}
