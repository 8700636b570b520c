//! A small container: answers CPING with CPONG, and every request with a description of that request.

use std::fmt::Write;
use std::io;

use sha2::{Digest, Sha256};

use super::connection::PeerConnection;
use super::encode::{Packet, chunk, cpong, end_response, get_body_chunk, headers};
use super::peer::ScriptedPeer;
use super::request::{ForwardRequest, forward_request};

/// Serves one connection until the web server closes it, with packets of 8192 bytes.
///
/// Every request is answered with 200 and lines of text, as [`describe`] writes them, after its
/// whole body was read the way Tomcat reads it.
pub fn echo(conn: &mut PeerConnection) -> io::Result<()> {
    echo_sized(conn, 8192)
}

/// As [`echo`], with this packet size in both directions.
pub fn echo_sized(conn: &mut PeerConnection, packet_size: usize) -> io::Result<()> {
    while let Some(payload) = conn.read_packet()? {
        if payload == [0x0A] {
            conn.send(cpong())?;
            continue;
        }
        let request = forward_request(&payload)?;
        let body = read_body(conn, &request, packet_size)?;
        let text = describe(&request, &body);
        let length = text.len().to_string();
        conn.send(
            headers(200).header("Content-Type", "text/plain").header("Content-Length", length),
        )?;
        if request.method != "HEAD" {
            for piece in text.as_bytes().chunks(packet_size - 8) {
                conn.send(chunk(piece))?;
            }
        }
        conn.send(end_response())?;
    }
    Ok(())
}

/// Sends a whole response with this text, in one write.
pub fn respond(conn: &mut PeerConnection, text: &str) -> io::Result<()> {
    conn.send([headers(200).into_bytes(), chunk(text), end_response().into_bytes()].concat())
}

/// Answers every request with its URI, until the web server closes the connection.
pub fn uris(conn: &mut PeerConnection) -> io::Result<()> {
    while let Some(payload) = conn.read_packet()? {
        let request = forward_request(&payload)?;
        respond(conn, &request.uri)?;
    }
    Ok(())
}

/// Answers every request with its URI, with the packet size of a Tomcat: a larger packet, also a CPING, is
/// answered with an error page, and the connection is closed.
pub fn uris_within(conn: &mut PeerConnection, packet_size: usize) -> io::Result<()> {
    while let Some(payload) = conn.read_packet()? {
        if payload.len() + 4 > packet_size {
            conn.send(
                [headers(500).into_bytes(), end_response().reuse(false).into_bytes()].concat(),
            )?;
            return Ok(());
        }
        if payload[0] == 0x0A {
            conn.send(cpong())?;
            continue;
        }
        let request = forward_request(&payload)?;
        respond(conn, &request.uri)?;
    }
    Ok(())
}

impl ScriptedPeer {
    /// Starts a container that runs [`echo`] on every connection.
    pub fn echo() -> ScriptedPeer {
        ScriptedPeer::start(echo)
    }
}

/// Reads a request body to its end.
///
/// With a Content-Length above 0 the first packet comes unasked. Everything else is asked for, one
/// packet at a time, until Content-Length bytes are there or an empty packet says there is no more.
pub fn read_body(
    conn: &mut PeerConnection,
    request: &ForwardRequest,
    packet_size: usize,
) -> io::Result<Vec<u8>> {
    let ask = u16::try_from(packet_size - 6).expect("a packet size of at most 65536");
    let expected = request.content_length();
    let mut body = Vec::new();
    if expected > 0 {
        body = conn.read_body_packet()?;
    }
    while body.len() < expected || request.is_chunked() {
        conn.send(get_body_chunk(ask))?;
        let data = conn.read_body_packet()?;
        if data.is_empty() {
            break;
        }
        body.extend(data);
    }
    Ok(body)
}

/// Writes one line for each part, `name: value`: `method`, `uri`, `protocol`, `remote_addr`,
/// `remote_host`, `server_name`, `server_port`, `is_ssl`; `header NAME`, `attribute NAME` for each
/// of those; `body-length`, `body-sha256` (hex).
pub fn describe(request: &ForwardRequest, body: &[u8]) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| writeln!(text, "{name}: {value}").expect("a String");
    line("method", &request.method);
    line("uri", &request.uri);
    line("protocol", &request.protocol);
    line("remote_addr", &request.remote_addr);
    line("remote_host", request.remote_host.as_deref().unwrap_or("(null)"));
    line("server_name", &request.server_name);
    line("server_port", &request.server_port.to_string());
    line("is_ssl", &request.is_ssl.to_string());
    for (name, value) in &request.headers {
        line(&format!("header {name}"), value);
    }
    for attribute in &request.attributes {
        line(&format!("attribute {}", attribute.name), &attribute.value);
    }
    line("body-length", &body.len().to_string());
    line("body-sha256", &sha256_hex(body));
    text
}

/// Returns the SHA-256 of these bytes in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
