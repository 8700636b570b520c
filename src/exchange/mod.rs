//! One request and its response as a machine without I/O: it takes packets and returns events.
//!
//! The machine knows which packets may come next, counts the response body against its Content-Length,
//! and alone decides whether a connection is clean afterwards: [`Exchange::finish`] is the only source
//! of a [`Reusable`]. The driver owns the loop, so the same machine serves a blocking thread and an
//! event loop.
//!
//! Sources: Tomcat's AJP/1.3 reference ("Response Packet Structure", "Get Body Chunk"), and Tomcat's
//! `AjpProcessor` for body packets that are sent unasked.

mod body_packets;
mod error;
mod event;
mod length;
mod phase;
mod upload;

pub use body_packets::BodyPackets;
pub use error::ExchangeError;
pub use event::{Event, Reusable};
pub use phase::Phase;
pub use upload::{Ahead, Window};

use crate::protocol::{
    BufferSlice, EndResponse, GetBodyChunk, PacketSize, Response, SendBodyChunk, SendHeaders,
};
use length::Length;
use upload::Upload;

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

impl Exchange {
    /// Starts at the point where FORWARD_REQUEST is about to be sent; every body packet is asked for.
    #[must_use]
    pub fn new(facts: RequestFacts) -> Self {
        Self::with_window(facts, Window::default())
    }

    /// The same; body packets may go ahead of what is asked for, as far as `window` says.
    #[must_use]
    pub fn with_window(facts: RequestFacts, window: Window) -> Self {
        let upload = Upload::new(facts.body == RequestBody::Announced, window);
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

    /// Whether the container waits for a body packet: for the first of an announced body, or for the answer
    /// to GET_BODY_CHUNK.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.upload.is_due()
    }

    /// Whether GET_BODY_CHUNK has come.
    #[must_use]
    pub fn has_asked_for_body(&self) -> bool {
        self.upload.has_been_asked()
    }

    /// The body packets sent, or being sent, that the container has not asked for.
    #[must_use]
    pub fn unasked(&self) -> u64 {
        self.upload.unasked()
    }

    /// Whether body packets are being sent that the socket has not taken to their end.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.upload.is_unfinished()
    }

    /// The bytes of the body that may be sent now, in [`packets`](Self::packets).
    #[must_use]
    pub fn room(&self) -> usize {
        self.upload.room()
    }

    /// The bytes of the body that there will be [`room`](Self::room) for as soon as the container asks for the
    /// first packet, of `size` bytes, by what it has shown in earlier requests; 0: it has shown nothing.
    #[must_use]
    pub fn foreseen(&self, size: usize) -> usize {
        self.upload.foreseen(size)
    }

    /// The bytes from the container below which there is nothing to act on: no answer is as short, and for fewer
    /// GET_BODY_CHUNK nothing is sent. 1 where each byte may matter. `is_uploaded`: all of the body has been
    /// sent.
    #[must_use]
    pub fn least_to_act_on(&self, is_uploaded: bool) -> usize {
        if self.has_headers() { 1 } else { self.upload.least_to_act_on(is_uploaded) }
    }

    /// One packet with the next `len` bytes of the body, which is to be sent now; without any it ends the
    /// body.
    ///
    /// # Errors
    /// [`ExchangeError::BodyNotAskedFor`] when none is due, or not of this length: the container would take
    /// it for the next request.
    pub fn due_packet(&mut self, len: usize) -> Result<BodyPackets, ExchangeError> {
        let packet = self.upload.due_packet(len);
        self.is_broken |= packet.is_err();
        self.uploaded += packet.as_ref().map_or(0, |packet| packet.data_len() as u64);
        packet
    }

    /// The packets that may be sent now where the next `available` bytes of the body are there: the one
    /// that is due, and those that may go ahead. `None`: none may be sent. Data that is in none of them
    /// waits. `is_end`: the body ends with these bytes.
    pub fn packets(&mut self, available: usize, is_end: bool) -> Option<BodyPackets> {
        let packets = self.upload.packets(available, is_end)?;
        self.uploaded += packets.data_len() as u64;
        Some(packets)
    }

    /// Notes that the socket has taken the packets to their end.
    pub fn packets_written(&mut self) {
        self.upload.written();
    }

    /// Notes that body packets that are due or unfinished are not sent, or not to their end: END_RESPONSE has
    /// come without them, or they cannot be sent. The container may take what arrives of them for the next
    /// request, so the connection is not clean, whatever END_RESPONSE says of it.
    pub fn body_withheld(&mut self) {
        self.upload.withhold();
        self.is_broken = true;
    }

    /// Whether the empty packet that ends a body has been sent.
    #[must_use]
    pub fn is_body_ended(&self) -> bool {
        self.upload.is_ended()
    }

    /// What became of the body packets sent ahead; `None`: there were none.
    #[must_use]
    pub fn ahead(&self) -> Option<Ahead> {
        self.upload.ahead()
    }

    /// Whether END_RESPONSE has come before the body packets that were due, or on their way, or ahead: the
    /// connection cannot be used again, and for no other reason.
    #[must_use]
    pub fn is_answered_early(&self) -> bool {
        self.end.is_some() && !self.upload.is_settled()
    }

    /// Takes the payload of one packet and returns what it means in this state.
    ///
    /// # Errors
    /// A packet that cannot be decoded, or that may not come in this state. The connection cannot be
    /// used any more.
    pub fn receive(&mut self, payload: BufferSlice) -> Result<Event, ExchangeError> {
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
    /// come, as many body packets were sent to their end as were asked for, there was no error, and
    /// nothing is unread (`unread` counts the bytes behind END_RESPONSE).
    #[must_use]
    pub fn finish(&self, unread: usize) -> Option<Reusable> {
        let clean =
            self.end == Some(true) && self.upload.is_settled() && !self.is_broken && unread == 0;
        clean.then(Reusable::new)
    }

    fn event(&mut self, payload: BufferSlice) -> Result<Event, ExchangeError> {
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
        let at_most = usize::from(ask.requested_length).min(PacketSize::MAX.max_body());
        self.upload.asked_for(at_most)?;
        Ok(Event::WantBody { at_most })
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
