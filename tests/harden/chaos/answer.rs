//! The answer that a request must get: it follows from the number in its URL, in every container.

use test_support::http::Generated;

/// One request of the chaos, and its answer.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Its number, no other request's.
    pub id: u64,
    /// The length of the answer to a GET, of the body of a POST.
    pub size: u64,
    /// Whether it is a POST.
    pub is_post: bool,
}

impl Ask {
    /// The path and query: those of the servlets `download` and `count`.
    pub fn target(&self) -> String {
        let Self { id, size, is_post } = self;
        if *is_post {
            format!("/app/count?id={id}")
        } else {
            format!("/app/download?seed={id}&size={size}&cl={}", id % 2)
        }
    }

    /// The body of a POST.
    pub fn body(&self) -> Vec<u8> {
        if self.is_post { Generated::bytes(self.size, self.id) } else { Vec::new() }
    }

    /// The body of the right answer.
    pub fn answer(&self) -> Vec<u8> {
        if self.is_post {
            format!("length={}\n", self.size).into_bytes()
        } else {
            Generated::bytes(self.size, self.id)
        }
    }
}

/// What a client has had in answer to a request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The right answer, whole.
    Right,
    /// An error of httpd's or of a container, whole.
    Error(u16),
    /// An answer that the client can see to be incomplete, or none at all.
    Broken,
    /// The same, since the connection, over HTTP/2, was reset.
    Reset,
    /// The client has left before its end.
    Left,
    /// Nothing: httpd has closed the connection, which it had kept.
    Closed,
    /// Nothing for a minute.
    Hung,
    /// A whole answer, or a part of one, that is not its own: the text says how it differs.
    Wrong(String),
}

/// Judges an answer: its status and body, and whether it looks whole.
pub fn judge(ask: &Ask, status: u16, body: &[u8], is_whole: bool) -> Outcome {
    if status != 200 {
        return if is_whole { Outcome::Error(status) } else { Outcome::Broken };
    }
    let right = ask.answer();
    if is_whole && body == right {
        Outcome::Right
    } else if !is_whole && right.starts_with(body) {
        Outcome::Broken
    } else {
        let differs = body.iter().zip(&right).position(|(is, due)| is != due);
        Outcome::Wrong(format!(
            "{ask:?}: {} of {} bytes, whole: {is_whole}, the first that differs: {differs:?}",
            body.len(),
            right.len()
        ))
    }
}
