//! Conclusions about the size of a request from the end of its response.

use super::step::Context;
use crate::exchange::Exchange;
use crate::protocol::PacketSize;
use crate::proxy::Client;

impl<C: Client> Context<'_, C> {
    /// A container that keeps the connection has read all of the packet.
    pub(super) fn note_packet_size(&self, reuse: bool, status: Option<u16>, exchange: &Exchange) {
        let packet = self.request.packet.len();
        if !reuse {
            self.explain_refusal(status, exchange.has_asked_for_body());
        } else if packet > PacketSize::MIN.bytes() {
            self.backend.request_answered(packet);
        }
    }
}
