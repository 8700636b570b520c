//! The client's TLS connection, as mod_ssl (or a similar module) knows it.

use std::ffi::CStr;

use crate::ffi::apr::text;
use crate::ffi::httpd::request::Request;
use crate::ffi::sys;

impl<'r> Request<'r> {
    /// Whether the client is connected by TLS.
    pub(crate) fn is_tls(self) -> bool {
        // SAFETY: the connection is live.
        unsafe { sys::ap_ssl_conn_is_ssl(self.connection()) != 0 }
    }

    /// A variable of mod_ssl (or a similar module); `None` if it is empty.
    pub(crate) fn tls_variable(self, name: &CStr) -> Option<&'r [u8]> {
        // SAFETY: all records are live; the result is a string of the request's pool, or null.
        let value = unsafe {
            let r = self.as_ptr();
            text::bytes(sys::ap_ssl_var_lookup(
                (*r).pool,
                (*r).server,
                (*r).connection,
                r,
                name.as_ptr(),
            ))
        };
        value.filter(|text| !text.is_empty())
    }

    /// The client's certificate in PEM; with `chain`, followed by the other certificates of its chain
    /// that the client has sent. `None` unless mod_ssl has asked the client for one.
    pub(crate) fn certificates(self, chain: bool) -> Option<&'r [u8]> {
        let own = self.tls_variable(c"SSL_CLIENT_CERT")?;
        if !chain {
            return Some(own);
        }
        let behind = CHAIN.iter().map_while(|name| self.tls_variable(name));
        let all = behind.fold(own.to_vec(), |mut all, next| {
            if !all.ends_with(b"\n") {
                all.push(b'\n');
            }
            all.extend_from_slice(next);
            all
        });
        // SAFETY: a copy in the request's pool, which lives as long as the request.
        unsafe { text::bytes(self.pool().copy(&all)) }
    }
}

/// mod_ssl's names for the other certificates of the client's chain. Chains are short.
const CHAIN: [&CStr; 10] = [
    c"SSL_CLIENT_CERT_CHAIN_0",
    c"SSL_CLIENT_CERT_CHAIN_1",
    c"SSL_CLIENT_CERT_CHAIN_2",
    c"SSL_CLIENT_CERT_CHAIN_3",
    c"SSL_CLIENT_CERT_CHAIN_4",
    c"SSL_CLIENT_CERT_CHAIN_5",
    c"SSL_CLIENT_CERT_CHAIN_6",
    c"SSL_CLIENT_CERT_CHAIN_7",
    c"SSL_CLIENT_CERT_CHAIN_8",
    c"SSL_CLIENT_CERT_CHAIN_9",
];
