//! A container that keeps to the protocol, so that what is random about it comes far.

use super::scene::{World, head};

/// What a container has said over the present connection.
#[derive(Default)]
pub(super) struct Container {
    number: usize,
    has_answered: bool,
    /// The second part of what it has begun to say.
    rest: Vec<u8>,
}

impl Container {
    /// It speaks over the connection of this number.
    pub(super) fn speaks_over(&mut self, number: usize) {
        if self.number != number {
            *self = Self { number, ..Self::default() };
        }
    }

    /// The second part of what it has begun to say, else what `says` chooses.
    pub(super) fn goes_on(&mut self, says: impl FnOnce(&mut Self) -> Vec<u8>) -> World {
        let rest = std::mem::take(&mut self.rest);
        World::Hears(if rest.is_empty() { says(self) } else { rest })
    }

    /// These packets, behind headers of this status, unless it has sent some.
    pub(super) fn answers(&mut self, status: u16, packets: Vec<u8>) -> Vec<u8> {
        let begins = !std::mem::replace(&mut self.has_answered, true);
        if begins { [head(status), packets].concat() } else { packets }
    }

    /// The first bytes of these packets now, the others when it goes on.
    pub(super) fn pauses(&mut self, mut packets: Vec<u8>, at: usize) -> Vec<u8> {
        self.rest = packets.split_off(at.min(packets.len()));
        packets
    }
}

/// What is asked for, without its size and time.
pub(super) fn kind_of(asked_for: &str) -> &str {
    asked_for.split(|char: char| char.is_ascii_digit()).next().unwrap_or_default().trim()
}
