//! The driver that does in place whatever the machine of a request asks for, on one thread.

use std::thread;
use std::time::{Duration, Instant};

use super::conversation::{Context, Conversation, Do, What};
use super::{Client, Failure, Finished, Prepared, Settings, Traffic};
use crate::backend::{Backend, Connection};
use crate::net::{NetError, Ready};

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
    let mut context = Context { backend, settings, request, client, now: &Instant::now };
    let mut conversation = Conversation::<Connection>::new(&context);
    loop {
        match conversation.next(&context) {
            Do::Receive(time) => {
                let connection = conversation.connection();
                let received = connection.map_or(GONE, |connection| connection.receive(time));
                conversation.got(What::Received(received), &mut context);
            }
            Do::Send => {
                let sent = conversation.send(&context, Connection::send).unwrap_or(GONE);
                conversation.got(What::Sent(sent), &mut context);
            }
            Do::Piece { at_most } => {
                let piece = context.client.read_body(at_most);
                conversation.got(What::Piece(piece), &mut context);
            }
            Do::ReadAhead { at_most } => {
                let ahead = context.client.read_ahead(at_most);
                conversation.got(What::Ahead(ahead), &mut context);
            }
            Do::Pass { flush } => {
                if flush {
                    context.client.append_flush();
                }
                let passed = context.client.pass();
                conversation.got(What::Passed(passed), &mut context);
            }
            Do::Connection(need) => {
                let connections = conversation.connections();
                let got = connections.map(|on| backend.supply(need, &settings.connect, on));
                let what = got.map_or(What::Paused, What::Connection);
                conversation.got(what, &mut context);
            }
            Do::Wait { readable, writable, time } => {
                let ready = wait(conversation.connection(), readable, writable, time);
                conversation.got(What::Ready(ready), &mut context);
            }
            Do::Pause(time) => {
                thread::sleep(time);
                conversation.got(What::Paused, &mut context);
            }
            Do::Done => return conversation.take_end(),
        }
    }
}

#[cold]
fn wait(
    connection: Option<&mut Connection>,
    readable: bool,
    writable: bool,
    time: Duration,
) -> Result<Ready, NetError> {
    let Some(connection) = connection else { return Err(NetError::Closed) };
    if writable {
        return connection.wait_for_room(readable, time);
    }
    connection.wait_readable(time).map(|readable| Ready { readable, writable: false })
}

/// There is no attempt, which the machine does not let happen.
const GONE: Result<usize, NetError> = Err(NetError::Closed);
