//! The housekeeper: the thread that maintains the backends of a child.

use std::io;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// When the next round is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// After the usual interval.
    Usual,
    /// In a second, if that is earlier, as something is unfinished.
    Soon,
}

/// A thread that runs one round after the other until it is [stopped](Self::stop).
///
/// It waits by parking and not on a condition variable: a prefork child of httpd ends inside a signal
/// handler, which may have interrupted this process in the allocator or while it held any lock.
/// Unparking a thread is one atomic write and one system call, and safe there.
///
/// Dropping this neither stops nor joins the thread.
#[derive(Debug)]
pub struct Housekeeper {
    stop: Arc<AtomicBool>,
    // Never dropped: a thread that has been joined by its id must not be detached afterwards.
    thread: ManuallyDrop<JoinHandle<()>>,
}

impl Housekeeper {
    /// The thread's name; Linux shows 15 characters.
    pub const THREAD: &str = "ajp-housekeeper";

    /// Starts the thread: it runs a round at once, and then one each `every`.
    ///
    /// A panic ends the round, not the thread; the next round comes after a minute, so that a permanent
    /// fault does not fill the log.
    ///
    /// # Errors
    /// The system cannot create a thread.
    pub fn start(
        every: Duration,
        mut round: impl FnMut(Instant) -> Next + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name(Self::THREAD.into()).spawn(move || {
            let mut round = AssertUnwindSafe(|| round(Instant::now()));
            while !stopped.load(Ordering::Acquire) {
                let pause = match catch_unwind(AssertUnwindSafe(&mut *round)) {
                    Ok(Next::Usual) => every,
                    Ok(Next::Soon) => every.min(SOON_INTERVAL),
                    Err(payload) => {
                        // Its destructor could panic again.
                        std::mem::forget(payload);
                        every.max(MIN_PAUSE_AFTER_PANIC)
                    }
                };
                let from = Instant::now();
                while !stopped.load(Ordering::Acquire) {
                    let left = pause.saturating_sub(from.elapsed());
                    if left.is_zero() {
                        break;
                    }
                    thread::park_timeout(left);
                }
            }
        })?;
        Ok(Self { stop, thread: ManuallyDrop::new(thread) })
    }

    /// Tells the thread to end after its current round; does not wait. Takes no lock and no memory.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
    }

    /// Returns the thread, to be joined.
    pub fn thread(&self) -> &JoinHandle<()> {
        &self.thread
    }
}

const SOON_INTERVAL: Duration = Duration::from_secs(1);
const MIN_PAUSE_AFTER_PANIC: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(3600);

    /// However long it takes: the lines of a panic may take a minute on a busy machine.
    fn wait_for_end(keeper: Housekeeper) {
        ManuallyDrop::into_inner(keeper.thread).join().expect("it catches panics");
    }

    #[test]
    fn the_first_round_is_at_once_and_a_stop_ends_the_longest_wait() {
        let (tell, told) = mpsc::channel();
        let keeper = Housekeeper::start(LONG, move |_| {
            tell.send(()).expect("the test listens");
            Next::Usual
        })
        .unwrap();
        told.recv().unwrap();

        keeper.stop();
        wait_for_end(keeper);
    }

    #[test]
    fn rounds_follow_each_other() {
        let (tell, told) = mpsc::channel();
        let keeper = Housekeeper::start(Duration::from_millis(1), move |_| {
            let _ = tell.send(());
            Next::Usual
        })
        .unwrap();
        for _ in 0..5 {
            told.recv().unwrap();
        }
        keeper.stop();
        wait_for_end(keeper);
    }

    #[test]
    fn a_panic_does_not_end_the_thread() {
        let (tell, told) = mpsc::channel();
        let keeper = Housekeeper::start(LONG, move |_| {
            let _ = tell.send(());
            panic!("on purpose");
        })
        .unwrap();
        told.recv().unwrap();
        assert!(!keeper.thread().is_finished());

        keeper.stop();
        wait_for_end(keeper);
    }
}
