//! The driver that does in place whatever the machine of a request asks for, on one thread.

use std::thread;
use std::time::{Duration, Instant};

use super::conversation::{BodyWait, Context, Conversation, Do, What};
use super::{Client, Failure, Finished, Prepared, RequestSettings, Settings, Traffic};
use crate::backend::{Backend, Connection};
use crate::net::{NetError, Ready, wait_readable};

/// Serves one request: the response has been handed to `client` when this returns. Also says what
/// it cost.
///
/// # Errors
/// [`Failure`]; see [`Consequence::of`](super::Consequence::of) for what follows from it. The connection
/// is closed then.
pub fn serve(
    backend: &Backend,
    settings: &Settings,
    own: &RequestSettings,
    request: &Prepared,
    client: &mut impl Client,
) -> (Result<Finished, Failure>, Traffic) {
    let mut context = Context { backend, settings, own, request, client, now: &Instant::now };
    let mut conversation = Conversation::not_begun(&context);
    conversation.begin(&mut context);
    loop {
        match conversation.next(&context) {
            Do::Done => return conversation.take_end(),
            todo => step(todo, &mut conversation, &mut context),
        }
    }
}

/// Does one thing that the machine asks for in place, waiting as long as it says.
#[inline(always)]
pub(super) fn step<C: Client>(
    todo: Do,
    conversation: &mut Conversation<Connection>,
    context: &mut Context<'_, C>,
) {
    let what = match todo {
        Do::Receive { time, at_least } => {
            let connection = conversation.connection();
            What::Received(connection.map_or(GONE, |c| c.receive_at_least(at_least, time)))
        }
        Do::Send => What::Sent(conversation.send(context, Connection::send).unwrap_or(GONE)),
        Do::Piece { at_most } => What::Piece(context.client.read_body(at_most)),
        Do::PieceNow { at_most } => What::PieceNow(context.client.read_now(at_most)),
        Do::BodyWait { backend, time } => {
            let connection = conversation.connection();
            What::BodyWait(wait_for_body(context.client, connection, backend, time))
        }
        Do::ReadAhead { at_most } => What::Ahead(context.client.read_ahead(at_most)),
        Do::Gather { at_most } => What::Ahead(context.client.gather(at_most)),
        Do::Pass { flush } => {
            if flush {
                context.client.append_flush();
            }
            What::Passed(context.client.pass())
        }
        Do::Connection(need) => {
            let connect = &context.settings.connect;
            let connections = conversation.connections();
            let got = connections.map(|on| context.backend.supply(need, connect, on));
            got.map_or(What::Paused, What::Connection)
        }
        Do::Wait { readable, writable, time } => {
            What::Ready(wait(conversation.connection(), readable, writable, time))
        }
        Do::Pause(time) => {
            thread::sleep(time);
            What::Paused
        }
        Do::Done => return,
    };
    conversation.got(what, context);
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

#[cold]
fn wait_for_body(
    client: &impl Client,
    connection: Option<&mut Connection>,
    backend: bool,
    time: Duration,
) -> Result<BodyWait, NetError> {
    let (Some(socket), Some(connection)) = (client.body_socket(), connection) else {
        return Ok(BodyWait { client: true, backend: false });
    };
    if !backend {
        let client = wait_readable(socket, time)?;
        return Ok(BodyWait { client, backend: false });
    }
    let [backend, client] = connection.wait_readable_or(socket, time)?;
    Ok(BodyWait { client, backend })
}

/// There is no attempt, which the machine does not let happen.
const GONE: Result<usize, NetError> = Err(NetError::Closed);
