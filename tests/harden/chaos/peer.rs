//! A container that misbehaves by a plan, and answers rightly otherwise.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use test_support::ajp::echo::read_body;
use test_support::ajp::request::forward_request;
use test_support::ajp::{
    ForwardRequest, Packet, PeerConnection, ScriptedPeer, chunk, cpong, end_response,
    get_body_chunk, headers, raw,
};
use test_support::http::Generated;
use test_support::random::Random;

use super::scene::TIMEOUT;

/// The packet size of AJP, and what of a response's body a packet takes.
const PACKET: usize = 8192;
const PIECE: usize = PACKET - 8;

/// What became of the requests in the containers.
#[derive(Clone, Debug, Default)]
pub struct Treatments {
    /// By their ids.
    requests: Arc<Mutex<HashMap<u64, Treatment>>>,
    /// From when until when a container has ended a connection behind an answer, without a word.
    ends: Arc<Mutex<Vec<(Instant, Instant)>>>,
}

#[derive(Debug, Default)]
struct Treatment {
    /// How often it was executed, if it is a POST.
    executed: usize,
    /// How it was treated, if not well.
    faults: Vec<Fault>,
}

impl Treatments {
    fn with<T>(&self, id: u64, change: impl FnOnce(&mut Treatment) -> T) -> T {
        let mut all = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(id).or_default())
    }

    /// Counts executions.
    pub fn count(&self, id: u64, times: usize) {
        self.with(id, |treatment| treatment.executed += times);
    }

    /// The ids that were executed more than once.
    pub fn twice(&self) -> Vec<u64> {
        let all = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(_, treatment)| treatment.executed > 1).map(|(id, _)| *id).collect()
    }

    /// The ways in which this request was treated, other than well.
    pub fn faults(&self, id: u64) -> Vec<Fault> {
        self.with(id, |treatment| treatment.faults.clone())
    }

    /// Whether a connection was ended behind an answer, without a word, at any moment between these.
    pub fn ended_between(&self, from: Instant, until: Instant) -> bool {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.iter().any(|(begin, end)| *begin <= until && *end >= from)
    }

    /// Ends a connection behind an answer, without a word.
    fn end(&self, conn: &mut PeerConnection) {
        let begin = Instant::now();
        // The FIN leaves now, even if a process that is being started at this moment has the descriptor, too.
        let _ = conn.shutdown_write();
        conn.close();
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.push((begin, Instant::now()));
    }
}

/// One way to treat a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None.
    Well,
    /// As `Well`, in writes of a few bytes.
    Split,
    /// Ends the connection before the response.
    CloseBefore,
    /// Ends it in the middle of the headers' packet.
    CloseInHeaders,
    /// Ends it in the middle of the body.
    CloseWithin,
    /// Resets it in the middle of the body.
    Reset,
    /// Sends nothing until the request has timed out, then ends the connection.
    Stall,
    /// Sends bytes that are no packet right behind the response.
    StrayBytes,
    /// Ends the connection behind the response, and says so.
    NoReuse,
    /// Ends it behind the response, and does not say so.
    CloseAfter,
    /// Sends headers that fill their packet.
    HugeHeaders,
    /// Answers before it has read the body, and ends the connection.
    Early,
    /// Asks for the body in odd pieces, and once more behind its end.
    OddPieces,
}

const FAULTS: [Fault; 12] = [
    Fault::Split,
    Fault::CloseBefore,
    Fault::CloseInHeaders,
    Fault::CloseWithin,
    Fault::Reset,
    Fault::Stall,
    Fault::StrayBytes,
    Fault::NoReuse,
    Fault::CloseAfter,
    Fault::HugeHeaders,
    Fault::Early,
    Fault::OddPieces,
];

/// Starts a misbehaving container at this address.
pub fn start_at(address: SocketAddr, seed: u64, treatments: &Treatments) -> ScriptedPeer {
    let treatments = treatments.clone();
    let script = move |conn: &mut PeerConnection| {
        let mut random =
            Random::new(seed.wrapping_mul(1_000_003).wrapping_add(conn.index() as u64));
        serve(conn, &mut random, &treatments)
    };
    ScriptedPeer::start_at(address, script).expect("the port is free")
}

fn serve(
    conn: &mut PeerConnection,
    random: &mut Random,
    treatments: &Treatments,
) -> io::Result<()> {
    while let Some(payload) = conn.read_packet()? {
        if payload.first() == Some(&0x0A) {
            conn.send(cpong())?;
            continue;
        }
        let request = forward_request(&payload)?;
        let fault = if random.once_in(4) { random.pick(&FAULTS) } else { Fault::Well };
        if !answer(conn, &request, fault, random, treatments)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Answers a request. Returns whether the connection serves the next one.
fn answer(
    conn: &mut PeerConnection,
    request: &ForwardRequest,
    fault: Fault,
    random: &mut Random,
    treatments: &Treatments,
) -> io::Result<bool> {
    let parameter = |name: &str| {
        let query = request.attribute("query_string").unwrap_or_default();
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(known, _)| *known == name).and_then(|(_, value)| value.parse::<u64>().ok())
    };
    if request.method == "POST" {
        treatments.count(parameter("id").unwrap_or_default(), 1);
    }
    if fault != Fault::Well {
        let id = parameter("seed").or_else(|| parameter("id")).unwrap_or_default();
        treatments.with(id, |treatment| treatment.faults.push(fault));
    }
    match fault {
        Fault::CloseBefore => return Ok(false),
        Fault::Stall => {
            thread::sleep(TIMEOUT + Duration::from_millis(500));
            return Ok(false);
        }
        _ => {}
    }
    let body = if request.method == "POST" {
        match body(conn, request, fault)? {
            Some(body) => format!("length={}\n", body.len()).into_bytes(),
            None => return Ok(false),
        }
    } else {
        Generated::bytes(
            parameter("size").unwrap_or_default(),
            parameter("seed").unwrap_or_default(),
        )
    };

    let mut head = headers(200).header("Content-Type", "application/octet-stream");
    if parameter("cl").unwrap_or(1) == 1 {
        head = head.header("Content-Length", body.len().to_string());
    }
    if fault == Fault::HugeHeaders {
        head = head.header("X-Filler", "f".repeat(7000));
    }
    let head = head.into_bytes();
    if fault == Fault::CloseInHeaders {
        conn.send(raw(&head[..head.len() / 2]))?;
        return Ok(false);
    }
    let mut bytes = head;
    let sent = match fault {
        Fault::CloseWithin | Fault::Reset => &body[..body.len() / 2],
        _ => &body[..],
    };
    sent.chunks(PIECE).for_each(|piece| bytes.extend(chunk(piece)));
    match fault {
        Fault::CloseWithin => {
            conn.send(raw(bytes))?;
            return Ok(false);
        }
        Fault::Reset => {
            conn.send(raw(bytes))?;
            conn.reset()?;
            return Ok(false);
        }
        _ => {}
    }
    let reuse = fault != Fault::NoReuse;
    bytes.extend(end_response().reuse(reuse).into_bytes());
    match fault {
        Fault::StrayBytes => bytes.extend(b"\x41\x42\x00\x05stray"),
        Fault::Split => {
            for piece in bytes.chunks(1 + bytes.len() / (1 + random.below(200))) {
                conn.send(raw(piece))?;
            }
            return Ok(true);
        }
        _ => {}
    }
    conn.send(raw(bytes))?;
    if matches!(fault, Fault::CloseAfter | Fault::StrayBytes) {
        treatments.end(conn);
        return Ok(false);
    }
    Ok(reuse)
}

/// Reads the body of a request. `None`: the request was answered before its body was read.
fn body(
    conn: &mut PeerConnection,
    request: &ForwardRequest,
    fault: Fault,
) -> io::Result<Option<Vec<u8>>> {
    match fault {
        Fault::Early => {
            let refusal = [headers(413).into_bytes(), end_response().reuse(false).into_bytes()];
            conn.send(raw(refusal.concat()))?;
            Ok(None)
        }
        Fault::OddPieces => odd_pieces(conn, request).map(Some),
        _ => read_body(conn, request, PACKET).map(Some),
    }
}

/// Reads a body whose packets are asked for with lengths of their own, and asks once more when it has ended.
fn odd_pieces(conn: &mut PeerConnection, request: &ForwardRequest) -> io::Result<Vec<u8>> {
    let expected = request.content_length();
    let mut body = if expected > 0 { conn.read_body_packet()? } else { Vec::new() };
    for length in [1, 100, 8186, 3000, 8185].into_iter().cycle() {
        let is_complete = !request.is_chunked() && body.len() >= expected;
        conn.send(get_body_chunk(length))?;
        let data = conn.read_body_packet()?;
        if data.is_empty() {
            return Ok(body);
        }
        if is_complete {
            return Err(io::Error::other("more body than was announced"));
        }
        body.extend(data);
    }
    Ok(body)
}
