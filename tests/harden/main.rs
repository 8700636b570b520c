//! What takes longer than a test may: the scripts of `ci` start these by name, and say how long.

mod chaos;
mod crashes;
mod start_stop;
