//! Writes copied lines with the sections around them.

use super::conf_text::ConfText;
use crate::migrate::read::copied_lines::{CopiedLine, EnclosingSection};
use crate::migrate::text::marks::COPIED;
use crate::migrate::text::source::Sources;

/// Writes the lines of one server.
pub fn write(text: &mut ConfText, lines: &[&CopiedLine], sources: &Sources) {
    if lines.is_empty() {
        return;
    }
    text.gap();
    text.comment(0, COPIED);
    let mut open: Vec<&EnclosingSection> = Vec::new();
    let mut before = None;
    for line in lines {
        let same = open.iter().zip(&line.around).take_while(|(one, other)| one.id == other.id);
        let same = same.count();
        let is_other = open.len() != same || line.around.len() != same;
        close(text, &mut open, same);
        let place = sources.place(line.at);
        let here = (place.file, place.line);
        if is_other || before != Some((here.0, here.1 - 1)) {
            text.comment(4 * same, &sources.line(line.at));
        }
        for around in &line.around[same..] {
            text.line(4 * open.len(), &around.opening);
            open.push(around);
        }
        text.line(4 * open.len(), &line.text);
        before = Some(here);
    }
    close(text, &mut open, 0);
}

fn close(text: &mut ConfText, open: &mut Vec<&EnclosingSection>, down_to: usize) {
    while open.len() > down_to {
        let Some(last) = open.pop() else { return };
        text.line(4 * open.len(), &format!("</{}>", last.name));
    }
}
