//! Moves bytes over any descriptor, blocking or not, within a time limit.

use std::io::IoSlice;
use std::iter;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};

use super::{Deadline, NetError, SendError};

/// The most slices in one system call that Linux allows (IOV_MAX).
const MOST_GATHERED: usize = 1024;

/// Bytes reserved in a full buffer before a receive: mod_proxy_ajp's default packet size.
const ROOM: usize = 8192;

/// The result of a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// This many bytes, at least one, were appended.
    Bytes(usize),
    /// The peer will send nothing more.
    End,
}

/// The state of a connection on which there should be nothing to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleState {
    /// Open, and nothing to read.
    Quiet,
    /// Bytes to read.
    Unread,
    /// The peer has closed it.
    Closed,
    /// An error is pending, such as a reset.
    Broken(Errno),
}

/// Returns the state of an idle connection; never blocks, and reads nothing from it.
///
/// One system call: a `recv` of one byte with `MSG_PEEK`.
pub fn idle_state(fd: impl AsFd) -> IdleState {
    let mut byte = [0_u8; 1];
    match again(|| recv(&fd, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT)) {
        Ok((0, _)) => IdleState::Closed,
        Ok(_) => IdleState::Unread,
        Err(Errno::AGAIN) => IdleState::Quiet,
        Err(errno) => IdleState::Broken(errno),
    }
}

/// Whether the peer has reset the connection, so that it neither sends nor receives any more; never blocks. An end of
/// the stream alone is no reset.
pub fn is_reset(fd: impl AsFd) -> bool {
    // Errors and hang-ups are reported unasked.
    let mut polled = [PollFd::new(&fd, PollFlags::empty())];
    let result = again(|| poll(&mut polled, Some(&Timespec::default())));
    result.is_ok() && polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

/// Returns for each of these idle connections whether there is nothing to read on it, not even the end.
///
/// [`idle_state`] tells more about those that are not quiet. One system call for all of them costs a
/// fraction of one for each. None is quiet if the call fails, as it does for more descriptors than a
/// process may have open.
pub fn are_quiet<Fd: AsFd>(fds: &[Fd]) -> Vec<bool> {
    let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    match again(|| poll(&mut polled, Some(&Timespec::default()))) {
        Ok(_) => polled.iter().map(|fd| fd.revents().is_empty()).collect(),
        Err(_) => vec![false; polled.len()],
    }
}

/// Sends all of these slices, in order, with as few system calls as the socket takes.
///
/// `timeout` bounds each wait for the peer to make room. Empty slices are skipped.
///
/// # Errors
/// [`SendError`] with the bytes that went out before; the connection is of no more use.
pub fn send_all(fd: impl AsFd, slices: &[&[u8]], timeout: Duration) -> Result<(), SendError> {
    let fd = fd.as_fd();
    let mut rest = slices;
    let mut offset = 0; // into the first slice of `rest`
    let mut written = 0;
    loop {
        while let [first, others @ ..] = rest {
            if offset < first.len() {
                break;
            }
            offset -= first.len();
            rest = others;
        }
        let [first, others @ ..] = rest else { return Ok(()) };
        match send_gathered(fd, &first[offset..], others) {
            Ok(0) => match wait(fd, PollFlags::OUT, timeout) {
                Ok(true) => {}
                Ok(false) => {
                    let source = NetError::TimedOut { after: timeout };
                    return Err(SendError { written, source });
                }
                Err(source) => return Err(SendError { written, source }),
            },
            Ok(sent) => {
                written += sent;
                offset += sent;
            }
            Err(source) => return Err(SendError { written, source }),
        }
    }
}

/// Sends of these slices, in order, what the socket has room for now; returns how many bytes that
/// was, 0 if there is no room. Never blocks: one `send` or `sendmsg`.
///
/// Takes the first 1024 slices at most (IOV_MAX), so a caller asks again until it has sent all.
///
/// # Errors
/// [`NetError`], never a timeout.
pub fn send_now(fd: impl AsFd, slices: &[&[u8]]) -> Result<usize, NetError> {
    match slices {
        [] => Ok(0),
        [first, others @ ..] => send_gathered(fd, first, others),
    }
}

fn send_gathered(fd: impl AsFd, first: &[u8], others: &[&[u8]]) -> Result<usize, NetError> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let sent = if others.is_empty() {
        // One slice needs no list of slices, which the kernel would have to copy first.
        again(|| send(&fd, first, flags))
    } else {
        let slices = iter::once(first).chain(others.iter().copied()).take(MOST_GATHERED);
        let slices = slices.map(IoSlice::new);
        let send = |gathered: &[_]| {
            again(|| sendmsg(&fd, gathered, &mut SendAncillaryBuffer::default(), flags))
        };
        let mut few = [IoSlice::new(&[]); 8];
        match few.get_mut(..=others.len()) {
            Some(few) => {
                few.iter_mut().zip(slices).for_each(|(place, slice)| *place = slice);
                send(few)
            }
            None => send(&slices.collect::<Vec<_>>()),
        }
    };
    match sent {
        // A stream socket takes at least one byte or says why not.
        Ok(0) => Err(NetError::Io(Errno::IO)),
        Ok(sent) => Ok(sent),
        Err(Errno::AGAIN) => Ok(0),
        Err(errno) => Err(errno.into()),
    }
}

/// Waits for bytes and appends what is there, as much as the buffer has room for.
///
/// One `poll` and one `recv`. Takes the buffer's spare capacity as it is, and makes room for
/// 8192 bytes only where there is none.
///
/// # Errors
/// [`NetError::TimedOut`] when nothing came; the end of the stream is [`Received::End`].
pub fn receive(
    fd: impl AsFd,
    buffer: &mut Vec<u8>,
    timeout: Duration,
) -> Result<Received, NetError> {
    let fd = fd.as_fd();
    let deadline = Deadline::after(Instant::now(), timeout);
    let mut left = timeout;
    loop {
        if !wait(fd, PollFlags::IN, left)? {
            return Err(NetError::TimedOut { after: timeout });
        }
        // Nothing there though poll said so: another thread or a dropped packet had it.
        if let Some(received) = receive_now(fd, buffer)? {
            return Ok(received);
        }
        left = deadline.remaining(Instant::now());
    }
}

/// Appends what is there now; `None` if that is nothing. Never blocks: one `recv`.
///
/// # Errors
/// [`NetError`], never a timeout.
pub fn receive_now(fd: impl AsFd, buffer: &mut Vec<u8>) -> Result<Option<Received>, NetError> {
    again(|| take(&fd, buffer, RecvFlags::DONTWAIT)).map_or_else(nothing, |taken| Ok(Some(taken)))
}

/// Waits as long as the descriptor itself does (SO_RCVTIMEO, O_NONBLOCK), and appends what is there
/// then; `None` if that is nothing, or a signal came first. One `recv`.
///
/// # Errors
/// [`NetError`], never a timeout.
pub(super) fn receive_blocking(
    fd: impl AsFd,
    buffer: &mut Vec<u8>,
) -> Result<Option<Received>, NetError> {
    take(&fd, buffer, RecvFlags::empty()).map_or_else(nothing, |taken| Ok(Some(taken)))
}

fn take(fd: impl AsFd, buffer: &mut Vec<u8>, flags: RecvFlags) -> Result<Received, Errno> {
    // Into a full buffer the kernel would write 0 bytes, which reads as the end of the stream.
    if buffer.spare_capacity_mut().is_empty() {
        buffer.reserve(ROOM);
    }
    match recv(fd, spare_capacity(buffer), flags)? {
        (0, _) => Ok(Received::End),
        (count, _) => Ok(Received::Bytes(count)),
    }
}

fn nothing(errno: Errno) -> Result<Option<Received>, NetError> {
    match errno {
        Errno::AGAIN | Errno::INTR => Ok(None),
        errno => Err(errno.into()),
    }
}

/// Waits until a receive would not block; `false` when the time is up.
///
/// The end of the stream and an error count as readable: the receive tells them apart.
///
/// # Errors
/// [`NetError::Io`] if the descriptor cannot be polled.
pub fn wait_readable(fd: impl AsFd, timeout: Duration) -> Result<bool, NetError> {
    wait(fd, PollFlags::IN, timeout)
}

/// Waits until a receive from one of these would not block; `false` when the time is up.
///
/// # Errors
/// As [`wait_readable`].
pub fn wait_any_readable(fds: &[impl AsFd], timeout: Duration) -> Result<bool, NetError> {
    let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    wait_for(&mut polled, timeout)
}

/// Waits until a send would not block; `false` when the time is up.
///
/// # Errors
/// [`NetError::Io`] if the descriptor cannot be polled.
pub fn wait_writable(fd: impl AsFd, timeout: Duration) -> Result<bool, NetError> {
    wait(fd, PollFlags::OUT, timeout)
}

/// The operations that a descriptor can do without waiting; none, if a wait has timed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// There are bytes to receive, or the end of the stream.
    pub readable: bool,
    /// There is room to send, or an error that the next send finds.
    pub writable: bool,
}

impl Ready {
    /// Whether a wait has ended without anything.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// Waits until a send would not block, or, with `readable`, a receive.
///
/// # Errors
/// As [`wait_readable`].
pub fn wait_for_room(fd: impl AsFd, readable: bool, timeout: Duration) -> Result<Ready, NetError> {
    let input = if readable { PollFlags::IN } else { PollFlags::empty() };
    let mut polled = [PollFd::new(&fd, PollFlags::OUT | input)];
    wait_for(&mut polled, timeout)?;
    let found = polled[0].revents();
    Ok(Ready {
        readable: found.contains(PollFlags::IN),
        writable: !(found - PollFlags::IN).is_empty(),
    })
}

/// Waits until one of two descriptors has bytes to receive, or its end; says which have.
///
/// # Errors
/// As [`wait_readable`].
pub fn wait_either_readable(
    fds: [BorrowedFd<'_>; 2],
    timeout: Duration,
) -> Result<[bool; 2], NetError> {
    let mut polled = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    wait_for(&mut polled, timeout)?;
    Ok(polled.map(|polled| !polled.revents().is_empty()))
}

fn wait(fd: impl AsFd, events: PollFlags, timeout: Duration) -> Result<bool, NetError> {
    wait_for(&mut [PollFd::new(&fd, events)], timeout)
}

fn wait_for(polled: &mut [PollFd<'_>], timeout: Duration) -> Result<bool, NetError> {
    let deadline = Deadline::after(Instant::now(), timeout);
    let mut left = timeout;
    loop {
        let limit = (left != Duration::MAX).then(|| timespec(left));
        match poll(polled, limit.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => left = deadline.remaining(Instant::now()),
            Err(errno) => return Err(NetError::Io(errno)),
        }
    }
}

/// Converts a duration to the kernel's form, cut to the longest that it can express.
pub(super) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

/// Converts a wait to a value of SO_RCVTIMEO and SO_SNDTIMEO; `None` is forever.
pub(super) fn limit_of_socket(wait: Duration) -> Option<Duration> {
    /// The longest that the options accept on every platform; a longer one is as good as forever.
    const MAX: Duration = Duration::from_secs(i32::MAX as u64);
    /// The shortest: zero would mean forever.
    const MIN: Duration = Duration::from_micros(1);

    (wait < MAX).then(|| wait.max(MIN))
}

/// Repeats a system call until no signal interrupts it.
fn again<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}
