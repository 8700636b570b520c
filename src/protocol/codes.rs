//! The numbers of AJP/1.3 and the words they stand for, both ways.

use std::ffi::CStr;

/// First payload byte of each packet (AJPv13 reference, "Packet Headers").
pub(super) mod packet_type {
    /// Begin the request-processing cycle with the following data.
    pub(in super::super) const FORWARD_REQUEST: u8 = 0x02;
    /// A piece of the response body.
    pub(in super::super) const SEND_BODY_CHUNK: u8 = 0x03;
    /// Status line and headers of the response.
    pub(in super::super) const SEND_HEADERS: u8 = 0x04;
    /// The end of the response, and of the request.
    pub(in super::super) const END_RESPONSE: u8 = 0x05;
    /// The container wants more of the request body.
    pub(in super::super) const GET_BODY_CHUNK: u8 = 0x06;
    /// The answer to CPING.
    pub(in super::super) const CPONG: u8 = 0x09;
}

/// High byte of every coded header name; the low byte counts from 1.
pub(super) const CODED_HEADER: u16 = 0xA000;

/// Tells whether the u16 in the place of a header name is a code, `A000..=A0FF`, and not a length.
///
/// So a plain header name cannot have 40960 to 41215 bytes.
pub(super) const fn is_coded_header(number: u16) -> bool {
    number & 0xFF00 == CODED_HEADER
}

/// A text that ends with its only NUL, as C has it.
const fn with_nul(text: &str) -> &CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("a name has a NUL in it"),
    }
}

macro_rules! wire_codes {
    ($(#[$doc:meta])* $type:ident, $repr:ty, { $($variant:ident = $code:literal $name:literal)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr($repr)]
        pub enum $type {
            $(#[doc = concat!("`", $name, "`")] $variant = $code,)+
        }

        impl $type {
            /// Every value, in the order of the codes.
            pub const ALL: &'static [$type] = &[$($type::$variant),+];

            /// The number on the wire.
            pub const fn code(self) -> $repr {
                self as $repr
            }

            /// The value of a number on the wire; `None` if AJP/1.3 defines none.
            pub const fn from_code(code: $repr) -> Option<$type> {
                match code {
                    $($code => Some($type::$variant),)+
                    _ => None,
                }
            }

            /// The word it stands for, in its usual spelling.
            pub const fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name,)+
                }
            }

            /// The same word, with a NUL behind it, for C.
            pub const fn c_name(self) -> &'static CStr {
                match self {
                    $($type::$variant => const { with_nul(concat!($name, "\0")) },)+
                }
            }

            /// Finds the value whose word satisfies `is_it`. Inlined, so that the compiler knows the words
            /// and looks at the length first.
            #[inline(always)]
            fn find(is_it: impl Fn(&[u8]) -> bool) -> Option<$type> {
                $(if is_it($name.as_bytes()) {
                    return Some($type::$variant);
                })+
                None
            }
        }
    };
}

wire_codes! {
    /// A request method with a code of its own; others are sent as [`STORED_METHOD`].
    Method, u8, {
        Options = 0x01 "OPTIONS"
        Get = 0x02 "GET"
        Head = 0x03 "HEAD"
        Post = 0x04 "POST"
        Put = 0x05 "PUT"
        Delete = 0x06 "DELETE"
        Trace = 0x07 "TRACE"
        PropFind = 0x08 "PROPFIND"
        PropPatch = 0x09 "PROPPATCH"
        MkCol = 0x0A "MKCOL"
        Copy = 0x0B "COPY"
        Move = 0x0C "MOVE"
        Lock = 0x0D "LOCK"
        Unlock = 0x0E "UNLOCK"
        Acl = 0x0F "ACL"
        Report = 0x10 "REPORT"
        VersionControl = 0x11 "VERSION-CONTROL"
        CheckIn = 0x12 "CHECKIN"
        CheckOut = 0x13 "CHECKOUT"
        UncheckOut = 0x14 "UNCHECKOUT"
        Search = 0x15 "SEARCH"
        MkWorkspace = 0x16 "MKWORKSPACE"
        Update = 0x17 "UPDATE"
        Label = 0x18 "LABEL"
        Merge = 0x19 "MERGE"
        BaselineControl = 0x1A "BASELINE-CONTROL"
        MkActivity = 0x1B "MKACTIVITY"
    }
}

/// The method code that says: the name is in the attribute [`attribute::STORED_METHOD`].
pub const STORED_METHOD: u8 = 0xFF;

impl Method {
    /// Finds a method by its name; method names are case-sensitive (RFC 9110, section 9.1).
    pub fn from_name(name: &[u8]) -> Option<Method> {
        Self::find(|word| word == name)
    }
}

wire_codes! {
    /// A request header name with a code of its own.
    RequestHeader, u16, {
        Accept = 0xA001 "Accept"
        AcceptCharset = 0xA002 "Accept-Charset"
        AcceptEncoding = 0xA003 "Accept-Encoding"
        AcceptLanguage = 0xA004 "Accept-Language"
        Authorization = 0xA005 "Authorization"
        Connection = 0xA006 "Connection"
        ContentType = 0xA007 "Content-Type"
        ContentLength = 0xA008 "Content-Length"
        Cookie = 0xA009 "Cookie"
        Cookie2 = 0xA00A "Cookie2"
        Host = 0xA00B "Host"
        Pragma = 0xA00C "Pragma"
        Referer = 0xA00D "Referer"
        UserAgent = 0xA00E "User-Agent"
    }
}

impl RequestHeader {
    /// Finds a header by its name, in any case; allocates nothing.
    pub fn from_name(name: &[u8]) -> Option<RequestHeader> {
        // Nearly all clients of HTTP/1.1 spell it as the standards do, and that is quick to see.
        Self::find(|word| word == name)
            .or_else(|| Self::find(|word| word.eq_ignore_ascii_case(name)))
    }
}

wire_codes! {
    /// A response header name with a code of its own.
    ResponseHeader, u16, {
        ContentType = 0xA001 "Content-Type"
        ContentLanguage = 0xA002 "Content-Language"
        ContentLength = 0xA003 "Content-Length"
        Date = 0xA004 "Date"
        LastModified = 0xA005 "Last-Modified"
        Location = 0xA006 "Location"
        SetCookie = 0xA007 "Set-Cookie"
        SetCookie2 = 0xA008 "Set-Cookie2"
        ServletEngine = 0xA009 "Servlet-Engine"
        Status = 0xA00A "Status"
        WwwAuthenticate = 0xA00B "WWW-Authenticate"
    }
}

impl ResponseHeader {
    /// Finds a header by its name, in any case.
    pub fn from_name(name: &[u8]) -> Option<ResponseHeader> {
        Self::find(|word| word.eq_ignore_ascii_case(name))
    }
}

/// First byte of each request attribute (AJPv13 reference, "Attributes").
pub mod attribute {
    /// Not used by anyone.
    pub const CONTEXT: u8 = 0x01;
    /// Not used by anyone.
    pub const SERVLET_PATH: u8 = 0x02;
    /// The user httpd authenticated.
    pub const REMOTE_USER: u8 = 0x03;
    /// How httpd authenticated the user.
    pub const AUTH_TYPE: u8 = 0x04;
    /// The part of the request target behind the `?`.
    pub const QUERY_STRING: u8 = 0x05;
    /// The route of the session.
    pub const JVM_ROUTE: u8 = 0x06;
    /// The client's certificate.
    pub const SSL_CERT: u8 = 0x07;
    /// The cipher suite.
    pub const SSL_CIPHER: u8 = 0x08;
    /// The TLS session id.
    pub const SSL_SESSION: u8 = 0x09;
    /// A name and a value.
    pub const REQ_ATTRIBUTE: u8 = 0x0A;
    /// Key bits of the cipher, a u16 and no string.
    pub const SSL_KEY_SIZE: u8 = 0x0B;
    /// The secret shared with the container.
    pub const SECRET: u8 = 0x0C;
    /// The name of a method without a code.
    pub const STORED_METHOD: u8 = 0x0D;
    /// No more attributes; the last byte of the packet.
    pub const ARE_DONE: u8 = 0xFF;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_dense_and_go_both_ways() {
        for (&method, code) in Method::ALL.iter().zip(0x01..) {
            assert_eq!(method.code(), code);
            assert_eq!(Method::from_code(code), Some(method));
            assert_eq!(Method::from_name(method.name().as_bytes()), Some(method));
        }
        for (&header, code) in RequestHeader::ALL.iter().zip(0xA001..) {
            assert_eq!(header.code(), code);
            assert_eq!(RequestHeader::from_code(code), Some(header));
        }
        for (&header, code) in ResponseHeader::ALL.iter().zip(0xA001..) {
            assert_eq!(header.code(), code);
            assert_eq!(ResponseHeader::from_code(code), Some(header));
        }
        assert_eq!(
            (Method::ALL.len(), RequestHeader::ALL.len(), ResponseHeader::ALL.len()),
            (27, 14, 11)
        );
    }

    #[test]
    fn numbers_outside_the_tables_mean_nothing() {
        assert_eq!(Method::from_code(0x00), None);
        assert_eq!(Method::from_code(0x1C), None);
        assert_eq!(RequestHeader::from_code(0xA00F), None);
        assert_eq!(ResponseHeader::from_code(0xA000), None);
        assert_eq!(ResponseHeader::from_code(0xA00C), None);
    }

    #[test]
    fn every_coded_header_is_found_in_any_case() {
        for &header in RequestHeader::ALL {
            let upper = header.name().to_ascii_uppercase();
            let lower = header.name().to_ascii_lowercase();
            assert_eq!(RequestHeader::from_name(upper.as_bytes()), Some(header));
            assert_eq!(RequestHeader::from_name(lower.as_bytes()), Some(header));
        }
        for &header in ResponseHeader::ALL {
            let lower = header.name().to_ascii_lowercase();
            assert_eq!(ResponseHeader::from_name(lower.as_bytes()), Some(header));
        }
    }

    #[test]
    fn other_names_have_no_code() {
        for name in ["", "Hos", "Hosts", "Cookie3", "X-Forwarded-For", "Transfer-Encoding"] {
            assert_eq!(RequestHeader::from_name(name.as_bytes()), None, "{name}");
        }
        assert_eq!(Method::from_name(b"PATCH"), None);
        assert_eq!(Method::from_name(b"get"), None, "methods are case-sensitive");
    }
}
