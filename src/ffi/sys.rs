//! httpd's own declarations, as bindgen found them in the headers apxs named.
#![allow(missing_docs, missing_debug_implementations, non_camel_case_types, non_snake_case)]
#![allow(dead_code, unsafe_code)]
// Rust 1.85 does not know the last of these.
#![allow(unknown_lints, non_upper_case_globals, unsafe_op_in_unsafe_fn, unnecessary_transmutes)]
#![allow(clippy::all, clippy::undocumented_unsafe_blocks, clippy::missing_safety_doc)]

include!(concat!(env!("OUT_DIR"), "/httpd.rs"));
