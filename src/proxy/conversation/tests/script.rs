//! The parts that the scripts of dialogues are made of.

use super::scene::World::{self, Hears, Yes};
use super::scene::{chunk, end, head};

/// What is asked for, and what comes of it.
pub(super) type Script = Vec<(&'static str, World)>;

/// The wait for the response.
pub(super) const REPLY: &str = "receive 30s";

/// A whole answer in one piece.
pub(super) fn whole(text: &str) -> World {
    hears(&[head(200), chunk(text), end(true)])
}

pub(super) fn hears(parts: &[Vec<u8>]) -> World {
    Hears(parts.concat())
}

/// On an idle connection, up to where the response is waited for.
pub(super) fn sent() -> Script {
    vec![("place", Yes), ("send", Yes)]
}

pub(super) fn then(mut script: Script, more: &[(&'static str, World)]) -> Script {
    script.extend_from_slice(more);
    script
}
