//! The state that this module keeps with httpd's servers, connections and requests.

pub(crate) mod connection_state;
pub(crate) mod first_piece;
pub(crate) mod member_marks;
pub(crate) mod probe;
pub(crate) mod request_state;
pub(crate) mod server_config;
pub(crate) mod server_state;
