//! What the integration tests share. Each test target uses a part of it.
#![allow(dead_code, unused_imports, missing_docs, missing_debug_implementations)]

pub mod ajp;
