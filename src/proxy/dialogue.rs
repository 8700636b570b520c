//! One attempt of one request over one connection.

use std::ops::Range;
use std::time::Instant;

use super::consequence::Party;
use super::{
    Client, Failure, Finished, Flush, Level, Phase, Prepared, ProxyError, Settings, Traffic,
};
use crate::backend::{Backend, Connection, WarningKind};
use crate::config::StatusFailure;
use crate::exchange::{Event, Exchange, ExchangeError, RequestBody, Reusable};
use crate::net::{NetError, SendError};
use crate::pool::{CloseReason, Keep, Lease};
use crate::protocol::{EMPTY_BODY, PacketSize, SendHeaders, data_header};

/// One attempt over one connection.
pub(super) struct Dialogue<'a, C> {
    backend: &'a Backend,
    settings: &'a Settings,
    request: &'a Prepared,
    client: &'a mut C,
    /// When the request began, with its first attempt.
    start: Instant,
    traffic: &'a mut Traffic,
    lease: Lease<Connection>,
    exchange: Exchange,
    phase: Phase,
    /// Kept back until something of the response follows: until then it can still be another's.
    head: Option<SendHeaders>,
    /// Pieces of the request body read from the client, the prepared one included.
    pieces: u32,
    /// What is still to be sent of the prepared piece.
    first_piece: Option<Range<usize>>,
    /// Bytes of the body sent in this attempt.
    sent: u64,
    /// Something has been appended since the last pass.
    pending: bool,
    failed_status: Option<StatusFailure>,
}

impl<'a, C: Client> Dialogue<'a, C> {
    pub(super) fn new(
        backend: &'a Backend,
        settings: &'a Settings,
        request: &'a Prepared,
        client: &'a mut C,
        mut lease: Lease<Connection>,
        start: Instant,
        traffic: &'a mut Traffic,
    ) -> Self {
        lease.begin_request();
        Self {
            backend,
            settings,
            request,
            client,
            start,
            traffic,
            lease,
            exchange: Exchange::new(request.facts),
            phase: Phase::Request,
            head: None,
            pieces: u32::from(request.first_piece.is_some()),
            first_piece: request.first_piece.map(|len| 0..len),
            sent: 0,
            pending: false,
            failed_status: None,
        }
    }

    /// Sends and receives until the response has ended. `None`: the connection is not clean.
    pub(super) fn run(&mut self) -> Result<Option<Reusable>, ProxyError> {
        self.send_request()?;
        self.phase = Phase::FirstByte;
        loop {
            while let Some(payload) = self.lease.next_packet().map_err(ExchangeError::from)? {
                if self.take(payload)? {
                    return Ok(self.exchange.finish(self.lease.unread()));
                }
            }
            self.hand_over()?;
            self.receive()?;
        }
    }

    /// FORWARD_REQUEST, and the first piece of an announced body, in one system call.
    fn send_request(&mut self) -> Result<(), ProxyError> {
        let packet: &[u8] = &self.request.packet;
        let sent = match self.first_piece {
            Some(Range { end: len, .. }) if self.request.facts.body == RequestBody::Announced => {
                let header = body_header(len)?;
                self.exchange.body_sent(len)?;
                self.first_piece = None;
                self.sent += len as u64;
                self.traffic.uploaded += len as u64;
                let pieces = self.client.body();
                let mut slices: Vec<&[u8]> = Vec::with_capacity(pieces.len() + 2);
                slices.extend([packet, &header]);
                slices.extend(part(pieces, 0..len));
                self.lease.send(&slices, self.settings.timeout)
            }
            _ => self.lease.send(&[packet], self.settings.timeout),
        };
        sent.or_else(|error| {
            if error.written >= packet.len() {
                self.phase = Phase::FirstByte;
                return self.without_body(error);
            }
            Err(sending(error))
        })
    }

    /// Acts on one packet; `true`: it was the last.
    fn take(&mut self, payload: bytes::Bytes) -> Result<bool, ProxyError> {
        let event = self.exchange.receive(payload)?;
        self.client.heard();
        match event {
            Event::Headers(head) => {
                if head.status < 400 {
                    self.backend.request_answered(self.request.packet.len());
                }
                self.traffic.status = Some(head.status);
                self.traffic.first_byte = Some(self.start.elapsed());
                self.judge_status(head.status)?;
                self.phase = Phase::HeadersOnly;
                self.head = Some(head);
            }
            Event::Interim(_) => {}
            Event::Body(data) => {
                self.begin()?;
                self.traffic.downloaded += data.len() as u64;
                self.client.append(data);
                self.pending = true;
            }
            Event::Flush => {
                if self.exchange.has_headers() {
                    self.begin()?;
                    self.client.append_flush();
                    self.pending = true;
                }
            }
            Event::WantBody { at_most } => self.send_body(at_most)?,
            Event::End { reuse } => {
                self.note_packet_size(reuse);
                self.begin()?;
                self.client.append_end();
                self.pending = true;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Tells the client of the headers, once.
    fn begin(&mut self) -> Result<(), ProxyError> {
        if let Some(head) = self.head.take() {
            self.phase = Phase::Body;
            self.client.begin(&head)?;
        }
        Ok(())
    }

    /// Answers GET_BODY_CHUNK with one packet, empty at the end of the body.
    fn send_body(&mut self, at_most: usize) -> Result<(), ProxyError> {
        let left = self.request.length.map(|length| length.saturating_sub(self.sent));
        self.backend.packet_limit().body_asked_for(at_most, left);
        // Whoever waits for more of the request may be waiting because of what we hold back.
        let has_passed = self.pending;
        self.pass()?;
        let (piece, was_awaited) = self.next_piece(at_most)?;
        // Behind END_RESPONSE the packet would be read as the next request. Where the client may have
        // taken its time, that may have come meanwhile.
        if self.lease.has_ended(has_passed || was_awaited) {
            self.exchange.body_withheld();
            return Ok(());
        }
        let len = piece.len();
        self.exchange.body_sent(len)?;
        let sent = if len == 0 {
            self.lease.send(&[&EMPTY_BODY], self.settings.timeout)
        } else {
            let header = body_header(len)?;
            let pieces = self.client.body();
            let mut slices: Vec<&[u8]> = Vec::with_capacity(pieces.len() + 1);
            slices.push(&header);
            slices.extend(part(pieces, piece));
            self.lease.send(&slices, self.settings.timeout)
        };
        if let Err(error) = sent {
            return self.without_body(error);
        }
        self.sent += len as u64;
        self.traffic.uploaded += len as u64;
        // While the container reads this piece we fetch the next one, if nobody can want this one
        // again.
        let is_last = len == 0 || self.request.length == Some(self.sent);
        if !is_last && !self.body_is_kept() {
            self.client.read_ahead(at_most)?;
        }
        Ok(())
    }

    /// A body packet could not be sent. An answer that is whole is the answer all the same.
    #[cold]
    fn without_body(&mut self, error: SendError) -> Result<(), ProxyError> {
        if self.lease.has_ended(true) {
            self.exchange.body_withheld();
            return Ok(());
        }
        Err(sending(error))
    }

    /// What to send of [`Client::body`]: the rest of the prepared piece, else one read now.
    /// Also whether it was waited for.
    fn next_piece(&mut self, at_most: usize) -> Result<(Range<usize>, bool), ProxyError> {
        if let Some(Range { start, end }) = self.first_piece.take() {
            let middle = end.min(start + at_most);
            self.first_piece = (middle < end).then_some(middle..end);
            return Ok((start..middle, false));
        }
        if self.request.facts.body == RequestBody::None {
            return Ok((0..0, false));
        }
        self.pieces += 1;
        let piece = self.client.read_body(at_most)?;
        Ok((0..piece.len, piece.was_awaited))
    }

    /// Before waiting for the backend: what has come goes on to the client.
    fn hand_over(&mut self) -> Result<(), ProxyError> {
        if !self.pending {
            return Ok(());
        }
        let flush = match self.settings.flush {
            Flush::Off => false,
            Flush::On => true,
            Flush::Auto(wait) => !self.lease.wait_readable(wait).map_err(receiving)?,
        };
        if flush {
            self.client.append_flush();
        }
        self.pass()
    }

    fn pass(&mut self) -> Result<(), ProxyError> {
        if self.pending {
            self.pending = false;
            self.client.pass()?;
        }
        Ok(())
    }

    /// Waits for the next packet, or for the rest of one that has begun.
    fn receive(&mut self) -> Result<(), ProxyError> {
        let has_begun = self.lease.unread() > 0;
        let wait = if has_begun { self.settings.timeout } else { self.settings.reply_timeout };
        let count = self.lease.receive(wait).map_err(|error| match error {
            NetError::TimedOut { after } if has_begun => ProxyError::HalfAPacket { after },
            error => receiving(error),
        })?;
        if count == 0 {
            return Err(ProxyError::Died(None));
        }
        if self.phase == Phase::FirstByte {
            self.phase = Phase::Headers;
        }
        Ok(())
    }

    /// `failstatus`: an answer that counts as a failure of the backend is another's to give, if the
    /// request may be sent to another; else the client gets it, and the member bears the rest.
    fn judge_status(&mut self, status: u16) -> Result<(), ProxyError> {
        let listed = self.settings.fail_status.as_ref().and_then(|list| list.of(status));
        let Some(failure) = listed else { return Ok(()) };
        let is_safe = self.settings.resend.after_send.unwrap_or(self.request.is_idempotent);
        if is_safe && self.body_is_kept() {
            self.phase = Phase::Headers;
            return Err(ProxyError::FailStatus { status, failure });
        }
        self.failed_status = Some(failure);
        Ok(())
    }

    /// Gives the connection back first: a slow client must not keep it.
    pub(super) fn finish(self, reusable: Option<Reusable>) -> Result<Finished, Failure> {
        let Self { backend, settings, client, start, traffic, mut lease, failed_status, .. } = self;
        let usage = lease.usage();
        let reused = lease.is_reused();
        let spent = lease.retire();
        let now = Instant::now();
        traffic.took = now.saturating_duration_since(start);
        match reusable {
            Some(proof) => {
                let keep = if settings.keep {
                    backend.keep(&lease)
                } else {
                    Keep::Close(CloseReason::Forced)
                };
                lease.release(proof, now, keep);
            }
            None => drop(lease),
        }
        let attempts = traffic.attempts;
        let finished = Finished { attempts, usage, reused, failed_status };
        let passed = client.pass();
        drop(spent);
        passed.map(|()| finished).map_err(|error| Failure {
            error: error.into(),
            phase: Phase::Body,
            usage: Some(usage),
            reused,
            may_go_elsewhere: false,
        })
    }

    /// The failure, whether the request's body is still whole in memory, and the connection, which
    /// is good for nothing but its place.
    pub(super) fn fail(self, error: ProxyError) -> (Failure, bool, Lease<Connection>) {
        let usage = self.lease.usage();
        let reused = self.lease.is_reused();
        let body_is_kept = self.body_is_kept();
        let failure = Failure {
            error,
            phase: self.phase,
            usage: Some(usage),
            reused,
            may_go_elsewhere: false,
        };
        match failure.ended_by() {
            Party::Backend => {
                self.backend.connection_died();
                if !self.phase.is_answered() {
                    self.backend.request_in_doubt(self.request.packet.len());
                }
            }
            Party::Client if self.settings.reset_on_client_error => self.lease.reset_when_closed(),
            Party::Client | Party::Module => {}
        }
        (failure, body_is_kept, self.lease)
    }

    /// Every byte of the body that was read is still in memory.
    fn body_is_kept(&self) -> bool {
        self.pieces <= u32::from(self.request.first_piece.is_some())
    }

    /// What the end of a response says of the size of its request: a container that keeps the
    /// connection has read all of the packet.
    fn note_packet_size(&self, reuse: bool) {
        let packet = self.request.packet.len();
        if packet <= PacketSize::MIN.bytes() {
        } else if reuse {
            self.backend.request_answered(packet);
        } else if let Some(status @ 400..) = self.traffic.status {
            self.doubt_packet_size(packet, status);
        }
    }

    /// An error after which the container closes: it may be the answer to a packet that is too large,
    /// or to anything else.
    #[cold]
    fn doubt_packet_size(&self, packet: usize, status: u16) {
        let limit = self.backend.packet_limit();
        let claim = || self.backend.warnings().claim(WarningKind::LargePacket, Instant::now());
        let unsaid = if limit.is_proven(packet) { None } else { claim() };
        if let Some(unsaid) = unsaid {
            self.client.note(
                Level::Warning,
                format_args!(
                    "{}: {status} for a request packet of {packet} bytes; {}{unsaid}",
                    self.backend.key(),
                    if limit.is_configured() {
                        "if packetSize there is smaller than iobuffersize here, make them the same"
                    } else {
                        "if packetSize there is smaller, raise it (CPING could not tell)"
                    }
                ),
            );
        }
        self.backend.request_in_doubt(packet);
    }
}

fn body_header(len: usize) -> Result<[u8; 6], ProxyError> {
    data_header(len).map_err(|_| ExchangeError::BodyNotAskedFor { length: len }.into())
}

/// The bytes of these slices that lie in `range`, counted over all of them.
fn part(slices: Vec<&[u8]>, range: Range<usize>) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    slices.into_iter().map(move |slice| {
        let within = |at: usize| at.saturating_sub(start).min(slice.len());
        let part = &slice[within(range.start)..within(range.end)];
        start += slice.len();
        part
    })
}

fn sending(error: SendError) -> ProxyError {
    match error.source {
        NetError::TimedOut { after } => ProxyError::SendTimedOut { after },
        other => ProxyError::Died(Some(other)),
    }
}

fn receiving(error: NetError) -> ProxyError {
    match error {
        NetError::TimedOut { after } => ProxyError::TimedOut { after },
        other => ProxyError::Died(Some(other)),
    }
}
