//! Numbers as the page shows them: short, with their unit.

/// A time, in milliseconds or seconds.
pub(super) fn time(seconds: f64) -> String {
    match seconds {
        s if s < 0.01 => format!("{:.1}\u{a0}ms", s * 1000.0),
        s if s < 1.0 => format!("{:.0}\u{a0}ms", s * 1000.0),
        s if s < 10.0 => format!("{s:.1}\u{a0}s"),
        s => format!("{s:.0}\u{a0}s"),
    }
}

/// A number of things per second.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        r if r <= 0.0 => "0".to_owned(),
        r if r < 0.1 => "< 0.1".to_owned(),
        r if r < 10.0 => format!("{r:.1}"),
        // Far fewer than 2^53.
        r => grouped(r.round() as u64),
    }
}

/// The bound of a bucket.
pub(super) fn bound(ms: u64) -> String {
    if ms < 1000 { format!("{ms}\u{a0}ms") } else { format!("{}\u{a0}s", ms / 1000) }
}

/// An age, in the largest units that matter.
pub(super) fn age(ms: u64) -> String {
    match ms / 1000 {
        s @ 0..=119 => format!("{s} s"),
        s @ 120..=7199 => format!("{} min", s / 60),
        s @ 7200..=172_799 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        s => format!("{} days", s / 86400),
    }
}

/// A number of bytes.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (count as f64, 0);
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// A number with a thin space between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push('\u{2009}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_their_unit() {
        assert_eq!(
            [time(0.0004), time(0.023), time(1.26), time(75.0)],
            ["0.4\u{a0}ms", "23\u{a0}ms", "1.3\u{a0}s", "75\u{a0}s"]
        );
        assert_eq!(
            [age(5_000), age(200_000), age(7_500_000), age(200_000_000)],
            ["5 s", "3 min", "2 h 5 min", "2 days"]
        );
        assert_eq!(
            [rate(0.0), rate(0.02), rate(1.26), rate(1234.5)],
            ["0", "< 0.1", "1.3", "1\u{2009}235"]
        );
        assert_eq!([bytes(999), bytes(1500), bytes(2_340_000_000)], ["999 B", "1.5 kB", "2.3 GB"]);
        assert_eq!(
            [grouped(1), grouped(1234), grouped(1_234_567)],
            ["1", "1\u{2009}234", "1\u{2009}234\u{2009}567"]
        );
    }
}
