//! What `src/sync.rs` names, in shuttle's hands: each lock, wait, notification and atomic operation is a
//! point at which the scheduler may let another thread go on.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::Instant;

use shuttle::rand::{Rng, thread_rng};

/// A lock as parking_lot's, without poisoning.
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

/// Unlocks when dropped.
pub(crate) struct MutexGuard<'m, T> {
    mutex: &'m Mutex<T>,
    /// `None` only within a wait.
    guard: Option<shuttle::sync::MutexGuard<'m, T>>,
}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        MutexGuard { mutex: self, guard: Some(guard) }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mutex").finish_non_exhaustive()
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_ref().expect("no wait is under way")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_mut().expect("no wait is under way")
    }
}

/// A condition variable as parking_lot's, without a clock.
#[derive(Debug)]
pub(crate) struct Condvar(shuttle::sync::Condvar);

/// Whether the time was up.
pub(crate) struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    pub(crate) fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self(shuttle::sync::Condvar::new())
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let held = guard.guard.take().expect("no wait is under way");
        guard.guard = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
    }

    /// Ends after other threads have run, or none has, by a coin: because the time is up, or else as if woken for no
    /// reason, which a condition variable may do. The deadline itself counts for nothing: any moment may be it.
    pub(crate) fn wait_until<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        _: Instant,
    ) -> WaitTimeoutResult {
        drop(guard.guard.take());
        shuttle::thread::yield_now();
        *guard = guard.mutex.lock();
        WaitTimeoutResult(thread_rng().gen_bool(0.5))
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }
}

/// std's atomics, each operation behind a point for the scheduler. They have the size and the layout of
/// std's, as shared memory asks for.
///
/// An operation sees all that were before it: what a weaker order than `SeqCst` would allow beyond that is
/// not shown here.
pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::Ordering;

    /// Shuttle's own atomics let the scheduler choose before each operation.
    fn choose() {
        shuttle::sync::atomic::AtomicBool::new(false).load(Ordering::SeqCst);
    }

    macro_rules! atomic {
        ($name:ident, $int:ty) => {
            #[repr(transparent)]
            #[derive(Debug, Default)]
            pub(crate) struct $name(std::sync::atomic::$name);

            #[allow(dead_code, reason = "not every width has every use")]
            impl $name {
                pub(crate) const fn new(value: $int) -> Self {
                    Self(std::sync::atomic::$name::new(value))
                }

                pub(crate) fn load(&self, order: Ordering) -> $int {
                    choose();
                    self.0.load(order)
                }

                pub(crate) fn store(&self, value: $int, order: Ordering) {
                    choose();
                    self.0.store(value, order);
                }

                pub(crate) fn swap(&self, value: $int, order: Ordering) -> $int {
                    choose();
                    self.0.swap(value, order)
                }

                pub(crate) fn fetch_add(&self, value: $int, order: Ordering) -> $int {
                    choose();
                    self.0.fetch_add(value, order)
                }

                pub(crate) fn fetch_max(&self, value: $int, order: Ordering) -> $int {
                    choose();
                    self.0.fetch_max(value, order)
                }

                pub(crate) fn compare_exchange(
                    &self,
                    current: $int,
                    new: $int,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$int, $int> {
                    choose();
                    self.0.compare_exchange(current, new, success, failure)
                }

                pub(crate) fn fetch_update(
                    &self,
                    set: Ordering,
                    fetch: Ordering,
                    mut update: impl FnMut($int) -> Option<$int>,
                ) -> Result<$int, $int> {
                    let mut known = self.load(fetch);
                    while let Some(new) = update(known) {
                        match self.compare_exchange(known, new, set, fetch) {
                            Err(other) => known = other,
                            changed => return changed,
                        }
                    }
                    Err(known)
                }
            }
        };
    }

    atomic!(AtomicU32, u32);
    atomic!(AtomicU64, u64);
}
