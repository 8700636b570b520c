//! `On` and `Off`.

use super::ValueError;

/// Reads `On` or `Off`, in any case.
pub(super) fn on_off(value: &str) -> Result<bool, ValueError> {
    if value.eq_ignore_ascii_case("on") {
        Ok(true)
    } else if value.eq_ignore_ascii_case("off") {
        Ok(false)
    } else {
        Err(ValueError("On or Off"))
    }
}
