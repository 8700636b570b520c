//! Any lines of a configuration.
#![no_main]

use libfuzzer_sys::fuzz_target;
use test_support::checks::config::check_config;

fuzz_target!(|text: &[u8]| {
    check_config(text);
});
