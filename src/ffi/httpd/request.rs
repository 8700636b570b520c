//! A view of the request httpd is serving.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::time::Duration;

use crate::ffi::apr::array;
use crate::ffi::apr::pool::Pool;
use crate::ffi::apr::table::Table;
use crate::ffi::apr::text;
use crate::ffi::httpd::connection::Connection;
use crate::ffi::httpd::module_record;
use crate::ffi::httpd::server::Server;
use crate::ffi::sys;

/// The request of one hook call: reads a field at a time, never holds a reference to the record.
/// Not `Send`: only the thread that serves the request may use it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'r> {
    raw: NonNull<sys::request_rec>,
    hook: PhantomData<&'r ()>,
}

/// One TCP end point of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer<'r> {
    pub ip: &'r [u8],
    pub port: u16,
}

impl<'r> Request<'r> {
    /// # Safety
    /// `raw` is the request this thread serves, with all its records, and lives during `'r`: for
    /// the length of a hook.
    pub(crate) unsafe fn from_ptr(raw: *mut sys::request_rec) -> Self {
        // SAFETY: httpd passes no null request; the caller vouches for the rest.
        Self { raw: unsafe { NonNull::new_unchecked(raw) }, hook: PhantomData }
    }

    pub(crate) fn as_ptr(self) -> *mut sys::request_rec {
        self.raw.as_ptr()
    }

    pub(crate) fn pool(self) -> Pool<'r> {
        // SAFETY: the request's own pool, used by this thread alone.
        unsafe { Pool::from_ptr((*self.as_ptr()).pool) }
    }

    /// The server (main or virtual host) that serves it.
    pub(crate) fn server(self) -> Server<'r> {
        // SAFETY: a plain field of a live record; its server outlives the request.
        unsafe { Server::from_ptr((*self.as_ptr()).server) }
    }

    pub(crate) fn connection(self) -> *mut sys::conn_rec {
        // SAFETY: a plain field of a live record.
        unsafe { (*self.as_ptr()).connection }
    }

    /// The connection it came over.
    pub(crate) fn client_connection(self) -> Connection<'r> {
        // SAFETY: a live connection, which outlives its requests and is this thread's as they are.
        unsafe { Connection::from_ptr(self.connection()) }
    }

    /// It is the client's own, as it came: no subrequest, and not where another was redirected to inside
    /// of httpd.
    pub(crate) fn is_initial(self) -> bool {
        // SAFETY: plain fields of a live record.
        unsafe { (*self.as_ptr()).main.is_null() && (*self.as_ptr()).prev.is_null() }
    }

    /// The host that the request names, without port; empty if it names none.
    pub(crate) fn host(self) -> &'r [u8] {
        // SAFETY: null or a string of the request's pool.
        unsafe { text::bytes((*self.as_ptr()).hostname) }.unwrap_or(b"")
    }

    /// The names that its server has by ServerName and, without a wildcard, ServerAlias.
    pub(crate) fn server_names(self) -> impl Iterator<Item = &'r [u8]> {
        // SAFETY: the server is live, and its names are strings of the configuration, which outlives the
        // request; the array does not change while httpd serves.
        unsafe {
            let server = self.server().as_ptr();
            let aliases = array::elements::<*const c_char>((*server).names);
            let own: *const c_char = (*server).server_hostname;
            std::iter::once(own)
                .chain(aliases.map(|alias| *alias))
                .filter_map(|name| text::bytes(name))
        }
    }

    /// The path of its URL, decoded and with one slash at its beginning, encoded again.
    pub(crate) fn encoded_path(self) -> &'r [u8] {
        let path = self.uri();
        let slashes = path.iter().take_while(|byte| **byte == b'/').count();
        // With two slashes, a browser would take the rest for a host.
        let path = self.pool().concat(&[b"/", &path[slashes..]]);
        // SAFETY: the request's own pool; a string of it, and the result is one.
        unsafe { text::bytes(sys::ap_os_escape_path(self.pool().as_ptr(), path, 1)) }
            .unwrap_or(b"/")
    }

    /// The request in the words of logs: `GET /shop/cart`, without the query string, which may contain what
    /// is not for a log.
    pub(crate) fn for_log(self) -> String {
        let (method, path) = (String::from_utf8_lossy(self.method()), self.encoded_path());
        let shown = path.get(..MOST_LOGGED).unwrap_or(path);
        let dots = if shown.len() < path.len() { "..." } else { "" };
        format!("{method} {}{dots}", String::from_utf8_lossy(shown))
    }

    /// `Timeout`.
    pub(crate) fn timeout(self) -> Duration {
        self.server().timeout()
    }

    /// The path of its URL, as the client asked for it.
    pub(crate) fn uri(self) -> &'r [u8] {
        // SAFETY: a string of the request's pool.
        unsafe { text::bytes((*self.as_ptr()).uri) }.unwrap_or(b"/")
    }

    /// mod_proxy's settings for this request's directory.
    pub(crate) fn proxy_dir_conf(self) -> *mut sys::proxy_dir_conf {
        // SAFETY: per_dir_config is set before any handler runs; mod_proxy creates a
        // configuration for every directory.
        unsafe {
            module_record::config_in((*self.as_ptr()).per_dir_config, &raw const sys::proxy_module)
                .cast()
        }
    }

    /// AllowEncodedSlashes NoDecode.
    #[cfg(httpd_has_canonenc_ex)]
    pub(crate) fn keeps_encoded_slashes(self) -> bool {
        // SAFETY: per_dir_config is set before any handler runs; core creates a configuration for
        // every directory.
        unsafe {
            let core = &raw const sys::core_module;
            let conf = module_record::config_in((*self.as_ptr()).per_dir_config, core);
            let conf = conf.cast_const().cast::<sys::core_dir_config>();
            sys::core_dir_config::allow_encoded_slashes_raw(conf) != 0
                && sys::core_dir_config::decode_encoded_slashes_raw(conf) == 0
        }
    }

    pub(crate) fn method(self) -> &'r [u8] {
        // SAFETY: a string of the request's pool.
        unsafe { text::bytes((*self.as_ptr()).method) }.unwrap_or(b"GET")
    }

    /// Whether the client asked with HEAD (or this is a subrequest of such a request).
    pub(crate) fn is_header_only(self) -> bool {
        // SAFETY: a plain field of a live record.
        unsafe { (*self.as_ptr()).header_only != 0 }
    }

    pub(crate) fn protocol(self) -> &'r [u8] {
        // SAFETY: a string of the request's pool.
        unsafe { text::bytes((*self.as_ptr()).protocol) }.unwrap_or(b"HTTP/1.1")
    }

    /// The query string of the client's request.
    pub(crate) fn args(self) -> Option<&'r [u8]> {
        // SAFETY: a string of the request's pool, or null.
        unsafe { text::bytes((*self.as_ptr()).args) }
    }

    /// The file name that the request has been translated to: `proxy:` and a URL.
    pub(crate) fn filename(self) -> &'r [u8] {
        // SAFETY: a string of the request's pool, or null.
        unsafe { text::bytes((*self.as_ptr()).filename) }.unwrap_or(b"")
    }

    pub(crate) fn set_filename(self, filename: *mut c_char) {
        // SAFETY: the record is ours to write during a canon hook; the text is in its pool.
        unsafe { (*self.as_ptr()).filename = filename }
    }

    pub(crate) fn user(self) -> Option<&'r [u8]> {
        // SAFETY: a string of the request's pool, or null.
        unsafe { text::bytes((*self.as_ptr()).user) }
    }

    pub(crate) fn auth_type(self) -> Option<&'r [u8]> {
        // SAFETY: a string of the request's pool, or null.
        unsafe { text::bytes((*self.as_ptr()).ap_auth_type) }
    }

    /// The client, as mod_remoteip sees it.
    pub(crate) fn client(self) -> Peer<'r> {
        // SAFETY: set before any handler runs; strings and address in the connection's pool.
        unsafe {
            let r = self.as_ptr();
            let address = (*r).useragent_addr;
            Peer {
                ip: text::bytes((*r).useragent_ip).unwrap_or(b""),
                port: if address.is_null() { 0 } else { (*address).port },
            }
        }
    }

    /// Our end of the client's connection.
    pub(crate) fn local(self) -> Peer<'r> {
        // SAFETY: set when the connection was accepted; both live as long as the connection.
        unsafe {
            let c = self.connection();
            let address = (*c).local_addr;
            Peer {
                ip: text::bytes((*c).local_ip).unwrap_or(b""),
                port: if address.is_null() { 0 } else { (*address).port },
            }
        }
    }

    /// The client's host name where HostnameLookups is on.
    pub(crate) fn remote_host(self) -> Option<&'r [u8]> {
        // SAFETY: the request is live; the result is a string of the connection's pool, or null.
        unsafe {
            text::bytes(sys::ap_get_useragent_host(
                self.as_ptr(),
                sys::REMOTE_HOST as c_int,
                std::ptr::null_mut(),
            ))
        }
    }

    /// The name of the server, as the client or UseCanonicalName gives it.
    pub(crate) fn server_name(self) -> &'r [u8] {
        // SAFETY: the request is live; the result is a string of its pool or of its server.
        unsafe { text::bytes(sys::ap_get_server_name(self.as_ptr())) }.unwrap_or(b"")
    }

    /// A variable of the request's environment, else a variable that CGI programs get (REMOTE_ADDR,
    /// HTTP_... and so on), as with mod_jk.
    pub(crate) fn variable(self, name: &CStr) -> Option<&'r [u8]> {
        self.environment().get(name).or_else(|| {
            // SAFETY: the request is live; its environment is changed by this thread alone, and no
            // iterator over it is in use.
            unsafe { sys::ap_add_common_vars(self.as_ptr()) };
            self.environment().get(name)
        })
    }

    pub(crate) fn headers_in(self) -> Table<'r> {
        // SAFETY: a table of the request, never null.
        unsafe { Table::from_ptr((*self.as_ptr()).headers_in) }
    }

    pub(crate) fn headers_out(self) -> Table<'r> {
        // SAFETY: a table of the request, never null.
        unsafe { Table::from_ptr((*self.as_ptr()).headers_out) }
    }

    pub(crate) fn set_headers_out(self, table: Table<'r>) {
        // SAFETY: the handler owns the response; the table is in the request's pool.
        unsafe { (*self.as_ptr()).headers_out = table.as_ptr() }
    }

    pub(crate) fn err_headers_out(self) -> Table<'r> {
        // SAFETY: a table of the request, never null.
        unsafe { Table::from_ptr((*self.as_ptr()).err_headers_out) }
    }

    pub(crate) fn notes(self) -> Table<'r> {
        // SAFETY: a table of the request, never null.
        unsafe { Table::from_ptr((*self.as_ptr()).notes) }
    }

    pub(crate) fn environment(self) -> Table<'r> {
        // SAFETY: a table of the request, never null.
        unsafe { Table::from_ptr((*self.as_ptr()).subprocess_env) }
    }

    pub(crate) fn status(self) -> c_int {
        // SAFETY: a plain field of a live record.
        unsafe { (*self.as_ptr()).status }
    }

    /// Sets status and status line; null: the standard one.
    pub(crate) fn set_status(self, status: c_int, line: *const c_char) {
        // SAFETY: the handler owns the response; the line is static or in the request's pool.
        unsafe {
            (*self.as_ptr()).status = status;
            (*self.as_ptr()).status_line = line;
        }
    }

    pub(crate) fn status_line(self) -> *const c_char {
        // SAFETY: a plain field of a live record.
        unsafe { (*self.as_ptr()).status_line }
    }

    /// Whether it came over a stream of a connection that carries several (HTTP/2).
    pub(crate) fn is_a_stream(self) -> bool {
        // SAFETY: the connection is live; a plain field.
        unsafe { !(*self.connection()).master.is_null() }
    }

    /// Whether its client waits for 100 Continue, which httpd sends when it is to wait for the body.
    pub(crate) fn expects_continue(self) -> bool {
        // SAFETY: a plain field of a live record.
        unsafe { (*self.as_ptr()).expecting_100 != 0 }
    }

    pub(crate) fn is_aborted(self) -> bool {
        // SAFETY: the connection is live.
        unsafe { (*self.connection()).aborted != 0 }
    }

    /// Whether httpd has sent the header of the response.
    pub(crate) fn has_sent_headers(self) -> bool {
        // SAFETY: a plain field of a live record.
        unsafe { (*self.as_ptr()).sent_bodyct != 0 }
    }

    /// Whether this is the page of an ErrorDocument: a request of httpd's own, without a body, which
    /// has inherited the client's headers.
    pub(crate) fn is_error_document(self) -> bool {
        // SAFETY: prev is null or the live request this one was redirected from.
        unsafe {
            let previous = (*self.as_ptr()).prev;
            !previous.is_null() && self.status() >= 400
        }
    }

    /// Whether its body goes through filters that may change it (mod_deflate and similar modules).
    pub(crate) fn has_content_input_filters(self) -> bool {
        // SAFETY: plain fields of a live record.
        unsafe { (*self.as_ptr()).input_filters != (*self.as_ptr()).proto_input_filters }
    }

    /// Whether it has a body, if neither Content-Length nor Transfer-Encoding announces one.
    pub(crate) fn has_unannounced_body(self) -> bool {
        #[cfg(httpd_has_body_indeterminate)]
        // SAFETY: the request is live.
        unsafe {
            sys::ap_request_has_body(self.as_ptr()) != 0
        }
        // What is left of `ap_request_has_body` without these headers: a body that mod_request has kept.
        #[cfg(not(httpd_has_body_indeterminate))]
        // SAFETY: a plain field of a live record.
        unsafe {
            !self.is_header_only() && !(*self.as_ptr()).kept_body.is_null()
        }
    }

    /// The state that this module keeps with the request: null until [`keep`](Self::keep).
    pub(crate) fn kept(self) -> *mut c_void {
        // SAFETY: request_config exists for the whole life of the request.
        unsafe {
            module_record::config_in((*self.as_ptr()).request_config, module_record::record())
        }
    }

    /// Keeps a pointer with the request.
    ///
    /// # Safety
    /// `value` is what the users of [`kept`](Self::kept) take it for, and lives as long as the request.
    pub(crate) unsafe fn keep(self, value: *mut c_void) {
        // SAFETY: as in `kept`.
        unsafe {
            sys::ap_set_module_config(
                (*self.as_ptr()).request_config,
                module_record::record(),
                value,
            );
        }
    }
}

/// The longest path in a line of the log, in bytes: what comes behind it must fit, too.
const MOST_LOGGED: usize = 300;
