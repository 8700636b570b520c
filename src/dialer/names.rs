//! Resolves names without blocking: a thread asks the system's resolver.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::net::resolve;

/// How long addresses are used before the resolver is asked again.
const KEPT: Duration = Duration::from_secs(30);

type Answer = Result<Vec<IpAddr>, String>;

/// A cache of names, filled by a resolver thread.
#[derive(Debug)]
pub(super) struct Names {
    known: HashMap<String, Known>,
    questions: Sender<String>,
    answers: Receiver<(String, Answer)>,
    /// Readable when there are answers.
    wake: UnixStream,
}

#[derive(Debug, Default)]
struct Known {
    answer: Option<(Instant, Answer)>,
    asked: bool,
}

impl Names {
    /// Starts the resolver thread, which ends when this value is dropped.
    ///
    /// # Errors
    /// The system has no descriptor or no thread left.
    pub(super) fn new() -> std::io::Result<Names> {
        let (questions, asked) = channel::<String>();
        let (reply, answers) = channel();
        let (wake, mut waker) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        waker.set_nonblocking(true)?;
        std::thread::Builder::new().name("names".into()).spawn(move || {
            for host in asked {
                let answer = ask(&host);
                if reply.send((host, answer)).is_err() {
                    return;
                }
                // A full socket is readable already.
                let _ = waker.write(&[1]);
            }
        })?;
        Ok(Names { known: HashMap::new(), questions, answers, wake })
    }

    /// The addresses of a host; `None` while the resolver is being asked.
    ///
    /// An answer is used if it is younger than `since` or than 30 s, a failure only if it is younger
    /// than `since`.
    pub(super) fn get(&mut self, host: &str, since: Instant, now: Instant) -> Option<Answer> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Ok(vec![address]));
        }
        let known = self.known.entry(host.to_owned()).or_default();
        if let Some((at, answer)) = &known.answer {
            let recent = answer.is_ok() && now.saturating_duration_since(*at) < KEPT;
            if recent || *at >= since {
                return Some(answer.clone());
            }
        }
        if !known.asked {
            known.asked = true;
            if self.questions.send(host.to_owned()).is_err() {
                return Some(Err("the resolver thread has ended".into()));
            }
        }
        None
    }

    /// Puts this address, which worked, before the others of its name.
    pub(super) fn prefer(&mut self, host: &str, good: IpAddr) {
        if let Some(Known { answer: Some((_, Ok(addresses))), .. }) = self.known.get_mut(host) {
            // The sort is stable: the others keep the order that the system gave them.
            addresses.sort_by_key(|address| *address != good);
        }
    }

    /// Stores the answers that have arrived.
    pub(super) fn receive(&mut self, now: Instant) {
        let mut woken = [0; 64];
        while matches!(self.wake.read(&mut woken), Ok(count) if count > 0) {}
        for (host, mut answer) in self.answers.try_iter() {
            let known = self.known.entry(host).or_default();
            known.asked = false;
            if let (Ok(new), Some((_, Ok(old)))) = (&mut answer, &known.answer) {
                let good = old.first().copied();
                new.sort_by_key(|address| Some(*address) != good);
            }
            known.answer = Some((now, answer));
        }
    }
}

impl AsFd for Names {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

fn ask(host: &str) -> Answer {
    // The port does not matter here.
    match resolve(host, 0) {
        Ok(found) => Ok(found.into_iter().map(|address| address.ip()).collect()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::wait_readable;

    fn wait(names: &mut Names, host: &str, since: Instant) -> Answer {
        loop {
            if let Some(answer) = names.get(host, since, Instant::now()) {
                return answer;
            }
            assert!(wait_readable(&*names, Duration::from_secs(60)).unwrap(), "no answer");
            names.receive(Instant::now());
        }
    }

    #[test]
    fn an_address_needs_no_resolver() {
        let mut names = Names::new().unwrap();
        let now = Instant::now();
        let found = names.get("::1", now, now);
        assert_eq!(found, Some(Ok(vec!["::1".parse().unwrap()])));
    }

    #[test]
    fn a_name_is_resolved_once_and_its_working_address_comes_first() {
        let mut names = Names::new().unwrap();
        let start = Instant::now();
        assert_eq!(names.get("localhost", start, start), None);
        let found = wait(&mut names, "localhost", start).unwrap();
        let last = *found.last().unwrap();
        names.prefer("localhost", last);
        let again = names.get("localhost", Instant::now(), Instant::now());
        assert_eq!(again.unwrap().unwrap().first(), Some(&last));
    }

    #[test]
    fn a_failure_is_not_kept_for_the_next_attempt() {
        let mut names = Names::new().unwrap();
        // Refused before any network is asked.
        let bad = "a\0b";
        assert!(wait(&mut names, bad, Instant::now()).is_err());
        let later = Instant::now() + Duration::from_millis(1);
        assert_eq!(names.get(bad, later, later), None);
    }
}
