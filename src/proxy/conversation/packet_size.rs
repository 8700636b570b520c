//! Conclusions about the size of a request from the end of its response.

use super::step::Context;
use crate::backend::WarningKind;
use crate::messages::Message;
use crate::protocol::PacketSize;
use crate::proxy::Client;

impl<C: Client> Context<'_, C> {
    /// A container that keeps the connection has read all of the packet.
    pub(super) fn note_packet_size(&self, reuse: bool, status: Option<u16>) {
        let packet = self.request.packet.len();
        if packet <= PacketSize::MIN.bytes() {
        } else if reuse {
            self.backend.request_answered(packet);
        } else if let Some(status @ 400..) = status {
            self.doubt_packet_size(packet, status);
        }
    }

    /// An error after which the container closes: it may be the answer to a packet that is too large,
    /// or to anything else.
    #[cold]
    fn doubt_packet_size(&self, packet: usize, status: u16) {
        let limit = self.backend.packet_limit();
        let claim = || self.backend.warnings().claim(WarningKind::LargePacket, (self.now)());
        let suppressed = if limit.is_proven(packet) { None } else { claim() };
        if let Some(suppressed) = suppressed {
            self.client.note(
                Message::PacketSizeDoubted,
                format_args!(
                    "{}: {status} for a request packet of {packet} bytes; {}{suppressed}",
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
