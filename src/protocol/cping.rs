//! CPING and CPONG: is the container there, and listening?

/// The packet that asks: `12 34 00 01 0A`.
pub const CPING: [u8; 5] = [0x12, 0x34, 0x00, 0x01, 0x0A];

/// The packet that answers, whole: `41 42 00 01 09`. Decoded it is
/// [`Response::CPong`](super::Response::CPong).
pub const CPONG: [u8; 5] = [0x41, 0x42, 0x00, 0x01, 0x09];

/// The payload of [`CPONG`]: its type byte, alone.
pub const CPONG_PAYLOAD: [u8; 1] = [0x09];
