//! Packets from a container, whole. Anything can be built, also packets that no container should send: a
//! status of 0, a header of control bytes, a chunk longer than its packet.

/// Anything that can be sent: the builders of this file, or plain bytes.
pub trait Packet {
    /// Returns the bytes to send.
    fn into_bytes(self) -> Vec<u8>;
}

/// Wraps a payload in `41 42` and its length.
pub fn packet(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a test payload fits in a packet");
    [&[0x41, 0x42], &length.to_be_bytes()[..], payload].concat()
}

/// SEND_HEADERS with this status. The reason is the status in digits, as from Tomcat, until another is set.
pub fn headers(status: u16) -> Headers {
    Headers { status, reason: Some(status.to_string().into_bytes()), headers: Vec::new() }
}

/// Builds SEND_HEADERS.
#[derive(Debug)]
pub struct Headers {
    status: u16,
    reason: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Headers {
    /// Sets the reason.
    pub fn reason(mut self, reason: impl AsRef<[u8]>) -> Headers {
        self.reason = Some(reason.as_ref().to_vec());
        self
    }

    /// Sets the null string as reason.
    pub fn null_reason(mut self) -> Headers {
        self.reason = None;
        self
    }

    /// Adds a header as Tomcat sends it: by code if its name is spelled as in the table.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Headers {
        let name = name.as_ref();
        let code = CODED.iter().zip(0xA001_u16..).find(|(coded, _)| coded.as_bytes() == name);
        let name = code.map_or_else(|| string(name), |(_, code)| code.to_be_bytes().to_vec());
        self.headers.push((name, string(value.as_ref())));
        self
    }

    /// Adds a header whose name is sent as a string, even if it has a code.
    pub fn plain_header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Headers {
        self.headers.push((string(name.as_ref()), string(value.as_ref())));
        self
    }

    /// Adds a header whose name is this code.
    pub fn coded_header(mut self, code: u16, value: impl AsRef<[u8]>) -> Headers {
        self.headers.push((code.to_be_bytes().to_vec(), string(value.as_ref())));
        self
    }
}

const CODED: [&str; 11] = [
    "Content-Type",
    "Content-Language",
    "Content-Length",
    "Date",
    "Last-Modified",
    "Location",
    "Set-Cookie",
    "Set-Cookie2",
    "Servlet-Engine",
    "Status",
    "WWW-Authenticate",
];

impl Packet for Headers {
    fn into_bytes(self) -> Vec<u8> {
        let mut payload = vec![0x04];
        payload.extend(self.status.to_be_bytes());
        payload.extend(self.reason.map_or(vec![0xFF, 0xFF], |reason| string(&reason)));
        payload.extend(u16::try_from(self.headers.len()).expect("few headers").to_be_bytes());
        for (name, value) in self.headers {
            payload.extend(name);
            payload.extend(value);
        }
        packet(&payload)
    }
}

/// SEND_BODY_CHUNK. The default packet size has room for 8184 bytes, the largest for 65528.
pub fn chunk(data: impl AsRef<[u8]>) -> Vec<u8> {
    packet(&[&[0x03][..], &string(data.as_ref())].concat())
}

/// The empty SEND_BODY_CHUNK: a flush.
pub fn flush() -> Vec<u8> {
    chunk(b"")
}

/// END_RESPONSE. The connection goes on unless [`EndResponse::reuse`] says otherwise.
pub fn end_response() -> EndResponse {
    EndResponse { reuse: 0x01 }
}

/// Builds END_RESPONSE.
#[derive(Debug)]
pub struct EndResponse {
    reuse: u8,
}

impl EndResponse {
    /// Sets the reuse flag.
    pub fn reuse(self, reuse: bool) -> EndResponse {
        EndResponse { reuse: reuse.into() }
    }
}

impl Packet for EndResponse {
    fn into_bytes(self) -> Vec<u8> {
        packet(&[0x05, self.reuse])
    }
}

/// GET_BODY_CHUNK for up to `length` bytes: Tomcat asks for its packet size less 6.
pub fn get_body_chunk(length: u16) -> Vec<u8> {
    let [high, low] = length.to_be_bytes();
    packet(&[0x06, high, low])
}

/// CPONG.
pub fn cpong() -> Vec<u8> {
    packet(&[0x09])
}

/// Bytes as they are: garbage, halves of packets.
pub fn raw(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    bytes.as_ref().to_vec()
}

fn string(text: &[u8]) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a test string fits in a packet");
    [&length.to_be_bytes()[..], text, &[0x00]].concat()
}

impl Packet for Vec<u8> {
    fn into_bytes(self) -> Vec<u8> {
        self
    }
}

impl Packet for &Vec<u8> {
    fn into_bytes(self) -> Vec<u8> {
        self.clone()
    }
}

impl Packet for &[u8] {
    fn into_bytes(self) -> Vec<u8> {
        self.to_vec()
    }
}

impl<const N: usize> Packet for &[u8; N] {
    fn into_bytes(self) -> Vec<u8> {
        self.to_vec()
    }
}
