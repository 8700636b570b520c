//! One request to one backend: as many attempts as are allowed.

use std::time::Instant;

use super::consequence::resend::{self, Replay};
use super::dialogue::Dialogue;
use super::{Client, Failure, Finished, Level, Prepared, ProxyError, Resend, Settings, Traffic};
use crate::backend::{AcquireFailure, Backend, Connection, NotAdmitted};
use crate::pool::Lease;
use crate::protocol::PacketSize;

/// Serves one request: the response has been handed to `client` when this returns. Also says what
/// it cost.
///
/// # Errors
/// [`Failure`]; see [`Consequence::of`](super::Consequence::of) for what follows from it. The connection
/// is closed then.
pub fn serve(
    backend: &Backend,
    settings: &Settings,
    request: &Prepared,
    client: &mut impl Client,
) -> (Result<Finished, Failure>, Traffic) {
    let start = Instant::now();
    let mut traffic = Traffic::default();
    let result = attempts(backend, settings, request, client, start, &mut traffic);
    if result.is_err() {
        traffic.took = start.elapsed();
    }
    (result, traffic)
}

fn attempts(
    backend: &Backend,
    settings: &Settings,
    request: &Prepared,
    client: &mut impl Client,
    start: Instant,
    traffic: &mut Traffic,
) -> Result<Finished, Failure> {
    admit(backend, settings, request, traffic)?;
    let (mut unwritten, mut repeated) = (0, 0);
    let may_be_sent_again =
        settings.resend.repeats > 0 && settings.resend.after_send.unwrap_or(request.is_idempotent);
    let mut lease = connect(settings, start, traffic, || {
        if may_be_sent_again {
            backend.acquire(&settings.connect)
        } else {
            backend.acquire_certain(&settings.connect)
        }
    })?;
    loop {
        traffic.attempts += 1;
        traffic.reused = Some(lease.is_reused());
        let mut dialogue = Dialogue::new(backend, settings, request, client, lease, start, traffic);
        let error = match dialogue.run() {
            Ok(reusable) => return dialogue.finish(reusable),
            Err(error) => error,
        };
        let (mut failure, body_is_kept, failed) = dialogue.fail(error);
        let may_have_acted = resend::may_have_acted(&failure);
        let count = if may_have_acted { &mut repeated } else { &mut unwritten };
        let replay = Replay {
            is_idempotent: request.is_idempotent,
            after_send: settings.resend.after_send,
            body_is_kept,
            retries_left: settings.resend.retries.saturating_sub(*count),
            repeats_left: settings.resend.repeats.saturating_sub(traffic.repeats),
            has_others: settings.fail_status.is_some(),
            is_alone: settings.resend.is_alone,
        };
        let is_same = resend::same_backend(&failure, replay);
        failure.may_go_elsewhere = !is_same && resend::other_backend(&failure, replay);
        if may_have_acted && (is_same || failure.may_go_elsewhere) {
            traffic.repeats += 1;
        }
        if !is_same {
            return Err(failure);
        }
        *count += 1;
        client.note(
            Level::Info,
            format_args!(
                "{}: {} while {}, sending the request again on a new connection",
                backend.key(),
                failure.error,
                failure.phase.words()
            ),
        );
        pause(settings.resend);
        lease = replace(backend, settings, traffic, failed)?;
        if may_have_acted && replay.has_others && !answers(backend, settings, traffic, &lease) {
            failure.may_go_elsewhere = resend::other_backend(&failure, replay);
            return Err(failure);
        }
    }
}

/// Asks the container first where the request is larger than what it is known to take.
fn admit(
    backend: &Backend,
    settings: &Settings,
    request: &Prepared,
    traffic: &mut Traffic,
) -> Result<(), Failure> {
    let packet = request.packet.len();
    if packet <= PacketSize::MIN.bytes() {
        return Ok(());
    }
    let start = Instant::now();
    let admitted = backend.admit(packet, &settings.connect);
    traffic.waited += start.elapsed();
    admitted.map_err(|refusal| match refusal {
        NotAdmitted::Acquire(failure) => Failure::before_connection(failure),
        NotAdmitted::TooLarge { packet, limit } => {
            let status = request.too_large_status(limit);
            Failure::before_connection(ProxyError::RequestTooLarge { packet, limit, status })
        }
    })
}

/// A connection, with `connect_retries` more attempts where opening one fails.
fn connect(
    settings: &Settings,
    start: Instant,
    traffic: &mut Traffic,
    acquire: impl Fn() -> Result<Lease<Connection>, AcquireFailure>,
) -> Result<Lease<Connection>, Failure> {
    let mut left = settings.resend.connect_retries;
    let result = loop {
        match acquire() {
            Err(failure) if left > 0 && resend::may_connect_again(&failure) => {
                left -= 1;
                pause(settings.resend);
            }
            result => break result,
        }
    };
    traffic.waited += start.elapsed();
    result.map_err(Failure::before_connection)
}

/// A new connection in the place of the one that failed; if it cannot be opened, there is a place
/// to be found for each further attempt.
fn replace(
    backend: &Backend,
    settings: &Settings,
    traffic: &mut Traffic,
    failed: Lease<Connection>,
) -> Result<Lease<Connection>, Failure> {
    let start = Instant::now();
    let replaced = backend.replace(failed, &settings.connect);
    traffic.waited += start.elapsed();
    match replaced {
        Ok(lease) => Ok(lease),
        Err(_) if settings.resend.connect_retries > 0 => {
            pause(settings.resend);
            connect(settings, Instant::now(), traffic, || backend.acquire_new(&settings.connect))
        }
        Err(failure) => Err(Failure::before_connection(failure)),
    }
}

/// Does a container answer? One that stops takes new connections and resets them: what is sent over
/// such a one counts as executed, and may have been the last time. CPING does not.
fn answers(
    backend: &Backend,
    settings: &Settings,
    traffic: &mut Traffic,
    lease: &Lease<Connection>,
) -> bool {
    let start = Instant::now();
    let is_there = backend.answers(lease, &settings.connect);
    traffic.waited += start.elapsed();
    is_there
}

fn pause(resend: Resend) {
    if !resend.interval.is_zero() {
        std::thread::sleep(resend.interval);
    }
}
