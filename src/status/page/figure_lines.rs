//! Figures that the page shows in a line, as their declaration says.

use crate::stats::{Figure, Unit, Value};
use crate::status::numbers::{bytes, grouped, time};

/// A line of figures, each with its words.
pub(in crate::status) struct Line {
    pub(super) head: &'static str,
    pub(super) text: String,
}

/// Makes the lines of the figures that have one.
pub(super) fn lines<F>(list: &[Figure<F>], sums: &F) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for figure in list {
        let Some((head, words)) = figure.shown.page else { continue };
        let Value::Count(count) = (figure.value)(sums) else { continue };
        let number = match figure.shown.unit {
            Unit::Things => grouped(count),
            Unit::Bytes => bytes(count),
            Unit::Microseconds => time(count as f64 / 1_000_000.0),
        };
        let text = format!("{number} {words}");
        match lines.last_mut().filter(|line| line.head == head) {
            Some(line) => line.text += &format!(", {text}"),
            None => lines.push(Line { head, text }),
        }
    }
    lines
}
