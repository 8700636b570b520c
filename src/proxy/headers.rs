//! The parts of a request that go to the container, and the headers of its response that come back.

use crate::protocol::{
    Attribute, PacketAttributes, RequestMethod, ResponseHeader, ResponseHeaderName, digits,
};

/// A header's, or a variable's, name and value.
pub type Pair<'r> = (&'r [u8], &'r [u8]);

/// Whether a method may be executed twice without harm (RFC 9110 9.2.2). A query string changes nothing.
#[inline]
#[must_use]
pub fn is_idempotent(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"PUT" | b"DELETE" | b"OPTIONS" | b"TRACE")
}

/// The method to send. HEAD is GET with `is_head` inside httpd, even if an error page answers it.
#[inline]
#[must_use]
pub fn request_method(method: &[u8], is_head: bool) -> RequestMethod<'_> {
    match method {
        b"GET" if is_head => RequestMethod::from_name(b"HEAD"),
        name => RequestMethod::from_name(name),
    }
}

/// Whether a request header is sent. With `drop_body`, the request is one of httpd's own without a
/// body, and the client's headers about its body are not valid.
#[inline]
#[must_use]
pub fn is_sent(name: &[u8], drop_body: bool) -> bool {
    !(drop_body && describes_body(name))
}

fn describes_body(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"transfer-encoding")
}

/// The values of a request's attributes.
#[derive(Clone, Copy, Debug)]
pub struct AttributeValues<'r, E> {
    /// The container's secret.
    pub secret: Option<&'r [u8]>,
    /// The user, as httpd has authenticated the client.
    pub user: Option<&'r [u8]>,
    /// The authentication type.
    pub auth_type: Option<&'r [u8]>,
    /// The query string, without the `?`.
    pub query: Option<&'r [u8]>,
    /// The route in the client's session.
    pub route: Option<&'r [u8]>,
    /// `None`: the client's connection is not encrypted.
    pub tls: Option<TlsValues<'r>>,
    /// The client's port, in digits.
    pub remote_port: &'r [u8],
    /// The address that the request came to.
    pub local_addr: &'r [u8],
    /// The variables of `ProxyAjpEnvVar`.
    pub variables: &'r [Pair<'r>],
    /// The activation of a balancer member, in mod_jk's words, unless the environment has another.
    pub activation: Option<&'r [u8]>,
    /// The request's environment; the variables without [`ENVIRONMENT_PREFIX`] may be missing.
    pub environment: E,
}

/// The client's TLS connection, as mod_ssl knows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct TlsValues<'r> {
    /// The client's certificate, followed by the others of its chain.
    pub certificates: Option<&'r [u8]>,
    /// `SSL_CIPHER`.
    pub cipher: Option<&'r [u8]>,
    /// `SSL_SESSION_ID`.
    pub session: Option<&'r [u8]>,
    /// `SSL_CIPHER_USEKEYSIZE`, in digits.
    pub key_size: Option<&'r [u8]>,
    /// `SSL_PROTOCOL`.
    pub protocol: Option<&'r [u8]>,
}

/// Variables of the environment with this prefix are sent, without it.
pub const ENVIRONMENT_PREFIX: &[u8] = b"AJP_";

impl<'r, E: Iterator<Item = Pair<'r>>> AttributeValues<'r, E> {
    /// Adds the attributes to a packet, in mod_proxy_ajp's order; attributes that it does not have come after
    /// the addresses, and before the environment, which may replace them.
    #[inline]
    pub fn add_to(self, packet: &mut PacketAttributes<'_>) {
        let values = [
            self.secret.map(Attribute::Secret),
            self.user.map(Attribute::RemoteUser),
            self.auth_type.map(Attribute::AuthType),
            self.query.map(Attribute::QueryString),
            self.route.map(Attribute::JvmRoute),
        ];
        values.into_iter().flatten().for_each(|attribute| packet.attribute(attribute));
        if let Some(tls) = self.tls {
            tls.add_to(packet);
        }
        packet.named_attribute(c"AJP_REMOTE_PORT", self.remote_port);
        packet.named_attribute(c"AJP_LOCAL_ADDR", self.local_addr);
        for (name, value) in self.variables {
            packet.attribute(Attribute::ReqAttribute { name, value });
        }
        if let Some(value) = self.activation {
            packet.named_attribute(c"JK_LB_ACTIVATION", value);
        }
        for (name, value) in self.environment {
            if let Some(name) = name.strip_prefix(ENVIRONMENT_PREFIX) {
                packet.attribute(Attribute::ReqAttribute { name, value });
            }
        }
    }
}

impl TlsValues<'_> {
    fn add_to(self, packet: &mut PacketAttributes<'_>) {
        let number = |digits| std::str::from_utf8(digits).ok()?.parse().ok();
        let protocol = |value| Attribute::ReqAttribute { name: b"AJP_SSL_PROTOCOL", value };
        let all = [
            self.certificates.map(Attribute::SslCert),
            self.cipher.map(Attribute::SslCipher),
            self.session.map(Attribute::SslSession),
            self.key_size.and_then(number).map(Attribute::SslKeySize),
            self.protocol.map(protocol),
        ];
        all.into_iter().flatten().for_each(|attribute| packet.attribute(attribute));
    }
}

/// The rule for a header of the container's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseHeaderRule {
    /// It is passed on unchanged.
    Copied,
    /// Transfer-Encoding is dropped: httpd frames the response itself.
    Dropped,
    /// Content-Length is passed on once, whatever its spelling, as [`content_length`] reads it: the
    /// exchange has made sure that all values are equal.
    Length,
    /// Content-Type: it selects httpd's filters.
    Type,
    /// Set-Cookie, after ProxyPassReverseCookieDomain and -Path.
    Cookie,
    /// A URL, after ProxyPassReverse.
    Location,
}

impl ResponseHeaderRule {
    /// The rule for a header of this name.
    #[inline]
    #[must_use]
    pub fn of(name: ResponseHeaderName<'_>) -> Self {
        match name.known() {
            Some(ResponseHeader::ContentLength) => Self::Length,
            Some(ResponseHeader::ContentType) => Self::Type,
            Some(ResponseHeader::SetCookie) => Self::Cookie,
            Some(ResponseHeader::Location) => Self::Location,
            Some(_) => Self::Copied,
            None => Self::of_unknown(name.name()),
        }
    }

    /// The rule for a header that AJP/1.3 has no code for.
    fn of_unknown(name: &[u8]) -> Self {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        if is(b"transfer-encoding") {
            Self::Dropped
        } else if is(b"content-location") || is(b"uri") || is(b"destination") {
            Self::Location
        } else {
            Self::Copied
        }
    }
}

/// Whether a header that other modules have put into the response stays there.
#[must_use]
pub fn stays_in_response(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"set-cookie")
}

/// The number of a Content-Length, without the white space and the zeros that a peer may put before it.
#[inline]
#[must_use]
pub fn content_length(value: &[u8]) -> Option<u64> {
    digits(value.trim_ascii())
}

/// Whether it is written as [`content_length`] writes it.
#[inline]
#[must_use]
pub fn is_plain_number(value: &[u8]) -> bool {
    let is_digits = value.len() < 20 && value.iter().all(u8::is_ascii_digit);
    is_digits && (value.len() == 1 || value.first().is_some_and(|first| *first != b'0'))
}

/// Whether a response of this status has no length. A 204 has none (RFC 9110 8.6), and a 205 has no
/// body, whatever length the application meant. Tomcat sends 0 with a 304, which would mean that the
/// page itself is empty.
#[inline]
#[must_use]
pub fn says_no_length<'l>(status: u16, length: impl FnOnce() -> Option<&'l [u8]>) -> bool {
    match status {
        204 | 205 => true,
        304 => length() == Some(b"0"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ForwardRequest, HEADER_LEN, Method, PacketHeaders, PacketSize};

    #[test]
    fn the_methods_of_rfc_9110_9_2_2_are_idempotent_and_no_other() {
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"] {
            assert!(is_idempotent(method.as_bytes()), "{method}");
        }
        for method in ["POST", "PATCH", "CONNECT", "PROPFIND", "LOCK", "get", ""] {
            assert!(!is_idempotent(method.as_bytes()), "{method}");
        }
    }

    #[test]
    fn head_is_sent_as_head_even_if_an_error_page_answers_it() {
        assert_eq!(request_method(b"GET", true), RequestMethod::Coded(Method::Head));
        assert_eq!(request_method(b"HEAD", true), RequestMethod::Coded(Method::Head));
        assert_eq!(request_method(b"GET", false), RequestMethod::Coded(Method::Get));
        assert_eq!(request_method(b"PATCH", false), RequestMethod::Stored(b"PATCH"));
    }

    #[test]
    fn all_request_headers_are_sent_but_those_of_a_body_that_is_not_there() {
        for name in ["Host", "Connection", "Content-Length", "Transfer-Encoding", "X-A"] {
            assert!(is_sent(name.as_bytes(), false), "{name}");
        }
        assert!(!is_sent(b"content-length", true));
        assert!(!is_sent(b"Transfer-Encoding", true));
        assert!(is_sent(b"Content-Type", true));
    }

    fn values<E>(environment: E) -> AttributeValues<'static, E> {
        AttributeValues {
            secret: None,
            user: None,
            auth_type: None,
            query: None,
            route: None,
            tls: None,
            remote_port: b"40000",
            local_addr: b"10.0.0.1",
            variables: &[],
            activation: None,
            environment,
        }
    }

    /// Has the container's side read the attributes of a packet that has these values.
    fn assert_sent<'v, E: Iterator<Item = Pair<'v>>>(
        values: AttributeValues<'v, E>,
        expected: &[Attribute<'_>],
    ) {
        let start = ForwardRequest {
            method: RequestMethod::Coded(Method::Get),
            protocol: b"HTTP/1.1",
            req_uri: b"/",
            remote_addr: b"::1",
            remote_host: None,
            server_name: b"s",
            server_port: 80,
            is_ssl: false,
            headers: &[],
            attributes: &[],
        };
        let mut attributes = PacketHeaders::start(&start, PacketSize::MIN, Vec::new()).end();
        values.add_to(&mut attributes);
        let packet = attributes.finish().unwrap();
        assert_eq!(ForwardRequest::decode(&packet[HEADER_LEN..]).unwrap().attributes, expected);
    }

    fn named<'a>(name: &'a str, value: &'a str) -> Attribute<'a> {
        Attribute::ReqAttribute { name: name.as_bytes(), value: value.as_bytes() }
    }

    #[test]
    fn addresses_are_always_sent() {
        let addresses = [named("AJP_REMOTE_PORT", "40000"), named("AJP_LOCAL_ADDR", "10.0.0.1")];
        assert_sent(values(std::iter::empty()), &addresses);
    }

    #[test]
    fn attributes_go_out_in_mod_proxy_ajp_s_order_and_ours_before_the_environment() {
        let environment: [Pair<'_>; 3] =
            [(b"AJP_tenant", b"shop"), (b"TENANT", b"not sent"), (b"ajp_x", b"not sent")];
        let sent = AttributeValues {
            secret: Some(b"s3cret"),
            user: Some(b"ann"),
            auth_type: Some(b"Basic"),
            query: Some(b"a=1"),
            route: Some(b"node1"),
            tls: Some(TlsValues {
                certificates: Some(b"PEM"),
                cipher: Some(b"AES"),
                session: Some(b"5E"),
                key_size: Some(b"256"),
                protocol: Some(b"TLSv1.3"),
            }),
            variables: &[(b"SSL_CLIENT_S_DN", b"CN=ann")],
            activation: Some(b"ACT"),
            ..values(environment.into_iter())
        };
        let expected = [
            Attribute::Secret(b"s3cret"),
            Attribute::RemoteUser(b"ann"),
            Attribute::AuthType(b"Basic"),
            Attribute::QueryString(b"a=1"),
            Attribute::JvmRoute(b"node1"),
            Attribute::SslCert(b"PEM"),
            Attribute::SslCipher(b"AES"),
            Attribute::SslSession(b"5E"),
            Attribute::SslKeySize(256),
            named("AJP_SSL_PROTOCOL", "TLSv1.3"),
            named("AJP_REMOTE_PORT", "40000"),
            named("AJP_LOCAL_ADDR", "10.0.0.1"),
            named("SSL_CLIENT_S_DN", "CN=ann"),
            named("JK_LB_ACTIVATION", "ACT"),
            named("tenant", "shop"),
        ];
        assert_sent(sent, &expected);
    }

    #[test]
    fn missing_and_invalid_tls_values_are_not_sent() {
        for key_size in [None, Some(&b""[..]), Some(b"many"), Some(b"70000"), Some(b"\xff")] {
            let tls = Some(TlsValues { key_size, ..TlsValues::default() });
            let addresses =
                [named("AJP_REMOTE_PORT", "40000"), named("AJP_LOCAL_ADDR", "10.0.0.1")];
            assert_sent(AttributeValues { tls, ..values(std::iter::empty()) }, &addresses);
        }
    }

    #[test]
    fn response_headers_come_back_as_they_are_but_for_these() {
        use ResponseHeaderRule::{Cookie, Copied, Dropped, Length, Location, Type};
        for (name, rule) in [
            ("Transfer-Encoding", Dropped),
            ("CONTENT-LENGTH", Length),
            ("Content-Type", Type),
            ("Set-Cookie", Cookie),
            ("Location", Location),
            ("Content-Location", Location),
            ("URI", Location),
            ("Destination", Location),
            ("Connection", Copied),
            ("WWW-Authenticate", Copied),
            ("X-A", Copied),
        ] {
            let spelled = ResponseHeaderName::spelled(name.as_bytes());
            assert_eq!(ResponseHeaderRule::of(spelled), rule, "{name}");
            if let Some(known) = spelled.known() {
                assert_eq!(
                    ResponseHeaderRule::of(ResponseHeaderName::coded(known)),
                    rule,
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn of_the_headers_that_were_in_the_response_before_only_cookies_stay() {
        assert!(stays_in_response(b"SET-COOKIE"));
        assert!(!stays_in_response(b"Content-Type"));
    }

    #[test]
    fn a_content_length_is_a_plain_number() {
        assert_eq!(content_length(b" 0042 "), Some(42));
        assert_eq!(content_length(b"0"), Some(0));
        assert_eq!(content_length(b"4 2"), None);
        assert_eq!(content_length(b"+42"), None);
        assert_eq!(content_length(b"\xff"), None);
    }

    #[test]
    fn a_plain_number_is_what_the_number_of_a_content_length_is_written_as() {
        let values: [&[u8]; 12] = [
            b"",
            b"0",
            b"7",
            b"00",
            b"042",
            b"42",
            b" 42",
            b"42 ",
            b"4 2",
            b"+4",
            b"1234567890123456789",
            b"12345678901234567890",
        ];
        for value in values {
            let written = content_length(value).map(|number| number.to_string().into_bytes());
            let is_plain = is_plain_number(value);
            assert!(!is_plain || written.as_deref() == Some(value), "{value:?}");
            // A longer one may be one, too, and is written anew.
            assert!(
                is_plain || value.len() >= 20 || written.as_deref() != Some(value),
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_response_without_a_body_has_no_length() {
        for status in [204, 205] {
            assert!(says_no_length(status, || Some(b"7")), "{status}");
        }
        assert!(says_no_length(304, || Some(b"0")));
        assert!(!says_no_length(304, || Some(b"17")), "that of the page");
        assert!(!says_no_length(304, || None));
        assert!(!says_no_length(200, || Some(b"0")));
    }
}
