//! Processes of httpd that ended by a signal, and whose fault that was: a core file shows of one kind that it is httpd's
//! own.
//!
//! When a child ends at once (SIGTERM, or a restart that is not graceful), its main thread closes the sockets of its
//! connections (`close_worker_sockets` in event.c and worker.c), while the threads that serve them may free them.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::c_module::compiled;

/// What httpd's log says of a process that ended by a signal: of a child (AH00051 with a core file, AH00052 without
/// one), and of the parent.
const MARKS: [&str; 2] = ["exit signal", "AH00060"];

/// The processes of an httpd that ended by a signal so far.
#[derive(Debug)]
pub struct Crashes {
    /// What the log says of each.
    lines: Vec<String>,
    /// The stacks of all threads, of each core file.
    stacks: Vec<String>,
}

impl Crashes {
    /// The crashes that this log tells of, with the core files of this directory.
    pub fn of(log: &str, program: &Path, cores: Option<&Path>) -> Self {
        let is_crash = |line: &&str| MARKS.iter().any(|mark| line.contains(mark));
        let lines: Vec<_> = log.lines().filter(is_crash).map(str::to_owned).collect();
        let files = cores.filter(|_| !lines.is_empty()).map(core_files).unwrap_or_default();
        let stacks = files.iter().map(|file| stacks(program, file)).collect();
        Self { lines, stacks }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is a core file of each, which shows that the crash is httpd's own.
    pub fn are_httpds_own(&self) -> bool {
        self.lines.len() == self.stacks.len() && self.stacks.iter().all(|all| is_httpds_own(all))
    }
}

impl fmt::Display for Crashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lines, stacks } = self;
        writeln!(f, "{} crashes, {} core files", lines.len(), stacks.len())?;
        lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        for all in stacks {
            if is_httpds_own(all) {
                crashed(all).iter().flatten().try_for_each(|frame| writeln!(f, "{frame}"))?;
            } else {
                writeln!(f, "{all}")?;
            }
        }
        Ok(())
    }
}

/// The directory in which an httpd with this port writes its core files: its own, in that of `AJP_CORE_DIRECTORY`.
pub(crate) fn core_directory(port: u16) -> Option<PathBuf> {
    std::env::var_os("AJP_CORE_DIRECTORY").map(|all| Path::new(&all).join(port.to_string()))
}

/// Makes this directory, or empties it. The children write there, too. Returns the lines of httpd's configuration by
/// which each child has a directory of its own in it (`cores.c`).
pub(crate) fn prepare(cores: &Path) -> String {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let _ = fs::remove_dir_all(cores);
    fs::create_dir_all(cores).expect("AJP_CORE_DIRECTORY is ours");
    fs::set_permissions(cores, Permissions::from_mode(0o777)).expect("it is ours");
    let (module, cores) = (BUILT.get_or_init(|| compiled("cores")).display(), cores.display());
    format!("LoadModule test_cores_module \"{module}\"\nCoreDumpDirectory \"{cores}\"")
}

/// The core files in this directory: that of the parent, and those of children.
fn core_files(cores: &Path) -> Vec<PathBuf> {
    let entries = |directory: &Path| {
        let all = fs::read_dir(directory).into_iter().flatten().flatten();
        all.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let (children, mut files): (Vec<_>, Vec<_>) =
        entries(cores).into_iter().partition(|path| path.is_dir());
    files.extend(children.iter().flat_map(|child| entries(child)));
    files
}

/// Returns the stacks of all threads of a running process, as gdb prints them.
pub fn stacks_of(pid: u32) -> String {
    by_gdb(&["-p".as_ref(), pid.to_string().as_ref()])
}

/// Returns the stacks of all threads of a core file.
fn stacks(program: &Path, core: &Path) -> String {
    by_gdb(&[program.as_ref(), core.as_ref()])
}

fn by_gdb(process: &[&OsStr]) -> String {
    let mut command = Command::new("gdb");
    command.args(["-batch", "-ex", "thread apply all backtrace 40"]).args(process);
    let output = command.output().expect("gdb is installed (ci/setup)");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether each thread that crashed was in the MPM's own end, with nothing of this module on its stack. `stacks` are those
/// of all threads (`thread apply all backtrace`).
pub fn is_httpds_own(stacks: &str) -> bool {
    let crashed = crashed(stacks);
    !crashed.is_empty() && crashed.iter().all(|frames| is_end_of_mpm(frames))
}

fn is_end_of_mpm(frames: &[&str]) -> bool {
    const PLACES: [&str; 5] = [
        "mod_mpm_event.so",
        "mod_mpm_worker.so",
        // Where the symbols are known, or the MPM is built in.
        "close_socket_at",
        "abort_socket_nonblocking",
        "close_worker_sockets",
    ];
    let has = |frame: &&str, words: &[&str]| words.iter().any(|word| frame.contains(word));
    let is_of_apr = |frame: &&&str| has(frame, &[" in apr_", " in __", "libapr"]);
    let caller = frames.iter().find(|frame| !is_of_apr(frame));
    frames.first().is_some_and(|first| has(first, &[" in apr_", "libapr"]))
        && caller.is_some_and(|frame| has(frame, &PLACES))
        // It is the thread that runs the MPM.
        && frames.iter().any(|frame| frame.contains("ap_run_mpm"))
        && !frames.iter().any(|frame| frame.contains("mod_proxy_ajp"))
}

/// Returns the frames of the threads that crashed, the innermost one first.
///
/// httpd catches the signal and sends it again, to the process: the kernel may give that to any thread, which is then
/// the first one of the core file. The thread that crashed is the one in which httpd sent it. If there is none, it has
/// returned from there to the same fault, which ended the process, and is the first.
fn crashed(stacks: &str) -> Vec<Vec<&str>> {
    let mut threads: Vec<(bool, Vec<&str>)> = Vec::new();
    for line in stacks.lines() {
        if line.starts_with("Thread ") {
            threads.push((line.starts_with("Thread 1 "), Vec::new()));
        } else if let (true, Some((_, frames))) = (line.starts_with('#'), threads.last_mut()) {
            frames.push(line);
        }
    }
    let caught: Vec<_> = threads.iter().filter_map(|(_, frames)| behind_signal(frames)).collect();
    if caught.is_empty() {
        threads.into_iter().filter(|(is_first, _)| *is_first).map(|(_, frames)| frames).collect()
    } else {
        caught
    }
}

/// The frames of a thread behind the handler that sent its signal again.
fn behind_signal<'s>(frames: &[&'s str]) -> Option<Vec<&'s str>> {
    let at = frames.iter().position(|frame| frame.contains("<signal handler called>"))?;
    let sends = frames[..at].iter().any(|frame| frame.contains("kill"));
    sends.then(|| frames[at + 1..].to_vec())
}
