//! Requests without a socket: what is asked for, what the container and the client do, how it ends.

// The fuzz target has no use for some of what the tests share.
#![cfg_attr(not(test), allow(dead_code))]

pub mod any_backend;
#[cfg(test)]
mod beginnings;
mod client;
#[cfg(test)]
mod container;
#[cfg(test)]
mod dialogues;
#[cfg(test)]
mod random;
#[cfg(test)]
mod random_uploads;
#[cfg(test)]
mod refusals;
mod rules;
mod scene;
#[cfg(test)]
mod script;
#[cfg(test)]
mod sending;
#[cfg(test)]
mod slow_clients;
#[cfg(test)]
mod uploads;

use super::{BodyWait, Context, Conversation, Do, What};
use client::TestClient;
use scene::Scene;

/// The payloads of these packets, and what is left behind the last whole one.
fn split(mut bytes: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut payloads = Vec::new();
    while let [_, _, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if rest.len() < length {
            break;
        }
        payloads.push(&rest[..length]);
        bytes = &rest[length..];
    }
    (payloads, bytes)
}
