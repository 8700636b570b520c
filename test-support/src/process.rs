//! Starts the processes that tests need, and ensures that none of them outlives the tests.
//!
//! A test can panic, be killed or be interrupted; a `static` is never dropped. So each test process
//! has one guardian: a shell that reads from a pipe which processes to end and which directories to
//! remove, and does so when the pipe closes, that is when the test process is gone for any reason.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::sockets;

/// How long a test waits for an event before it fails. So long that only a hang reaches it, however slow
/// the machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

const GUARDIAN: &str = r#"
trap '' INT TERM HUP
pids=
namespaces=
while read -r word value; do
    case $word in
    pid) pids="$pids $value" ;;
    gone)
        kept=
        for pid in $pids; do [ "$pid" = "$value" ] || kept="$kept $pid"; done
        pids=$kept
        ;;
    dir) set -- "$@" "$value" ;;
    netns) namespaces="$namespaces $value" ;;
    esac
done
for pid in $pids; do kill -TERM "$pid"; done
tries=0
for pid in $pids; do
    while kill -0 "$pid" && [ $tries -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
    kill -KILL -- "-$pid"
done
for namespace in $namespaces; do ip netns del "$namespace"; done
[ $# -eq 0 ] || rm -rf -- "$@"
"#;

fn tell_guardian(word: &str, value: impl std::fmt::Display) {
    static PIPE: OnceLock<Mutex<ChildStdin>> = OnceLock::new();
    let pipe = PIPE.get_or_init(|| {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", GUARDIAN, "guardian"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("every Unix has /bin/sh");
        let pipe = shell.stdin.take().expect("stdin is piped, a few lines above");
        // It ends after us, so its exit status is of no interest.
        std::thread::spawn(move || shell.wait());
        Mutex::new(pipe)
    });
    let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(pipe, "{word} {value}").expect("the guardian reads until we are gone");
}

/// Makes the guardian remove `path` when this test process ends.
pub fn remove_at_end(path: &Path) {
    tell_guardian("dir", path.display());
}

/// Makes the guardian delete the network namespace `name` when this test process ends.
pub fn delete_namespace_at_end(name: &str) {
    tell_guardian("netns", name);
}

/// A process that ends, with its children, when this value is dropped or the test process is gone.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
}

impl Guarded {
    /// Starts `command` in a process group of its own.
    pub fn spawn(command: &mut Command) -> Self {
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        tell_guardian("pid", child.id());
        Self { child }
    }

    /// The process id, which is also the id of its group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How the process has ended; `None` while it runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks the process to end, and makes it end if it does not within [`DEADLINE`].
    pub fn stop(&mut self) {
        self.stop_by("TERM");
    }

    /// As [`Guarded::stop`], with another signal than TERM.
    pub fn stop_by(&mut self, name: &str) {
        self.stop_in_turn(name, || false);
    }

    /// As [`Guarded::stop_by`], and sends TERM as soon as `is_over` says that this is all it would wait for.
    pub fn stop_in_turn(&mut self, name: &str, mut is_over: impl FnMut() -> bool) {
        if self.is_running() {
            signal(name, self.pid());
        }
        let deadline = Instant::now() + DEADLINE;
        let mut is_told = false;
        while self.is_running() && Instant::now() < deadline {
            if !is_told && is_over() {
                is_told = true;
                signal("TERM", self.pid());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.is_running() {
            signal_group("KILL", self.pid());
            let _ = self.child.wait();
        }
        tell_guardian("gone", self.pid());
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Sends the signal `name` (`TERM`, `USR1`, ...) to one process.
pub fn signal(name: &str, pid: u32) {
    kill(name, &pid.to_string());
}

fn signal_group(name: &str, group: u32) {
    kill(name, &format!("-{group}"));
}

fn kill(name: &str, target: &str) {
    let _ = Command::new("/bin/sh")
        .args(["-c", r#"kill -s "$1" -- "$2""#, "kill", name, target])
        .stderr(Stdio::null())
        .status();
}

/// Waits until `condition` gives a value; `what` names it in the failure.
pub fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_up_to(DEADLINE, what, condition)
}

/// As [`wait_for`], with another limit: a JVM that starts beside a dozen other processes takes long.
pub fn wait_up_to<T>(limit: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "did not happen within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns a port of the loopback interface that nothing listens on, a different one at each call.
///
/// It is below the range that the kernel gives to outgoing connections, so that none of them takes it
/// between this call and the server's own bind. Other test processes keep away from it: see [`Ports`].
pub fn free_port() -> u16 {
    free_ports(1)
}

/// Returns the first of `count` such ports in a row; at most 20.
pub fn free_ports(count: u16) -> u16 {
    static PORTS: Mutex<Ports> = Mutex::new(Ports::NONE);
    assert!(count <= Ports::PORTS_PER_BLOCK, "{count} ports in a row");
    let mut ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let first = ports.next_free();
        if (1..count).all(|next| ports.next_free() == first + next) {
            return first;
        }
    }
}

/// The ports of this process, in blocks.
///
/// A process that holds the UDP port with the number of a block's first port owns all TCP ports of that
/// block until it ends. One descriptor stands for a whole block, since hundreds of tests in one process
/// need a thousand ports, and the usual limit is 1024 descriptors.
struct Ports {
    /// How many blocks were tried.
    tried: u16,
    blocks: Vec<UdpSocket>,
    /// The rest of the last block.
    rest: Range<u16>,
}

impl Ports {
    const NONE: Self = Self { tried: 0, blocks: Vec::new(), rest: 0..0 };
    const FIRST: u16 = 10_000;
    const BLOCKS: u16 = 1_000;
    const PORTS_PER_BLOCK: u16 = 20;

    fn next_free(&mut self) -> u16 {
        loop {
            match self.rest.next() {
                Some(port) if is_free(port) => return port,
                Some(_) => {}
                None => self.take_block(),
            }
        }
    }

    /// Takes the next block that no other process owns. Processes begin at different ones.
    fn take_block(&mut self) {
        let start = (std::process::id().wrapping_mul(97) % u32::from(Self::BLOCKS)) as u16;
        while self.tried < Self::BLOCKS {
            let block = (start + self.tried) % Self::BLOCKS;
            self.tried += 1;
            let first = Self::FIRST + block * Self::PORTS_PER_BLOCK;
            if let Ok(owned) = UdpSocket::bind(("127.0.0.1", first)) {
                self.blocks.push(owned);
                self.rest = first..first + Self::PORTS_PER_BLOCK;
                return;
            }
        }
        panic!("all {} blocks of ports are taken", Self::BLOCKS);
    }
}

fn is_free(port: u16) -> bool {
    let is_free = |ip: IpAddr| sockets::is_free((ip, port).into());
    is_free(Ipv4Addr::LOCALHOST.into()) && (!has_ipv6() || is_free(Ipv6Addr::LOCALHOST.into()))
}

/// Whether this machine has an IPv6 loopback address.
pub fn has_ipv6() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| TcpListener::bind(("::1", 0)).is_ok())
}

/// Whether the tests run as root. httpd then changes to another user, which must be able to read its files.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Lets every user read, write and search the file or directory, as httpd's user must be able to.
pub fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(path, permissions).expect("it is ours");
}

/// Whether a child of the first thread of `pid` has not ended yet. One that its parent has not waited for has ended.
pub fn has_running_children(pid: u32) -> bool {
    let is_running = |child: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
    };
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .map_or(true, |children| children.split_whitespace().any(is_running))
}

/// The processes whose parent is `pid`.
pub fn children_of(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("Linux has /proc").flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // `pid (name) state ppid ...`: the name may hold spaces, so read behind its bracket.
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        if fields.split_whitespace().nth(1) == Some(pid.to_string().as_str()) {
            found.push(id);
        }
    }
    found
}
