//! What the fuzz targets promise: the same file the mutation test in `tests/golden_packets.rs` uses.

#[path = "../../tests/support/ajp/encode.rs"]
mod encode;
#[path = "../../tests/support/ajp/properties.rs"]
pub mod properties;
