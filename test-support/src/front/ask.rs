//! Requests, prepared as the handler prepares them.

use mod_proxy_ajp_rs::backend::Backend;
use mod_proxy_ajp_rs::exchange::{RequestBody, RequestFacts};
use mod_proxy_ajp_rs::protocol::{Attribute, ForwardRequest, PacketSize, RequestMethod};
use mod_proxy_ajp_rs::proxy::{Client, Prepared};

use super::FakeClient;

/// A request before it is served.
#[derive(Debug)]
pub struct Ask {
    method: &'static str,
    path: String,
    query: Option<String>,
    padding: usize,
    body: Option<Vec<u8>>,
    chunked: bool,
    /// How much of a chunked body is read ahead, as after an input filter that removes the length.
    read_ahead: Option<usize>,
    client: FakeClient,
}

/// A GET request.
pub fn get(path: impl Into<String>) -> Ask {
    ask("GET", path, None)
}

/// A POST request with this body.
pub fn post(path: impl Into<String>, body: impl AsRef<[u8]>) -> Ask {
    ask("POST", path, Some(body.as_ref()))
}

/// A PUT request with this body.
pub fn put(path: impl Into<String>, body: impl AsRef<[u8]>) -> Ask {
    ask("PUT", path, Some(body.as_ref()))
}

/// A request of this method.
pub fn ask(method: &'static str, path: impl Into<String>, body: Option<&[u8]>) -> Ask {
    Ask {
        method,
        path: path.into(),
        query: None,
        padding: 0,
        body: body.map(<[u8]>::to_vec),
        chunked: false,
        read_ahead: None,
        client: FakeClient::new(),
    }
}

impl Ask {
    /// Adds a query.
    pub fn query(mut self, query: &str) -> Ask {
        self.query = Some(query.into());
        self
    }

    /// Adds a header that makes FORWARD_REQUEST larger by this many bytes.
    pub fn padding(mut self, bytes: usize) -> Ask {
        self.padding = bytes;
        self
    }

    /// Makes the body chunked: the container asks for every piece of it.
    pub fn chunked(mut self) -> Ask {
        self.chunked = true;
        self
    }

    /// Reads this much of a chunked body before a connection is taken.
    pub fn read_ahead(mut self, at_most: usize) -> Ask {
        self.read_ahead = Some(at_most);
        self.chunked()
    }

    /// Changes the client that asks.
    pub fn by(mut self, change: impl FnOnce(&mut FakeClient)) -> Ask {
        change(&mut self.client);
        self
    }

    pub(super) fn prepare(self, backend: &Backend) -> (FakeClient, Prepared) {
        let mut client = self.client;
        let length = self.body.as_ref().map(|body| body.len().to_string()).unwrap_or_default();
        let padding = "p".repeat(self.padding);
        let mut headers: Vec<(&[u8], &[u8])> = vec![(b"Host", b"localhost")];
        if self.padding > 0 {
            headers.push((b"X-Padding", padding.as_bytes()));
        }
        let body = match &self.body {
            None => RequestBody::None,
            Some(_) if self.chunked => {
                headers.push((b"Transfer-Encoding", b"chunked"));
                RequestBody::OnRequest
            }
            Some(data) => {
                headers.push((b"Content-Length", length.as_bytes()));
                if data.is_empty() { RequestBody::None } else { RequestBody::Announced }
            }
        };
        client.body = self.body.unwrap_or_default();
        let attributes: Vec<_> =
            self.query.iter().map(|query| Attribute::QueryString(query.as_bytes())).collect();
        let at_most = match body {
            RequestBody::Announced => Some(backend.packet_limit().for_first_body().max_body()),
            _ => self.read_ahead,
        };
        let first_piece =
            at_most.map(|at_most| client.read_body(at_most).expect("a first piece").len);
        let request = ForwardRequest {
            method: RequestMethod::from_name(self.method.as_bytes()),
            protocol: b"HTTP/1.1",
            req_uri: self.path.as_bytes(),
            remote_addr: b"192.0.2.7",
            remote_host: None,
            server_name: b"localhost",
            server_port: 80,
            is_ssl: false,
            headers: &headers,
            attributes: &attributes,
        };
        let packet = request.encode(PacketSize::MAX).expect("a request that fits");
        let facts = RequestFacts { body, is_head: self.method == "HEAD" };
        // RFC 9110, 9.2.2.
        let is_idempotent = !matches!(self.method, "POST" | "PATCH");
        let length = (body == RequestBody::Announced).then_some(client.body.len() as u64);
        let path_len = self.path.len() + self.query.as_ref().map_or(0, |query| query.len());
        (client, Prepared { packet, facts, is_idempotent, length, first_piece, path_len })
    }
}
