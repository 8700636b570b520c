//! The directives of this module: their names and the help that httpd shows. What a line does is in
//! `src/ffi/startup/directives.rs`.

use std::ffi::CStr;

/// A directive as it is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectiveDocs {
    /// The name.
    pub name: &'static CStr,
    /// The help text that httpd shows (`httpd -L`, and if the number of arguments is wrong).
    pub help: &'static CStr,
}

impl DirectiveDocs {
    /// The interval of the housekeeper.
    pub const MAINTAIN: Self = Self {
        name: c"ProxyAjpMaintain",
        help: c"seconds between two rounds of the housekeeper, 1 to 3600; 0: no rounds",
    };

    /// A port for connections that containers open.
    pub const REVERSE: Self = Self {
        name: c"ProxyAjpReverse",
        help: c"a worker's URL, and how its container connects: listen=, allow=, keyfile=, node=, backlog=",
    };

    /// An environment variable as an attribute.
    pub const ENV_VAR: Self = Self {
        name: c"ProxyAjpEnvVar",
        help: c"an environment variable to send as an attribute, and the value to send if it is not set",
    };

    /// The whole chain of the client's certificate.
    pub const CERT_CHAIN: Self = Self {
        name: c"ProxyAjpCertChain",
        help: c"On: also send the other certificates of the client's chain",
    };

    /// Requests that wait without a thread.
    pub const PARKING: Self = Self {
        name: c"ProxyAjpParking",
        help: c"On: requests that wait for a container give their thread back (MPM event)",
    };

    /// Every directive.
    pub const ALL: &[Self] =
        &[Self::MAINTAIN, Self::REVERSE, Self::ENV_VAR, Self::CERT_CHAIN, Self::PARKING];
}
