//! Any body of a POST to ajp-status.
#![no_main]

use libfuzzer_sys::fuzz_target;
use test_support::checks::orders::check_order;

fuzz_target!(|body: &[u8]| {
    check_order(body);
});
