//! Random numbers from the operating system.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use super::NetError;

/// Returns `N` random bytes, good enough for keys.
///
/// # Errors
/// The operating system cannot provide them.
pub fn random<const N: usize>() -> Result<[u8; N], NetError> {
    let mut bytes = [0; N];
    loop {
        match getrandom(&mut bytes, GetRandomFlags::empty()) {
            Ok(count) if count == N => return Ok(bytes),
            // Only a request of more than 256 bytes can be cut short (getrandom(2)).
            Ok(_) => return Err(NetError::Io(Errno::IO)),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
