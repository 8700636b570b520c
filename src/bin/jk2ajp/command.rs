//! Programs that are run, for a limited time, and how we are told to end.

use std::cell::Cell;
use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use mod_proxy_ajp_rs::config::Words;
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGINT, SIGTERM};

/// How long a program may take. `apachectl -t` looks names up, which can take a while.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// How often a program is looked after that has not ended.
const TICK: Duration = Duration::from_millis(20);

/// A program and its arguments, said in one option: words as httpd's configuration has them, quotes
/// around those with white space. No shell reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    name: String,
    arguments: Vec<String>,
}

impl FromStr for Program {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = Words::of(text).map(|word| word.text.into_owned());
        let name = words.next().filter(|name| !name.is_empty());
        let name = name.ok_or("a program is to be named")?;
        Ok(Self { name, arguments: words.collect() })
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {argument}"))
    }
}

impl Program {
    /// The same with these arguments, too.
    pub(crate) fn with(&self, more: &[&str]) -> Self {
        let mut program = self.clone();
        program.arguments.extend(more.iter().map(|&word| word.to_owned()));
        program
    }

    /// Starts it; all it prints goes to `output`.
    pub(crate) fn start(
        &self,
        output: impl Into<Stdio>,
        errors: impl Into<Stdio>,
    ) -> io::Result<Running> {
        let child = Command::new(&self.name)
            .args(&self.arguments)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()?;
        Ok(Running(child))
    }
}

/// A program that was started. Dropped, it goes on.
#[derive(Debug)]
pub(crate) struct Running(Child);

/// What a wait for a program has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It has ended.
    Ended(ExitStatus),
    /// It has not, within the time.
    Late,
    /// We are to end before it has.
    Stopped,
}

impl Running {
    /// Waits until it has ended, the time is over, or a signal has come.
    pub(crate) fn wait(&mut self, limit: Duration, stop: &Stop) -> io::Result<Waited> {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Waited::Ended(status));
            }
            if Instant::now() >= until {
                return Ok(Waited::Late);
            }
            if stop.wait(TICK) {
                return Ok(Waited::Stopped);
            }
        }
    }

    /// Ends it, and what it has started in its group.
    pub(crate) fn kill(mut self) {
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            // It may have ended meanwhile; its id is its own until it has been waited for.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

/// Whether we are to end.
#[derive(Debug)]
pub(crate) struct Stop {
    signals: UnixStream,
    /// Kept open where nothing is ever written into it.
    other_end: UnixStream,
    has_come: Cell<bool>,
}

impl Stop {
    /// It never comes.
    pub(crate) fn never() -> io::Result<Self> {
        let (signals, other_end) = UnixStream::pair()?;
        Ok(Self { signals, other_end, has_come: Cell::new(false) })
    }

    /// It comes with SIGTERM and SIGINT.
    pub(crate) fn at_signals() -> io::Result<Self> {
        let stop = Self::never()?;
        for signal in [SIGTERM, SIGINT] {
            signal_hook::low_level::pipe::register(signal, stop.other_end.try_clone()?)?;
        }
        Ok(stop)
    }

    /// Waits so long for it; whether it has come.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while !self.has_come.get() {
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
                // A descriptor that cannot be read is no reason to go round for ever.
                _ => self.has_come.set(true),
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(command: &str, limit: Duration) -> (Waited, Running) {
        let program: Program = command.parse().unwrap();
        let mut running = program.start(Stdio::null(), Stdio::null()).unwrap();
        (running.wait(limit, &Stop::never().unwrap()).unwrap(), running)
    }

    #[test]
    fn a_command_is_words_and_no_shell_reads_it() {
        let program: Program = "systemctl reload \"my httpd\" $HOME;x".parse().unwrap();
        assert_eq!(program.name, "systemctl");
        assert_eq!(program.arguments, ["reload", "my httpd", "$HOME;x"]);
        assert!("".parse::<Program>().is_err() && " \"\" x".parse::<Program>().is_err());
    }

    #[test]
    fn a_program_ends_by_itself_or_is_late_and_ended() {
        let (waited, _) = run("sh -c \"exit 3\"", LIMIT);
        assert!(matches!(waited, Waited::Ended(status) if status.code() == Some(3)));
        let (waited, running) = run("sh -c \"sleep 600; true\"", 3 * TICK);
        assert_eq!(waited, Waited::Late);
        running.kill();
    }

    #[test]
    fn a_stop_stays_once_it_has_come() {
        let stop = Stop::never().unwrap();
        assert!(!stop.wait(Duration::from_millis(1)));
        io::Write::write_all(&mut &stop.other_end, b"x").unwrap();
        assert!(stop.wait(LIMIT) && stop.wait(LIMIT));
    }
}
