//! The codec against packets of real programs and of the scripted container.

mod golden_packets;
mod scripted_peer;
