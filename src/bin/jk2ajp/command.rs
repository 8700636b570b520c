//! Programs that the command runs, each for a limited time, and the signals that end the command.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use mod_proxy_ajp_rs::command_line::Program;
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGINT, SIGTERM};

/// The time limit of a program. `apachectl -t` resolves host names, which can take a while.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The interval at which a running program is checked.
const TICK: Duration = Duration::from_millis(20);

/// Starts the program, with `output` and `errors` as its standard output and error.
pub(crate) fn start(
    program: &Program,
    output: impl Into<Stdio>,
    errors: impl Into<Stdio>,
) -> io::Result<RunningProgram> {
    let child = Command::new(&program.name)
        .args(&program.arguments)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()?;
    Ok(RunningProgram(child))
}

/// A program that was started. It keeps running if this is dropped.
#[derive(Debug)]
pub(crate) struct RunningProgram(Child);

/// The result of waiting for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitResult {
    /// The program has exited.
    Exited(ExitStatus),
    /// The program is still running at the time limit.
    TimedOut,
    /// A signal asks this command to end; the program is still running.
    Interrupted,
}

impl RunningProgram {
    /// Waits until the program exits, the time limit is reached, or a signal arrives.
    pub(crate) fn wait(&mut self, limit: Duration, stop: &StopSignal) -> io::Result<WaitResult> {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(WaitResult::Exited(status));
            }
            if Instant::now() >= until {
                return Ok(WaitResult::TimedOut);
            }
            if stop.wait(TICK) {
                return Ok(WaitResult::Interrupted);
            }
        }
    }

    /// Kills the program, and all processes that it has started in its group.
    pub(crate) fn kill(mut self) {
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            // It may have exited meanwhile. The kernel does not reuse its id before `wait`.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

/// SIGTERM and SIGINT, which ask this command to end.
#[derive(Debug)]
pub(crate) struct StopSignal {
    signals: UnixStream,
    /// The end that signals write to. It stays open even if they never do.
    other_end: UnixStream,
    has_arrived: Cell<bool>,
}

impl StopSignal {
    /// Creates one that never arrives.
    pub(crate) fn never() -> io::Result<Self> {
        let (signals, other_end) = UnixStream::pair()?;
        Ok(Self { signals, other_end, has_arrived: Cell::new(false) })
    }

    /// Creates one that arrives with SIGTERM and SIGINT.
    pub(crate) fn install() -> io::Result<Self> {
        let stop = Self::never()?;
        for signal in [SIGTERM, SIGINT] {
            signal_hook::low_level::pipe::register(signal, stop.other_end.try_clone()?)?;
        }
        Ok(stop)
    }

    /// Waits for it, `time` at most. Returns whether it has arrived.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while !self.has_arrived.get() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let read = self.signals.set_read_timeout(Some(left));
            match read.and_then(|()| (&self.signals).read(&mut [0])) {
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut
                    ) => {}
                // An unreadable descriptor must not make this loop forever.
                _ => self.has_arrived.set(true),
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(command: &str, limit: Duration) -> (WaitResult, RunningProgram) {
        let program: Program = command.parse().unwrap();
        let mut running = start(&program, Stdio::null(), Stdio::null()).unwrap();
        (running.wait(limit, &StopSignal::never().unwrap()).unwrap(), running)
    }

    #[test]
    fn a_program_exits_by_itself_or_is_killed_after_the_time_limit() {
        let (waited, _) = run("sh -c \"exit 3\"", LIMIT);
        assert!(matches!(waited, WaitResult::Exited(status) if status.code() == Some(3)));
        let (waited, running) = run("sh -c \"sleep 600; true\"", 3 * TICK);
        assert_eq!(waited, WaitResult::TimedOut);
        running.kill();
    }

    #[test]
    fn a_stop_stays_once_it_has_arrived() {
        let stop = StopSignal::never().unwrap();
        assert!(!stop.wait(Duration::from_millis(1)));
        io::Write::write_all(&mut &stop.other_end, b"x").unwrap();
        assert!(stop.wait(LIMIT) && stop.wait(LIMIT));
    }
}
