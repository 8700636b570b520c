//! Requests without a socket: what is asked for, what the container and the client do, how it ends.

mod client;
mod dialogues;
mod random;
mod random_uploads;
mod scene;
mod uploads;

use super::{BodyWait, Context, Conversation, Do, What};
use client::TestClient;
use scene::Scene;
