//! The files on the disk, for a conversion that follows no Include with a wildcard.

use std::fs;

use mod_proxy_ajp_rs::migrate::Files;

/// The files on the disk.
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(path).map_err(|error| error.to_string())
    }
    fn find(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}
