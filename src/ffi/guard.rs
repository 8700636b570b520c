//! The barrier between httpd and Rust: no panic crosses it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `body` and returns its value; after a panic, returns `fallback`.
///
/// The panic hook of the child has logged it by then. What the closure was working on is dropped
/// while unwinding, so a connection it held is closed.
pub(crate) fn guard<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    guard_or(|| fallback, body)
}

/// As [`guard`], with a fallback that is computed after a panic. It must not panic itself.
pub(crate) fn guard_or<T>(fallback: impl FnOnce() -> T, body: impl FnOnce() -> T) -> T {
    // AssertUnwindSafe: nothing that `body` could leave half changed is used again. A request is
    // over, and what requests share is behind locks with no panicking call inside.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(payload) => {
            // Its destructor could panic again. It is small, and this hardly ever happens.
            std::mem::forget(payload);
            fallback()
        }
    }
}

/// Returns the text of a panic.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_fallback() {
        assert_eq!(guard(500, || panic!("on purpose")), 500);
        assert_eq!(guard(500, || 200), 200);
    }
}
