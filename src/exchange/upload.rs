//! The request body of an exchange: what has been asked for, what has been sent, and what may go ahead.
//!
//! A container asks for each body packet with GET_BODY_CHUNK. A packet *ahead* is one that it has not asked
//! for yet. If it never does, it reads the packet as its next message, so that a packet ahead has to look
//! like no message of any container: the type of a message is its first byte, and that of a body packet is
//! the high byte of its length.

use super::{BodyPackets, ExchangeError};
use crate::protocol::GetBodyChunk;

/// How far packets may go ahead of what the container asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The most bytes of data that may lie ahead; 0: nothing goes ahead, less than a packet is one packet.
    pub bytes: usize,
    /// The packets that might go ahead in an earlier request which the container has consumed: so many may
    /// go ahead as soon as it asks for the first one. 0 is as good as 1.
    pub shown: u32,
}

/// What became of the packets that an exchange has sent ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// The container has asked for all of them; so many might lie ahead at the end.
    Consumed(u32),
    /// It has not asked for all of them, or not taken the last one to its end.
    Unread,
}

/// The body packets of one exchange.
#[derive(Debug)]
pub(super) struct Upload {
    /// Packets asked for. The first one of an announced body counts: it is sent unasked.
    asked: u64,
    /// Packets sent, or being sent.
    sent: u64,
    /// Bytes of data that the last GET_BODY_CHUNK asked for; 0: none has come.
    size: usize,
    window: Window,
    /// Packets that may lie ahead now; 0 before the first GET_BODY_CHUNK.
    open: u32,
    /// The longest packet that has been sent ahead.
    longest: usize,
    /// The most packets that have lain ahead at a time.
    most: u32,
    /// Not all of what was to be sent has been taken by the socket.
    is_unfinished: bool,
    /// The empty packet that ends a body has been sent.
    is_ended: bool,
    /// A packet was not sent, or not to its end, and will not be.
    is_withheld: bool,
}

impl Upload {
    /// Begins; `first_is_due`: a packet follows the request without being asked for.
    pub(super) fn new(first_is_due: bool, window: Window) -> Self {
        Self {
            asked: u64::from(first_is_due),
            sent: 0,
            size: 0,
            window,
            open: 0,
            longest: 0,
            most: 0,
            is_unfinished: false,
            is_ended: false,
            is_withheld: false,
        }
    }

    /// Whether the container waits for a packet, or will.
    pub(super) fn is_due(&self) -> bool {
        self.asked > self.sent && !self.is_withheld
    }

    /// Whether GET_BODY_CHUNK has come.
    pub(super) fn has_been_asked(&self) -> bool {
        self.size > 0
    }

    /// Packets sent that have not been asked for.
    pub(super) fn unasked(&self) -> u64 {
        self.sent.saturating_sub(self.asked)
    }

    /// Whether what was to be sent is still being sent.
    pub(super) fn is_unfinished(&self) -> bool {
        self.is_unfinished
    }

    /// Whether the empty packet that ends a body has been sent.
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Whether every packet was asked for, sent to its end, and none is due.
    pub(super) fn is_settled(&self) -> bool {
        self.asked == self.sent && !self.is_unfinished && !self.is_withheld
    }

    /// What became of the packets sent ahead; `None`: there were none.
    pub(super) fn ahead(&self) -> Option<Ahead> {
        let is_read = self.unasked() == 0 && !self.is_unfinished && !self.is_withheld;
        // Not only what lay ahead at a time, which is less than might have where the body was short: the
        // window, which the container has opened by what it asked for, but no more than it has read.
        let read = u32::try_from(self.sent.saturating_sub(1)).unwrap_or(u32::MAX);
        let window = self.most.max(self.open.min(read));
        let ahead = if is_read { Ahead::Consumed(window) } else { Ahead::Unread };
        (self.most > 0).then_some(ahead)
    }

    /// Notes GET_BODY_CHUNK for `size` bytes of data.
    pub(super) fn asked_for(&mut self, size: usize) -> Result<(), ExchangeError> {
        if self.is_withheld {
            return Ok(());
        }
        if self.is_due() {
            return Err(ExchangeError::BodyAskedForTwice);
        }
        if self.is_ended {
            return Err(ExchangeError::BodyAskedForAfterEnd);
        }
        if size == 0 {
            return Err(ExchangeError::BodyOfNoLengthAskedFor);
        }
        if self.unasked() > 0 && size < self.longest {
            // It expects less than it will get: nothing more goes ahead.
            self.window.bytes = 0;
        }
        self.asked = self.asked.saturating_add(1);
        self.size = size;
        self.open_further();
        Ok(())
    }

    /// The window opens as the container proves that it reads.
    fn open_further(&mut self) {
        let wanted = if self.open == 0 { self.window.shown.max(1) } else { self.open + 1 };
        self.open = wanted.min(self.most_ahead(self.size));
    }

    /// The packets of this size that may lie ahead at most, however far the window opens.
    fn most_ahead(&self, size: usize) -> u32 {
        match self.window.bytes {
            0 => 0,
            bytes => u32::try_from((bytes / size).max(1)).unwrap_or(u32::MAX),
        }
    }

    /// The bytes of data that will be [`room`](Self::room) for as soon as the container asks for the first
    /// packet of this size; 0: it has shown nothing that says so.
    pub(super) fn foreseen(&self, size: usize) -> usize {
        if size < SHORTEST_AHEAD {
            return 0;
        }
        match self.window.shown.min(self.most_ahead(size)) {
            0 => 0,
            ahead => (1 + ahead as usize) * size,
        }
    }

    /// The bytes below which nothing has come that is to be acted on, unless a container that has always read
    /// what lay ahead answers before it has read it.
    pub(super) fn least_to_act_on(&self, is_uploaded: bool) -> usize {
        let unasked = self.unasked();
        if unasked == 0 {
            return 1;
        }
        // For none of these is anything sent.
        let asks = match is_uploaded || self.is_ended {
            true => unasked,
            false => self.asks_until_half_is_free().saturating_sub(1),
        };
        let least = GetBodyChunk::PACKET * usize::try_from(asks).unwrap_or(0) + 1;
        match u64::from(self.window.shown) >= unasked {
            true => least,
            false => least.min(LEAST_ANSWER),
        }
    }

    /// So many more packets must be asked for until half of the window is free, which opens by one for each.
    fn asks_until_half_is_free(&self) -> u64 {
        let (unasked, open) = (self.unasked(), u64::from(self.open));
        let most = u64::from(self.most_ahead(self.size));
        let while_it_opens = (2 * unasked).saturating_sub(open).div_ceil(3);
        while_it_opens.max(unasked.saturating_sub(most / 2))
    }

    /// The bytes of data that may be sent now: the packet that is due, and those that may go ahead. Where
    /// none is due, 0 until half of the window is free, so that packets go ahead several at a time.
    pub(super) fn room(&self) -> usize {
        if self.is_withheld || self.is_ended {
            return 0;
        }
        let unasked = u32::try_from(self.unasked()).unwrap_or(u32::MAX);
        let may_go_ahead = self.size >= SHORTEST_AHEAD && unasked <= self.open / 2;
        let ahead = if may_go_ahead { self.open - unasked } else { 0 };
        (usize::from(self.is_due()) + ahead as usize) * self.size
    }

    /// One packet, which must be due; without data it ends the body.
    pub(super) fn due_packet(&mut self, len: usize) -> Result<BodyPackets, ExchangeError> {
        let is_more_than_asked_for = self.size > 0 && len > self.size;
        let packet = BodyPackets::one(len);
        match packet {
            Some(packet) if self.is_due() && !is_more_than_asked_for => {
                self.sent = self.sent.saturating_add(1);
                self.is_ended = len == 0;
                self.is_unfinished = true;
                Ok(packet)
            }
            _ => Err(ExchangeError::BodyNotAskedFor { length: len }),
        }
    }

    /// The packets that may be made of so many bytes of data; `None`: none may be. The rest of the bytes
    /// stays unsent: less than what a packet ahead must have, or more than the window takes.
    ///
    /// `is_end`: no bytes follow these. Then they go in packets of about the same length, if each is long
    /// enough and a rest would be too short.
    pub(super) fn packets(&mut self, available: usize, is_end: bool) -> Option<BodyPackets> {
        let is_end = is_end && available <= self.room();
        let available = available.min(self.room());
        let due = usize::from(self.is_due());
        let full = available.checked_div(self.size)?;
        let rest = available % self.size;
        // The last packet is shorter than the others. It goes if it is due, or long enough.
        let takes_rest = rest >= SHORTEST_AHEAD || (full < due && rest > 0);
        let packets = match takes_rest {
            true => BodyPackets::of(available, self.size),
            false if is_end && rest > 0 => self.even(available, full + 1),
            false => BodyPackets::of(available - rest, self.size),
        }?;
        self.sent = self.sent.saturating_add(packets.count() as u64);
        if packets.count() > due {
            self.longest = self.longest.max(packets.longest());
        }
        self.most = self.most.max(u32::try_from(self.unasked()).unwrap_or(u32::MAX));
        self.is_unfinished = true;
        Some(packets)
    }

    /// So many packets, of about the same length, where that is enough for each to go ahead; else full ones,
    /// without the rest.
    fn even(&self, available: usize, count: usize) -> Option<BodyPackets> {
        let each = available.div_ceil(count);
        let is_long = available - each * (count - 1) >= SHORTEST_AHEAD;
        match is_long {
            true => BodyPackets::of(available, each),
            false => BodyPackets::of(available - available % self.size, self.size),
        }
    }

    /// Notes that the socket has taken all of it.
    pub(super) fn written(&mut self) {
        self.is_unfinished = false;
    }

    /// Notes that what is due, or unfinished, will not be sent.
    pub(super) fn withhold(&mut self) {
        self.is_withheld = true;
        self.is_unfinished = false;
    }
}

/// The least data in a packet that goes ahead. Its length then begins with a byte from 0x10 to 0xFF, which
/// is the type of no message that a container knows: 0x02 is FORWARD_REQUEST, 0x07 SHUTDOWN, 0x08 PING,
/// 0x0A CPING.
pub(super) const SHORTEST_AHEAD: usize = 0x1000;

/// The bytes of the shortest SEND_HEADERS: a status text of three characters, as containers send it, and no
/// headers. (Without any text it has 12 bytes.)
const LEAST_ANSWER: usize = 15;

#[cfg(test)]
#[path = "upload_tests.rs"]
mod tests;
