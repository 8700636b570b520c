//! Any payload, read as each packet of the handshake.
#![no_main]

use libfuzzer_sys::fuzz_target;
use test_support::checks::handshake::check_handshake;

fuzz_target!(|payload: &[u8]| {
    check_handshake(payload);
});
