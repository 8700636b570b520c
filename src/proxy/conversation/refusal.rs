//! Requests that the container refused before an application had them: what is probably the cause.
//!
//! Tomcat's connector answers such a request with an error page and END_RESPONSE with reuse = 0. An
//! application's own error has reuse = 1. Another container, or a Tomcat that stops, may set reuse = 0
//! for another reason, so a line says what came, and what is probably the cause.

use super::step::Context;
use crate::backend::{Suppressed, WarningKind};
use crate::messages::Message;
use crate::protocol::PacketSize;
use crate::proxy::Client;

impl<C: Client> Context<'_, C> {
    /// Explains an error after which the container does not keep the connection. The client gets it as it
    /// is.
    #[cold]
    pub(super) fn explain_refusal(&self, status: Option<u16>, has_asked_for_body: bool) {
        let Some(status @ 400..) = status else { return };
        let packet = self.request.packet.len();
        let is_large = packet > PacketSize::MIN.bytes();
        if status == 403 && !has_asked_for_body {
            self.explain_forbidden();
        } else if is_large {
            self.doubt_packet_size(packet, status);
        }
        if is_large {
            self.backend.request_in_doubt(packet);
        }
    }

    /// The secret is wrong or missing, or an attribute is not allowed (`prepareRequest` of Tomcat's
    /// `AjpProcessor`).
    fn explain_forbidden(&self) {
        let Some(suppressed) = self.claim(WarningKind::Refused) else { return };
        let key = self.backend.key();
        let is_set = if key.secret.is_empty() { "not set" } else { "set" };
        self.client.note(
            Message::RefusedByContainer,
            format_args!(
                "{key}: 403 with reuse=0 before any of the request body was asked for: probably not an \
                 application but the container's connector refused the request; check its secret and \
                 secretRequired (secret is {is_set} here) and its \
                 allowedRequestAttributesPattern{suppressed}"
            ),
        );
    }

    /// It may be the answer to a packet that is too large, or to anything else.
    fn doubt_packet_size(&self, packet: usize, status: u16) {
        let limit = self.backend.packet_limit();
        if limit.is_proven(packet) {
            return;
        }
        let Some(suppressed) = self.claim(WarningKind::LargePacket) else { return };
        let key = self.backend.key();
        let came = format!("{status} with reuse=0 for a request packet of {packet} bytes");
        match key.packet_size {
            Some(set) => self.client.note(
                Message::PacketSizeDoubted,
                format_args!(
                    "{key}: {came}: probably packetSize of the container's connector is smaller than \
                     iobuffersize={} here; make them the same{suppressed}",
                    set.bytes()
                ),
            ),
            None => self.client.note(
                Message::PacketSizeDoubted,
                format_args!(
                    "{key}: {came}: perhaps packetSize of the container's connector is smaller (CPING \
                     could not tell){suppressed}"
                ),
            ),
        }
    }

    /// Claims the line of this minute for the backend.
    fn claim(&self, kind: WarningKind) -> Option<Suppressed> {
        self.backend.warnings().claim(kind, (self.now)())
    }
}
