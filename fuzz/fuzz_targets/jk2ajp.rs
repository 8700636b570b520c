//! Any files of mod_jk.
#![no_main]

use libfuzzer_sys::fuzz_target;
use test_support::checks::jk2ajp::check_files;

fuzz_target!(|text: &[u8]| {
    check_files(text);
});
