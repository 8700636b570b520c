//! Waits for the first of several descriptors.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;

use super::io::timespec;
use super::{Deadline, NetError};

/// A set of descriptors, each with a number. It is itself a descriptor to [wait for](wait_any), for any
/// number of threads, while others are added and removed.
#[derive(Debug)]
pub struct Watch(OwnedFd);

impl Watch {
    /// Makes an empty set.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn new() -> Result<Self, NetError> {
        Ok(Self(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    /// Adds a descriptor, to be reported while there is something to read on it, including its end and
    /// errors. Closing the descriptor removes it.
    ///
    /// # Errors
    /// A limit of the operating system is reached.
    pub fn add(&self, fd: impl AsFd, number: u64) -> Result<(), NetError> {
        let data = epoll::EventData::new_u64(number);
        Ok(epoll::add(&self.0, fd, data, epoll::EventFlags::IN)?)
    }

    /// Reports a descriptor of the set while there is room to send on it, and not while there is something
    /// to read; with `room` false, the other way round again.
    ///
    /// # Errors
    /// It is not in the set.
    pub fn report_room(&self, fd: impl AsFd, number: u64, room: bool) -> Result<(), NetError> {
        let events = if room { epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
        Ok(epoll::modify(&self.0, fd, epoll::EventData::new_u64(number), events)?)
    }

    /// Removes a descriptor.
    pub fn remove(&self, fd: impl AsFd) {
        // It fails for one that is not in the set, which is as good.
        let _ = epoll::delete(&self.0, fd);
    }

    /// Returns the numbers of the descriptors that are to be reported now; if they are many, not all of
    /// them. Never blocks.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn ready(&self) -> Result<Vec<u64>, NetError> {
        let mut events = Vec::with_capacity(MAX_EVENTS);
        match epoll::wait(&self.0, spare_capacity(&mut events), Some(&Timespec::default())) {
            Ok(_) => Ok(events.iter().map(|event: &epoll::Event| event.data.u64()).collect()),
            Err(Errno::INTR) => Ok(Vec::new()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until there is something to read on one of these, for at most `timeout`.
///
/// # Errors
/// The system cannot poll.
pub fn wait_any(fds: &[BorrowedFd<'_>], timeout: Duration) -> Result<(), NetError> {
    let deadline = Deadline::after(Instant::now(), timeout);
    let mut left = timeout;
    let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    loop {
        let limit = (left != Duration::MAX).then(|| timespec(left));
        match poll(&mut polled, limit.as_ref()) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => left = deadline.remaining(Instant::now()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

const MAX_EVENTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_readable_socket_is_reported_by_its_number_until_it_is_removed() {
        let watch = Watch::new().unwrap();
        let (quiet, _other) = UnixStream::pair().unwrap();
        let (ours, mut peer) = UnixStream::pair().unwrap();
        watch.add(&quiet, 1).unwrap();
        watch.add(&ours, 2).unwrap();
        assert_eq!(watch.ready(), Ok(vec![]));
        wait_any(&[watch.as_fd()], Duration::from_millis(1)).unwrap();

        peer.write_all(b"x").unwrap();
        wait_any(&[quiet.as_fd(), watch.as_fd()], LONG).unwrap();
        assert_eq!(watch.ready(), Ok(vec![2]));
        watch.remove(&ours);
        watch.remove(&ours);
        assert_eq!(watch.ready(), Ok(vec![]));
    }

    #[test]
    fn room_to_send_is_told_where_that_is_asked_for() {
        let watch = Watch::new().unwrap();
        let (ours, mut peer) = UnixStream::pair().unwrap();
        watch.add(&ours, 3).unwrap();
        watch.report_room(&ours, 3, true).unwrap();
        assert_eq!(watch.ready(), Ok(vec![3]));
        watch.report_room(&ours, 3, false).unwrap();
        assert_eq!(watch.ready(), Ok(vec![]));
        peer.write_all(b"x").unwrap();
        assert_eq!(watch.ready(), Ok(vec![3]));
    }

    #[test]
    fn the_end_of_one_can_be_read_and_a_closed_one_is_watched_no_longer() {
        let watch = Watch::new().unwrap();
        let (ours, peer) = UnixStream::pair().unwrap();
        watch.add(&ours, u64::MAX).unwrap();
        drop(peer);
        wait_any(&[watch.as_fd()], LONG).unwrap();
        assert_eq!(watch.ready(), Ok(vec![u64::MAX]));
        drop(ours);
        assert_eq!(watch.ready(), Ok(vec![]));
    }
}
