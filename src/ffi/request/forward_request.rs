//! FORWARD_REQUEST from a request of httpd's. `proxy::headers` decides which headers and attributes are
//! sent.

use crate::config::RequestAttributes;
use crate::ffi::httpd::request::Request;
use crate::ffi::mod_proxy::worker::Worker;
use crate::ffi::request::packet_memory;
use crate::ffi::state::server_state::ServerState;
use crate::protocol::{EncodeError, ForwardRequest, PacketHeaders, PacketSize};
use crate::proxy::{AttributeValues, ENVIRONMENT_PREFIX, TlsValues, is_sent, request_method};

/// The parts of FORWARD_REQUEST that mod_proxy decides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub path: &'a [u8],
    pub query: Option<&'a [u8]>,
    /// The route of the request's session.
    pub route: Option<&'a [u8]>,
    /// Whether the request is one of httpd's own without a body: then the client's headers about its
    /// body are not valid.
    pub drop_body_headers: bool,
}

/// Builds the packet.
///
/// # Errors
/// It does not fit into `limit`, or a string cannot be carried by AJP.
pub(crate) fn forward_request(
    request: Request<'_>,
    worker: Worker<'_>,
    target: Target<'_>,
    limit: PacketSize,
) -> Result<Vec<u8>, EncodeError> {
    let is_tls = request.is_tls();
    let mut remote_port = itoa::Buffer::new();
    let remote_port = remote_port.format(request.client().port).as_bytes();
    let secret = worker.secret();
    let start = ForwardRequest {
        method: request_method(request.method(), request.is_header_only()),
        protocol: request.protocol(),
        req_uri: target.path,
        remote_addr: request.client().ip,
        remote_host: request.remote_host(),
        server_name: request.server_name(),
        server_port: request.local().port,
        is_ssl: is_tls,
        headers: &[],
        attributes: &[],
    };
    let mut packet = PacketHeaders::start(&start, limit, packet_memory::take());
    for (name, value) in request.headers_in().texts() {
        if is_sent(name.to_bytes(), target.drop_body_headers) {
            packet.c_header(name, value);
        }
    }
    let mut packet = packet.end();
    let sent = ServerState::attributes(request);
    // A look-up may add variables to the environment, so it comes before the walk over the environment.
    let variables: Vec<_> = sent
        .variables()
        .iter()
        .filter_map(|variable| {
            let value = request.variable(&variable.name).or(variable.default.as_deref())?;
            Some((variable.name.as_bytes(), value))
        })
        .collect();
    let environment = request.environment();
    let sends_activation = worker.is_member() && environment.get(c"AJP_JK_LB_ACTIVATION").is_none();
    AttributeValues {
        secret: secret.as_deref(),
        user: request.user(),
        auth_type: request.auth_type(),
        query: target.query,
        route: target.route,
        tls: is_tls.then(|| tls(request, sent)),
        remote_port,
        local_addr: request.local().ip,
        variables: &variables,
        // For Tomcat's LoadBalancerDrainingValve.
        activation: sends_activation.then(|| worker.status().jk_activation().as_bytes()),
        environment: environment.beginning_with(ENVIRONMENT_PREFIX),
    }
    .add_to(&mut packet);
    packet.finish()
}

fn tls<'r>(request: Request<'r>, sent: &RequestAttributes) -> TlsValues<'r> {
    TlsValues {
        certificates: request.certificates(sent.sends_certificate_chain()),
        cipher: request.tls_variable(c"SSL_CIPHER"),
        session: request.tls_variable(c"SSL_SESSION_ID"),
        key_size: request.tls_variable(c"SSL_CIPHER_USEKEYSIZE"),
        protocol: request.tls_variable(c"SSL_PROTOCOL"),
    }
}
