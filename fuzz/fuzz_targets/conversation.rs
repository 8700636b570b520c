//! A request to a backend that sends any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mod_proxy_ajp_rs::proxy::conversation::check_any_backend;

fuzz_target!(|plan: &[u8]| {
    check_any_backend(plan);
});
