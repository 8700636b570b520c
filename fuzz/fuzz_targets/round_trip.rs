//! Any payload that is a FORWARD_REQUEST, decoded, encoded and decoded again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mod_proxy_ajp_rs_fuzz::properties::check_request;

fuzz_target!(|payload: &[u8]| {
    check_request(payload);
});
