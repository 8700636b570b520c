//! Any payload that is a FORWARD_REQUEST, decoded, encoded and decoded again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use test_support::ajp::properties::check_request;

fuzz_target!(|payload: &[u8]| {
    check_request(payload);
});
