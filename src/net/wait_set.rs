//! All that one request waits for, as one descriptor that another event loop can watch.

use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use super::NetError;
use super::io::timespec;

/// The directions in which a descriptor is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Something to receive, or the end.
    pub readable: bool,
    /// Room to send.
    pub writable: bool,
}

impl Interest {
    /// Something to receive.
    pub const READABLE: Self = Self { readable: true, writable: false };
    /// Room to send.
    pub const WRITABLE: Self = Self { readable: false, writable: true };

    fn flags(self) -> epoll::EventFlags {
        let mut flags = epoll::EventFlags::empty();
        flags.set(epoll::EventFlags::IN, self.readable);
        flags.set(epoll::EventFlags::OUT, self.writable);
        flags
    }
}

/// A client's socket while its request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientInterest {
    /// Its end of stream counts as gone; else only a reset or an error does.
    pub end: bool,
    /// Room to send.
    pub writable: bool,
}

/// What a look at the set has found. All of it is level-triggered: it is found again until it is dealt
/// with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// The client has gone.
    pub client_gone: bool,
    /// There is room to send to the client.
    pub client_writable: bool,
}

/// A client's socket, a timer, and the descriptors that a request waits for at the moment; readable as
/// soon as there is something to find with [`look`](Self::look). Made of an epoll descriptor, which
/// the kernel lets others watch (epoll(7)), and a timerfd.
#[derive(Debug)]
pub struct WaitSet {
    epoll: OwnedFd,
    timer: OwnedFd,
    /// When the timer fires; `None`: it is not set.
    fires: Option<Instant>,
    client: ClientInterest,
}

impl WaitSet {
    /// Makes a set for the client with this socket, which must stay open as long as the set.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn new(client: BorrowedFd<'_>) -> Result<Self, NetError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let interest = ClientInterest { end: true, writable: false };
        epoll::add(&epoll, client, data(CLIENT), client_flags(interest))?;
        epoll::add(&epoll, &timer, data(OTHER), epoll::EventFlags::IN)?;
        Ok(Self { epoll, timer, fires: None, client: interest })
    }

    /// Adds a descriptor.
    ///
    /// # Errors
    /// A limit of the operating system is reached.
    pub fn add(&self, fd: BorrowedFd<'_>, interest: Interest) -> Result<(), NetError> {
        match epoll::add(&self.epoll, fd, data(OTHER), interest.flags()) {
            Err(Errno::EXIST) => Ok(epoll::modify(&self.epoll, fd, data(OTHER), interest.flags())?),
            added => Ok(added?),
        }
    }

    /// Removes a descriptor.
    pub fn remove(&self, fd: BorrowedFd<'_>) {
        // It fails for one that is not in the set, which is as good.
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Sets what of the client is waited for.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn watch_client(
        &mut self,
        client: BorrowedFd<'_>,
        interest: ClientInterest,
    ) -> Result<(), NetError> {
        if self.client != interest {
            epoll::modify(&self.epoll, client, data(CLIENT), client_flags(interest))?;
            self.client = interest;
        }
        Ok(())
    }

    /// The set becomes readable at `time` at the latest. A timer that fires earlier, set for an earlier
    /// wait, is left as it is: the wait then ends once too often, which costs less than a system call
    /// for each.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn wake_at(&mut self, now: Instant, time: Instant) -> Result<(), NetError> {
        if self.fires.is_some_and(|fires| now < fires && fires <= time) {
            return Ok(());
        }
        // 0 would stop the timer.
        let wait = time.saturating_duration_since(now).max(Duration::from_nanos(1));
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: timespec(wait),
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        self.fires = Some(time);
        Ok(())
    }

    /// Ends a set whose descriptor somebody else has closed, or may be closing.
    pub fn end_without_closing(self) {
        // Its number may be another's by now.
        let _ = self.epoll.into_raw_fd();
    }

    /// Returns what there is of the client. Never blocks.
    pub fn look(&self) -> Woken {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(MAX_EVENTS);
        let _ = epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&Timespec::default()));
        let mut woken = Woken::default();
        for event in events.iter().filter(|event| event.data.u64() == CLIENT) {
            let gone = epoll::EventFlags::ERR | epoll::EventFlags::HUP | epoll::EventFlags::RDHUP;
            // Copied: the field of a packed struct.
            let flags = event.flags;
            woken.client_gone = flags.intersects(gone);
            woken.client_writable = flags.contains(epoll::EventFlags::OUT);
        }
        woken
    }
}

impl AsFd for WaitSet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

fn client_flags(interest: ClientInterest) -> epoll::EventFlags {
    // Errors and hang-ups are always reported.
    let mut flags = epoll::EventFlags::empty();
    flags.set(epoll::EventFlags::RDHUP, interest.end);
    flags.set(epoll::EventFlags::OUT, interest.writable);
    flags
}

fn data(number: u64) -> epoll::EventData {
    epoll::EventData::new_u64(number)
}

const CLIENT: u64 = 0;
const OTHER: u64 = 1;

/// A client, a timer, a waker, two connections to a backend: never more.
const MAX_EVENTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::super::{wait_any, wait_readable};
    use super::*;
    use std::io::Write;
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    const LONG: Duration = Duration::from_secs(60);

    fn is_readable(set: &WaitSet) -> bool {
        wait_readable(set, Duration::ZERO).unwrap()
    }

    #[test]
    fn a_set_is_readable_while_one_of_its_descriptors_is() {
        let (client, _other_end) = UnixStream::pair().unwrap();
        let (backend, mut peer) = UnixStream::pair().unwrap();
        let set = WaitSet::new(client.as_fd()).unwrap();
        set.add(backend.as_fd(), Interest::READABLE).unwrap();
        assert!(!is_readable(&set));

        peer.write_all(b"x").unwrap();
        wait_any(&[set.as_fd()], LONG).unwrap();
        assert_eq!(set.look(), Woken::default(), "it is not the client");
        set.remove(backend.as_fd());
        assert!(!is_readable(&set));
        set.add(backend.as_fd(), Interest::WRITABLE).unwrap();
        set.add(backend.as_fd(), Interest::READABLE).unwrap();
        assert!(is_readable(&set), "the last interest holds");
    }

    #[test]
    fn bytes_of_the_client_wake_nobody_but_its_end_does_unless_it_may_end() {
        let (client, mut other_end) = UnixStream::pair().unwrap();
        let mut set = WaitSet::new(client.as_fd()).unwrap();
        other_end.write_all(b"the next request").unwrap();
        assert!(!is_readable(&set));

        other_end.shutdown(Shutdown::Write).unwrap();
        assert_eq!(set.look(), Woken { client_gone: true, client_writable: false });
        let may_end = ClientInterest { end: false, writable: false };
        set.watch_client(client.as_fd(), may_end).unwrap();
        assert!(!is_readable(&set));
        drop(other_end);
        assert!(set.look().client_gone);
    }

    #[test]
    fn room_for_the_client_is_told_where_it_is_asked_for() {
        let (client, _other_end) = UnixStream::pair().unwrap();
        let mut set = WaitSet::new(client.as_fd()).unwrap();
        assert_eq!(set.look(), Woken::default());
        let both = ClientInterest { end: true, writable: true };
        set.watch_client(client.as_fd(), both).unwrap();
        assert_eq!(set.look(), Woken { client_gone: false, client_writable: true });
    }

    #[test]
    fn a_set_becomes_readable_when_its_time_has_come() {
        let (client, _other_end) = UnixStream::pair().unwrap();
        let mut set = WaitSet::new(client.as_fd()).unwrap();
        let now = Instant::now();
        set.wake_at(now, now + LONG).unwrap();
        assert!(!is_readable(&set));
        set.wake_at(now, now + Duration::from_millis(1)).unwrap();
        wait_any(&[set.as_fd()], LONG).unwrap();
        assert!(is_readable(&set));
        // The timer has fired: the next time is set, whatever it is.
        let later = now + LONG;
        set.wake_at(later, later + LONG).unwrap();
        assert!(!is_readable(&set));
        set.wake_at(now, now).unwrap();
        wait_any(&[set.as_fd()], LONG).unwrap();
    }
}
