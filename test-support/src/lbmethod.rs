//! The module of `lbmethod.c`.

use std::path::PathBuf;
use std::sync::OnceLock;

use super::c_module::compiled;

/// Returns the `LoadModule` line of an lbmethod that has the name of httpd's `byrequests` and takes its place: the
/// last member gets all requests.
pub fn load() -> String {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let path = BUILT.get_or_init(|| compiled("lbmethod"));
    format!("LoadModule test_lbmethod_module \"{}\"", path.display())
}
