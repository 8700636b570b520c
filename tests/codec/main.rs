//! The codec against packets of real peers and of the scripted one.

mod golden_packets;
mod scripted_peer;
