//! Any payload, read as one from a container.
#![no_main]

use libfuzzer_sys::fuzz_target;
use test_support::ajp::properties::check_response;

fuzz_target!(|payload: &[u8]| {
    check_response(payload);
});
