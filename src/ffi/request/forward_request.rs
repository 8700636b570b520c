//! FORWARD_REQUEST from a request of httpd's: what mod_proxy_ajp sends, in its order.

use crate::config::RequestAttributes;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::state::server_state::ServerConfig;
use crate::protocol::{Attribute, EncodeError, ForwardRequest, PacketSize, RequestMethod};

/// The parts of the request that mod_proxy decides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub path: &'a [u8],
    pub query: Option<&'a [u8]>,
    /// The request is one of httpd's own without a body: what the client said of its body does not
    /// hold.
    pub drop_body_headers: bool,
}

/// Builds the packet.
///
/// # Errors
/// It does not fit into `limit`, or a string cannot be carried by AJP.
pub(crate) fn forward_request(
    request: Request<'_>,
    worker: Worker,
    target: Target<'_>,
    limit: PacketSize,
) -> Result<Vec<u8>, EncodeError> {
    let entries = request.headers_in().entries();
    let mut headers: Vec<(&[u8], &[u8])> = Vec::with_capacity(entries.size_hint().1.unwrap_or(0));
    headers.extend(entries.filter(|(name, _)| !(target.drop_body_headers && describes_body(name))));
    let is_tls = request.is_tls();
    let mut remote_port = itoa::Buffer::new();
    let remote_port = remote_port.format(request.client().port).as_bytes();
    let secret = worker.secret();
    let secret = secret.as_deref();
    let sent = ServerConfig::attributes(request);
    let attributes = attributes(request, worker, target, is_tls, remote_port, secret, sent);
    ForwardRequest {
        method: method(request),
        protocol: request.protocol(),
        req_uri: target.path,
        remote_addr: request.client().ip,
        remote_host: request.remote_host(),
        server_name: request.server_name(),
        server_port: request.local().port,
        is_ssl: is_tls,
        headers: &headers,
        attributes: &attributes,
    }
    .encode(limit)
}

/// HEAD is GET with `header_only` inside httpd, also where an error page answers it.
fn method<'r>(request: Request<'r>) -> RequestMethod<'r> {
    match request.method() {
        b"GET" if request.is_header_only() => RequestMethod::from_name(b"HEAD"),
        name => RequestMethod::from_name(name),
    }
}

fn describes_body(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"transfer-encoding")
}

fn attributes<'r>(
    request: Request<'r>,
    worker: Worker,
    target: Target<'r>,
    is_tls: bool,
    remote_port: &'r [u8],
    secret: Option<&'r [u8]>,
    sent: &'r RequestAttributes,
) -> Vec<Attribute<'r>> {
    let mut list = Vec::with_capacity(16 + sent.variables().len());
    list.extend(secret.map(Attribute::Secret));
    list.extend(request.user().map(Attribute::RemoteUser));
    list.extend(request.auth_type().map(Attribute::AuthType));
    list.extend(target.query.map(Attribute::QueryString));
    list.extend(request.notes().get(c"session-route").map(Attribute::JvmRoute));
    if is_tls {
        list.extend(request.certificates(sent.sends_certificate_chain()).map(Attribute::SslCert));
        list.extend(request.tls_variable(c"SSL_CIPHER").map(Attribute::SslCipher));
        list.extend(request.tls_variable(c"SSL_SESSION_ID").map(Attribute::SslSession));
        list.extend(
            request
                .tls_variable(c"SSL_CIPHER_USEKEYSIZE")
                .and_then(|bits| std::str::from_utf8(bits).ok()?.parse().ok())
                .map(Attribute::SslKeySize),
        );
        list.extend(
            request
                .tls_variable(c"SSL_PROTOCOL")
                .map(|value| Attribute::ReqAttribute { name: b"AJP_SSL_PROTOCOL", value }),
        );
    }
    list.push(Attribute::ReqAttribute { name: b"AJP_REMOTE_PORT", value: remote_port });
    list.push(Attribute::ReqAttribute { name: b"AJP_LOCAL_ADDR", value: request.local().ip });
    let environment = request.environment();
    list.extend(sent.variables().iter().filter_map(|variable| {
        let value = request.variable(&variable.name).or(variable.default.as_deref())?;
        Some(Attribute::ReqAttribute { name: variable.name.as_bytes(), value })
    }));
    if worker.is_member() && environment.get(c"AJP_JK_LB_ACTIVATION").is_none() {
        list.push(Attribute::ReqAttribute { name: b"JK_LB_ACTIVATION", value: activation(worker) });
    }
    list.extend(environment.entries().filter_map(|(name, value)| {
        name.strip_prefix(b"AJP_").map(|name| Attribute::ReqAttribute { name, value })
    }));
    list
}

/// The member's state in mod_jk's words, for Tomcat's LoadBalancerDrainingValve.
fn activation(worker: Worker) -> &'static [u8] {
    worker.status().jk_activation().as_bytes()
}
