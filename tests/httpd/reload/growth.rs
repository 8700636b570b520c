//! What the parent keeps of each restart: nothing.

use std::fs;

use test_support::httpd::{Httpd, Mpm};
use test_support::members::named;
use test_support::status::with_status;

/// Restarts before the first measurement, in which httpd's pools and the allocator reach their size.
const FIRST: usize = 10;
/// Restarts between the two measurements.
const RESTARTS: u64 = 50;
/// The most that a restart may keep, in bytes. Some hundred have been seen, of which the allocator takes a page now and
/// then; stock keeps as much.
const MOST: u64 = 2048;

/// The memory of a process.
#[derive(Clone, Copy, Debug)]
struct Memory {
    /// Bytes that are mapped, without the allocator's heap: its size moves by 128 KiB at once. What is used of it is
    /// in `written`.
    mapped: u64,
    /// Bytes of those that it has written to and that are no file's.
    written: u64,
}

impl Memory {
    fn of(pid: u32) -> Self {
        let file = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).expect("it runs");
        let rollup = file("smaps_rollup");
        let written = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:"));
        let kilobytes =
            written.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        let maps = file("maps");
        let mappings = maps.lines().filter(|line| !line.ends_with("[heap]"));
        Self {
            mapped: mappings.map(size_of_mapping).sum(),
            written: 1024 * kilobytes.unwrap_or_else(|| panic!("no number: {written:?}")),
        }
    }
}

/// The bytes of a mapping: a line of `/proc/PID/maps`, `5581c0de0000-5581c0e01000 rw-p ...`.
fn size_of_mapping(line: &str) -> u64 {
    let address = |digits| u64::from_str_radix(digits, 16).expect("a hexadecimal number");
    let range = line.split(' ').next().and_then(|range| range.split_once('-'));
    let (start, end) = range.unwrap_or_else(|| panic!("no range of addresses: {line}"));
    address(end) - address(start)
}

/// A parent that has restarted gracefully so often is as large as before.
#[track_caller]
fn parent_does_not_grow(mpm: Mpm) {
    let (a, b) = (named("a"), named("b"));
    let (a, b) = (a.port(), b.port());
    let httpd = with_status(Httpd::setup().mpm(mpm))
        .conf(&format!(
            "ProxyPass /one ajp://localhost:{a} min=1
            <Proxy balancer://members>
                BalancerMember ajp://127.0.0.1:{a} route=a
                BalancerMember ajp://127.0.0.1:{b} route=b
            </Proxy>
            ProxyPass /app balancer://members"
        ))
        .start();
    (0..FIRST).for_each(|_| httpd.graceful());
    let before = Memory::of(httpd.pid());
    (0..RESTARTS).for_each(|_| httpd.graceful());
    let after = Memory::of(httpd.pid());
    let limit = RESTARTS * MOST;
    assert!(after.mapped <= before.mapped + limit, "{before:?}, {after:?}");
    assert!(after.written <= before.written + limit, "{before:?}, {after:?}");
}

#[test]
fn the_parent_does_not_grow_by_fifty_restarts_under_event() {
    parent_does_not_grow(Mpm::Event);
}

#[test]
fn the_parent_does_not_grow_by_fifty_restarts_under_prefork() {
    parent_does_not_grow(Mpm::Prefork);
}
