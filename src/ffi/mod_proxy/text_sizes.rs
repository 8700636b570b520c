//! The lengths of mod_proxy's arrays of text, in bytes. A wrong one does not compile.

use crate::ffi::sys;

pub(crate) const HOST: usize = sys::PROXY_RFC1035_HOSTNAME_SIZE as usize;
#[cfg(httpd_has_name_ex)]
pub(crate) const NAME: usize = sys::PROXY_WORKER_EXT_NAME_SIZE as usize;
#[cfg(not(httpd_has_name_ex))]
pub(crate) const NAME: usize = sys::PROXY_WORKER_MAX_NAME_SIZE as usize;
pub(crate) const SECRET: usize = sys::PROXY_WORKER_MAX_SECRET_SIZE as usize;
pub(crate) const ROUTE: usize = sys::PROXY_WORKER_MAX_ROUTE_SIZE as usize;
#[cfg(httpd_has_socket_path_size)]
pub(crate) const SOCKET_PATH: usize = sys::PROXY_WORKER_UDS_PATH_SIZE as usize;
#[cfg(not(httpd_has_socket_path_size))]
pub(crate) const SOCKET_PATH: usize = sys::PROXY_WORKER_MAX_NAME_SIZE as usize;
pub(crate) const BALANCER_NAME: usize = sys::PROXY_BALANCER_MAX_NAME_SIZE as usize;
