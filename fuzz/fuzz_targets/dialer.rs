//! Any bytes of a container, as `ajp-dialer` follows them; the first four say how they are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mod_proxy_ajp_rs::dialer::check_answers;

fuzz_target!(|input: &[u8]| {
    let (lengths, stream) = input.split_at(input.len().min(4));
    check_answers(lengths, stream);
});
