//! Any stream, read as one of either direction.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mod_proxy_ajp_rs::protocol::Direction;
use test_support::ajp::properties::check_split;

fuzz_target!(|stream: &[u8]| {
    check_split(stream, Direction::FromContainer);
    check_split(stream, Direction::ToContainer);
});
