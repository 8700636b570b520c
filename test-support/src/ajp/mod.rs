//! A container's side of AJP/1.3, written from the reference and not from `src/protocol`: a codec
//! that is tested only against itself agrees with itself. (Only `properties` uses both.)
//!
//! ```ignore
//! let peer = ScriptedPeer::start(|conn| {
//!     let request = conn.expect_forward_request()?;
//!     assert_eq!(request.uri, "/hello");
//!     conn.send(headers(200).header("Content-Type", "text/plain"))?;
//!     conn.send(chunk(b"hi"))?;
//!     conn.send(end_response().reuse(true))
//! });
//! // … point something at peer.port() …
//! assert_eq!(peer.requests(), 1);
//! ```

mod connection;
pub mod echo;
pub mod encode;
pub mod golden;
mod holding;
mod peer;
pub mod properties;
pub mod request;
mod socket;
mod state;

pub use connection::{PeerConnection, PeerSender};
pub use echo::echo;
pub use encode::{Packet, chunk, cpong, end_response, flush, get_body_chunk, headers, raw};
pub use holding::HoldingPeer;
pub use peer::ScriptedPeer;
pub use request::ForwardRequest;
