//! The module of `filters.c`.

use std::path::PathBuf;
use std::sync::OnceLock;

use super::c_module::compiled;

/// Returns the `LoadModule` line of the filters NOTHING and HESITATING (input), RESET, BROKEN_PIPE and
/// SENDFILE (output).
pub fn load() -> String {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let path = BUILT.get_or_init(|| compiled("filters"));
    format!("LoadModule test_filters_module \"{}\"", path.display())
}
