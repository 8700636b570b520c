//! One request and its response as a machine without I/O: it takes packets and returns events.
//!
//! The machine knows which packets may come next, counts the response body against its Content-Length,
//! and alone decides whether a connection is clean afterwards: [`Exchange::finish`] is the only source
//! of a [`Reusable`]. The driver owns the loop, so the same machine serves a blocking thread and an
//! event loop.
//!
//! Sources: Tomcat's AJP/1.3 reference ("Response Packet Structure", "Get Body Chunk"), and Tomcat's
//! `AjpProcessor` for body packets that are sent unasked.

mod error;
mod event;
mod length;
mod phase;

pub use error::ExchangeError;
pub use event::{Event, Reusable};
pub use phase::Phase;

use bytes::Bytes;

use crate::protocol::{
    EndResponse, GetBodyChunk, PacketSize, Response, SendBodyChunk, SendHeaders,
};
use length::Length;

/// How the request announces its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestBody {
    /// No body. A container that asks for one all the same gets an empty packet.
    None,
    /// A Content-Length above 0: the first body packet follows the request unasked.
    Announced,
    /// Chunked, or of unknown length: every body packet is asked for.
    OnRequest,
}

/// The facts about the request that the exchange needs.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts {
    /// How the body is announced.
    pub body: RequestBody,
    /// Whether the method is HEAD: the response has a Content-Length and no body.
    pub is_head: bool,
}

/// The state of one request between its FORWARD_REQUEST and its END_RESPONSE.
#[derive(Debug)]
pub struct Exchange {
    facts: RequestFacts,
    phase: Phase,
    /// The reuse flag of END_RESPONSE, once that has come.
    end: Option<bool>,
    upload: Upload,
    /// Bytes of the request body in the packets sent so far.
    uploaded: u64,
    length: Length,
    /// Whether a packet came, or was sent, that is not allowed: there will be no [`Reusable`].
    is_broken: bool,
    /// 1xx responses so far.
    interims: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upload {
    /// A body packet is due: the first of an announced body, or the answer to GET_BODY_CHUNK.
    Due,
    /// Nothing is due.
    Settled,
    /// The empty packet that ends a body has been sent.
    Ended,
}

impl Exchange {
    /// Starts at the point where FORWARD_REQUEST is about to be sent.
    #[must_use]
    pub fn new(facts: RequestFacts) -> Self {
        let upload = match facts.body {
            RequestBody::Announced => Upload::Due,
            RequestBody::None | RequestBody::OnRequest => Upload::Settled,
        };
        Self {
            facts,
            phase: Phase::Request,
            end: None,
            upload,
            uploaded: 0,
            length: Length::unknown(),
            is_broken: false,
            interims: 0,
        }
    }

    /// The progress so far, never [`Phase::Connect`].
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Bytes of the request body in the packets sent so far, without framing.
    #[must_use]
    pub fn uploaded(&self) -> u64 {
        self.uploaded
    }

    /// Notes that FORWARD_REQUEST has been written completely.
    pub fn request_sent(&mut self) {
        self.phase = self.phase.max(Phase::FirstByte);
    }

    /// Notes that bytes have come from the container.
    pub fn heard(&mut self) {
        self.phase = self.phase.max(Phase::Headers);
    }

    /// Notes that the client has been told of the response.
    pub fn client_told(&mut self) {
        self.phase = Phase::Body;
    }

    /// Notes that a body packet with `len` bytes of data has been sent; 0 ends the body.
    ///
    /// # Errors
    /// [`ExchangeError::BodyNotAskedFor`] when none was due: the container would take it for the
    /// next request, so it must not be sent.
    pub fn body_sent(&mut self, len: usize) -> Result<(), ExchangeError> {
        if self.upload != Upload::Due {
            self.is_broken = true;
            return Err(ExchangeError::BodyNotAskedFor { length: len });
        }
        self.upload = if len == 0 { Upload::Ended } else { Upload::Settled };
        self.uploaded += len as u64;
        Ok(())
    }

    /// Notes that a body packet that was due is not sent, or not completely, because END_RESPONSE has
    /// come without it. The container may take the part that arrives for the next request, so the
    /// connection is not clean, whatever END_RESPONSE says.
    pub fn body_withheld(&mut self) {
        self.upload = Upload::Settled;
        self.is_broken = true;
    }

    /// Takes the payload of one packet and returns what it means in this state.
    ///
    /// # Errors
    /// A packet that cannot be decoded, or that may not come in this state. The connection cannot be
    /// used any more.
    pub fn receive(&mut self, payload: Bytes) -> Result<Event, ExchangeError> {
        let event = self.event(payload);
        self.is_broken |= event.is_err();
        event
    }

    /// Whether SEND_HEADERS has been seen.
    #[must_use]
    pub fn has_headers(&self) -> bool {
        self.phase >= Phase::HeadersOnly
    }

    /// Returns the proof that the connection may serve another request: END_RESPONSE with reuse = 1 has
    /// come, no body packet is due, there was no error, and nothing is unread (`unread` counts the
    /// bytes behind END_RESPONSE).
    #[must_use]
    pub fn finish(&self, unread: usize) -> Option<Reusable> {
        let clean =
            self.end == Some(true) && self.upload != Upload::Due && !self.is_broken && unread == 0;
        clean.then(Reusable::new)
    }

    fn event(&mut self, payload: Bytes) -> Result<Event, ExchangeError> {
        let response = Response::decode(payload)?;
        if self.end.is_some() {
            return Err(ExchangeError::AfterEnd);
        }
        match response {
            Response::SendHeaders(head) => self.headers(head),
            Response::SendBodyChunk(chunk) => self.chunk(chunk),
            Response::GetBodyChunk(ask) => self.want_body(ask),
            Response::EndResponse(end) => self.end(end),
            Response::CPong => Err(ExchangeError::UnexpectedCPong),
        }
    }

    fn headers(&mut self, head: SendHeaders) -> Result<Event, ExchangeError> {
        if self.has_headers() {
            return Err(ExchangeError::HeadersTwice);
        }
        // An interim response (RFC 9110 15.2) comes before the final one.
        if head.status < 200 {
            self.interims += 1;
            if self.interims > MAX_INTERIMS {
                return Err(ExchangeError::TooManyInterims);
            }
            return Ok(Event::Interim(head));
        }
        self.length = Length::of(&head, self.facts.is_head)?;
        self.phase = Phase::HeadersOnly;
        Ok(Event::Headers(head))
    }

    fn chunk(&mut self, chunk: SendBodyChunk) -> Result<Event, ExchangeError> {
        if !self.has_headers() {
            // A flush can do no harm; data would belong to no response.
            return if chunk.data.is_empty() {
                Ok(Event::Flush)
            } else {
                Err(ExchangeError::BodyBeforeHeaders)
            };
        }
        if chunk.data.is_empty() {
            return Ok(Event::Flush);
        }
        self.length.count(chunk.data.len())?;
        Ok(Event::Body(chunk.data))
    }

    fn want_body(&mut self, ask: GetBodyChunk) -> Result<Event, ExchangeError> {
        match self.upload {
            Upload::Settled if ask.requested_length > 0 => {
                self.upload = Upload::Due;
                let at_most = usize::from(ask.requested_length).min(PacketSize::MAX.max_body());
                Ok(Event::WantBody { at_most })
            }
            Upload::Settled => Err(ExchangeError::BodyOfNoLengthAskedFor),
            Upload::Due => Err(ExchangeError::BodyAskedForTwice),
            Upload::Ended => Err(ExchangeError::BodyAskedForAfterEnd),
        }
    }

    fn end(&mut self, end: EndResponse) -> Result<Event, ExchangeError> {
        if !self.has_headers() {
            return Err(ExchangeError::EndWithoutHeaders);
        }
        self.length.complete()?;
        self.end = Some(end.reuse);
        Ok(Event::End { reuse: end.reuse })
    }
}

/// No application sends this many; a backend that sends them without end would hold its thread.
const MAX_INTERIMS: u32 = 100;
