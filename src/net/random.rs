//! Random numbers of the operating system's.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use super::NetError;

/// So many random bytes, good enough for keys.
///
/// # Errors
/// The system has none to give.
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
