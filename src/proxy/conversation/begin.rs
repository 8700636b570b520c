//! The beginning of a request where nothing is to be waited for: most have an idle connection at once.

use super::machine::{Conversation, Stage};
use super::step::{Context, What};
use crate::backend::{AjpConnection, Connection, Got};
use crate::pool::Acquired;
use crate::protocol::PacketSize;
use crate::proxy::Client;

impl Conversation<Connection> {
    /// Begins, and takes an idle connection if that is all there is to do: then the request is about to be sent.
    pub fn begin<C: Client>(&mut self, context: &mut Context<'_, C>) {
        // A larger one asks first.
        let may_be_taken = context.request.packet.len() <= PacketSize::MIN.bytes();
        let idle = || context.backend.idle_connection(&context.settings.connect, self.start);
        let acquired = may_be_taken.then(idle).flatten();
        self.begin_with(acquired, context);
    }
}

impl<L: AjpConnection> Conversation<L> {
    /// One that [`begin`](Conversation::begin) is to be called for, where it lies: it is large, and not to be moved
    /// then.
    pub fn not_begun<C: Client>(context: &Context<'_, C>) -> Self {
        Self::at(Stage::Done, (context.now)(), context)
    }

    /// Begins with what the pool has given, if that was asked.
    #[inline(always)]
    pub(super) fn begin_with<C: Client>(
        &mut self,
        acquired: Option<Acquired<L>>,
        context: &mut Context<'_, C>,
    ) {
        let settings = &context.settings.connect;
        match acquired {
            Some(Acquired::Reused(lease))
                if context.may_be_sent_again()
                    || !context.backend.is_doubtful(&lease, settings, self.start) =>
            {
                self.begin_attempt(lease, context);
            }
            acquired => self.begin_otherwise(acquired, context),
        }
    }

    /// Begins as a request that has asked for a place in the pool, and been given this.
    #[cold]
    fn begin_otherwise<C: Client>(
        &mut self,
        acquired: Option<Acquired<L>>,
        context: &mut Context<'_, C>,
    ) {
        *self = Self::new(context);
        if let Some(acquired) = acquired {
            self.got(What::Connection(Got::Place(Ok(acquired))), context);
        }
    }
}
