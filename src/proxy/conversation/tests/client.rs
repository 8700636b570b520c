//! A client that keeps what it is given.

use std::cell::RefCell;
use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::messages::Message;
use crate::protocol::{BufferSlice, SendHeaders};
use crate::proxy::{BodyPiece, Client, ClientError, ReadyPiece};

/// The longest wait for more of its body.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Has a request body, and writes down what it gets: `H` for headers, `F` for a flush, `E` for the end,
/// `|` for each pass.
#[derive(Debug, Default)]
pub(super) struct TestClient {
    pub(super) body: Vec<u8>,
    at: usize,
    piece: std::ops::Range<usize>,
    /// What it has got: `E` is the end, `e` one before all of the request body has been read.
    pub(super) got: String,
    pub(super) has_got: bool,
    /// How often the response began, and ended; its body.
    pub(super) heads: usize,
    pub(super) ends: usize,
    pub(super) delivered: Vec<u8>,
    pub(super) is_polled: bool,
    /// The lines that were logged.
    pub(super) notes: RefCell<Vec<(Message, String)>>,
}

impl TestClient {
    /// Has the next piece read, of this length at most.
    pub(super) fn read(&mut self, at_most: usize) -> BodyPiece {
        self.piece = self.at..self.body.len().min(self.at + at_most);
        self.at = self.piece.end;
        BodyPiece { len: self.piece.len(), was_awaited: false }
    }

    /// Has what there is of the next piece read.
    pub(super) fn read_some(&mut self, there: usize, at_most: usize) -> ReadyPiece {
        let left = self.body.len() - self.at;
        if left > 0 && there == 0 {
            return ReadyPiece { len: 0, is_settled: false };
        }
        let len = self.read(there.min(at_most)).len;
        ReadyPiece { len, is_settled: len == left }
    }

    /// What the last [`pass`](Client::pass) of it is: the driver's own.
    pub(super) fn hand_over(&mut self, flush: bool) {
        self.got.push_str(if flush { "F|" } else { "|" });
        self.has_got = true;
    }
}

impl Client for TestClient {
    fn read_body(&mut self, at_most: usize) -> Result<BodyPiece, ClientError> {
        Ok(self.read(at_most))
    }

    fn read_now(&mut self, at_most: usize) -> Result<ReadyPiece, ClientError> {
        Ok(self.read_some(usize::MAX, at_most))
    }

    fn put_back(&mut self, len: usize) {
        assert!(len <= self.piece.len(), "more than was read");
        self.piece.end -= len;
        self.at -= len;
    }

    fn body_socket(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn can_be_polled(&self) -> bool {
        self.is_polled
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn read_ahead(&mut self, _: usize) -> Result<(), ClientError> {
        Ok(())
    }

    fn gather(&mut self, _: usize) -> Result<(), ClientError> {
        Ok(())
    }

    fn body(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let (one, other) = self.body[self.piece.clone()].split_at(self.piece.len() / 3);
        [one, other].into_iter()
    }

    fn begin(&mut self, head: &SendHeaders) -> Result<(), ClientError> {
        assert_eq!(self.heads, 0, "headers twice: {}", self.got);
        self.heads += 1;
        self.got.push_str(&format!("{}H", head.status));
        Ok(())
    }

    fn append(&mut self, data: BufferSlice) {
        assert_eq!(self.heads, 1, "body before headers");
        self.delivered.extend(&*data);
        self.got.push_str(&String::from_utf8_lossy(&data));
    }

    fn append_flush(&mut self) {
        self.got.push('F');
    }

    fn append_end(&mut self, is_early: bool) {
        self.ends += 1;
        self.got.push(if is_early { 'e' } else { 'E' });
    }

    fn pass(&mut self) -> Result<(), ClientError> {
        Ok(())
    }

    fn has_begun(&self) -> bool {
        self.has_got
    }

    fn note(&self, message: Message, text: fmt::Arguments<'_>) {
        self.notes.borrow_mut().push((message, text.to_string()));
    }
}
