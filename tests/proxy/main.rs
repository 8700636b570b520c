//! Requests through `proxy::serve` over real sockets, without httpd.

mod bodies;
mod dialogues;
mod isolation;
mod outcomes;
mod packet_sizes;
mod pings;
mod retry;
