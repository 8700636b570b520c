//! A client that records what the proxy layer does with it, and fails where a test wants it.

use std::cell::RefCell;
use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use mod_proxy_ajp_rs::messages::Message;
use mod_proxy_ajp_rs::protocol::{BufferSlice, SendHeaders};
use mod_proxy_ajp_rs::proxy::{BodyPiece, Client, ClientError, ReadyPiece};

use super::Signal;

/// A part of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Data, not copied: a buffer that is used again too early would show here.
    Data(BufferSlice),
    /// A flush.
    Flush,
    /// The end of the response.
    End,
}

/// A stand-in for httpd: a request body to read, and filters to pass the response to.
#[derive(Default)]
pub struct FakeClient {
    /// The request body.
    pub body: Vec<u8>,
    piece: Range<usize>,
    /// More of the request body comes over this socket, which does not block.
    pub body_stream: Option<UnixStream>,
    /// The `at_most` of every piece read.
    pub reads: Vec<usize>,
    /// The number of passes before each of these reads.
    pub passes_at_read: Vec<usize>,
    /// Called within every read, with its number, from 1.
    pub during_read: Option<Box<dyn Fn(usize)>>,
    /// The read with this number, from 1, fails.
    pub read_fails: Option<(usize, ClientError)>,
    /// The pass with this number, from 1, fails.
    pub pass_fails: Option<(usize, ClientError)>,
    /// The beginning of the response fails.
    pub begin_fails: Option<ClientError>,
    /// The pass with this number panics.
    pub pass_panics: Option<usize>,
    /// Given on every pass.
    pub on_pass: Signal,
    /// Called before the piece that was read last is sent.
    pub before_body: Option<Box<dyn Fn()>>,
    /// The heads of the responses that were begun.
    pub heads: Vec<SendHeaders>,
    appended: Vec<Item>,
    /// The parts of the response, pass by pass.
    pub passes: Vec<Vec<Item>>,
    /// What was logged.
    pub notes: RefCell<Vec<(Message, String)>>,
}

impl FakeClient {
    /// A client that fails nowhere.
    pub fn new() -> FakeClient {
        FakeClient::default()
    }

    /// The status of the response.
    pub fn status(&self) -> Option<u16> {
        self.heads.last().map(|head| head.status)
    }

    /// The response body that was passed.
    pub fn received(&self) -> Vec<u8> {
        let data = self.passes.iter().flatten().filter_map(|item| match item {
            Item::Data(data) => Some(&data[..]),
            Item::Flush | Item::End => None,
        });
        data.collect::<Vec<_>>().concat()
    }

    /// Whether the end of the response was passed.
    pub fn is_complete(&self) -> bool {
        self.passes.last().and_then(|pass| pass.last()) == Some(&Item::End)
    }

    /// The passes as text: `ab|F|E` for two pieces of data, a flush and the end in three passes.
    pub fn shape(&self) -> String {
        let pass = |items: &Vec<Item>| -> String {
            let item = |item: &Item| match item {
                Item::Data(data) => String::from_utf8_lossy(data).into_owned(),
                Item::Flush => "F".into(),
                Item::End => "E".into(),
            };
            items.iter().map(item).collect()
        };
        self.passes.iter().map(pass).collect::<Vec<_>>().join("|")
    }

    /// Takes from the stream, if there is one, what is there of the body up to `wanted` bytes; whether there is
    /// no more to wait for.
    fn fill(&mut self, wanted: usize) -> bool {
        let mut is_settled = self.body.len() >= wanted || self.body_stream.is_none();
        while let (Some(stream), true) = (&mut self.body_stream, self.body.len() < wanted) {
            let mut buffer = vec![0; wanted - self.body.len()];
            match stream.read(&mut buffer) {
                Ok(0) => {
                    is_settled = true;
                    break;
                }
                Ok(count) => self.body.extend(&buffer[..count]),
                Err(_) => break,
            }
        }
        is_settled
    }

    /// Whether something with this text was logged.
    pub fn was_told(&self, text: &str) -> bool {
        self.notes.borrow().iter().any(|(_, note)| note.contains(text))
    }
}

impl Client for FakeClient {
    fn read_body(&mut self, at_most: usize) -> Result<BodyPiece, ClientError> {
        self.reads.push(at_most);
        self.passes_at_read.push(self.passes.len());
        if let Some(call) = &self.during_read {
            call(self.reads.len());
        }
        if let Some((_, error)) = self.read_fails.filter(|(read, _)| *read == self.reads.len()) {
            return Err(error);
        }
        let start = self.piece.end;
        self.piece = start..self.body.len().min(start + at_most);
        Ok(BodyPiece { len: self.piece.len(), was_awaited: true })
    }

    fn read_now(&mut self, at_most: usize) -> Result<ReadyPiece, ClientError> {
        let is_settled = self.fill(self.piece.end + at_most);
        let start = self.piece.end;
        self.piece = start..self.body.len().min(start + at_most);
        Ok(ReadyPiece { len: self.piece.len(), is_settled })
    }

    fn put_back(&mut self, len: usize) {
        self.piece.end -= len;
    }

    fn body_socket(&self) -> Option<BorrowedFd<'_>> {
        self.body_stream.as_ref().map(AsFd::as_fd)
    }

    fn patience(&self) -> Duration {
        super::LONG
    }

    /// Its body never arrives ahead of time.
    fn read_ahead(&mut self, _at_most: usize) -> Result<(), ClientError> {
        Ok(())
    }

    fn gather(&mut self, at_most: usize) -> Result<(), ClientError> {
        self.fill(self.piece.end + at_most);
        Ok(())
    }

    /// Returns two slices, as from two buckets.
    fn body(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        if let Some(call) = &self.before_body {
            call();
        }
        let piece = &self.body[self.piece.clone()];
        let (one, other) = piece.split_at(piece.len() / 3);
        [one, other].into_iter()
    }

    fn begin(&mut self, head: &SendHeaders) -> Result<(), ClientError> {
        self.heads.push(head.clone());
        self.begin_fails.map_or(Ok(()), Err)
    }

    fn append(&mut self, data: BufferSlice) {
        assert!(!data.is_empty(), "an empty piece of body");
        assert!(!self.heads.is_empty(), "body before headers");
        self.appended.push(Item::Data(data));
    }

    fn append_flush(&mut self) {
        self.appended.push(Item::Flush);
    }

    fn append_end(&mut self, _is_early: bool) {
        self.appended.push(Item::End);
    }

    fn pass(&mut self) -> Result<(), ClientError> {
        if self.appended.is_empty() {
            return Ok(());
        }
        self.passes.push(std::mem::take(&mut self.appended));
        self.on_pass.give();
        let number = self.passes.len();
        assert_ne!(self.pass_panics, Some(number), "as the test wants it");
        match self.pass_fails {
            Some((pass, error)) if pass == number => Err(error),
            _ => Ok(()),
        }
    }

    fn has_begun(&self) -> bool {
        !self.passes.is_empty()
    }

    fn note(&self, message: Message, text: fmt::Arguments<'_>) {
        self.notes.borrow_mut().push((message, text.to_string()));
    }
}

impl fmt::Debug for FakeClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeClient")
            .field("heads", &self.heads)
            .field("passes", &self.shape())
            .field("notes", &self.notes)
            .finish_non_exhaustive()
    }
}
