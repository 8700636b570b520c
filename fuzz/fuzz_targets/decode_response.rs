//! Any payload, read as one from a container.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mod_proxy_ajp_rs_fuzz::properties::check_response;

fuzz_target!(|payload: &[u8]| {
    check_response(payload);
});
