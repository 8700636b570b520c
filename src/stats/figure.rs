//! A figure: what is counted, and where and under which name it is shown.
//!
//! `MEMBER_FIGURES` in `src/stats/member.rs` and `POOL_FIGURES` in `src/stats/pool.rs` list them. Each
//! output (`src/status`) goes through the list and takes what has a name for it, so that a counter which
//! is declared there is in shared memory, is summed, reset, and shown, without another edit.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::histogram::{Histogram, HistogramFigures};

/// A figure of `F`, the sums of a member or a pool.
#[derive(Debug)]
pub struct Figure<F: 'static> {
    /// Its meaning, in a sentence without its full stop.
    pub help: &'static str,
    /// Takes it out of the sums.
    pub value: for<'f> fn(&'f F) -> Value<'f>,
    /// Where it is shown.
    pub shown: Shown,
}

/// The value of a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'f> {
    /// One number.
    Count(u64),
    /// A number for each word, and what the words say (`reason`).
    ByWord(&'static str, Vec<(&'static str, u64)>),
    /// How long things took.
    Times(&'f HistogramFigures),
}

/// The unit that a number counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    #[default]
    Things,
    /// Bytes.
    Bytes,
    /// Microseconds, shown as seconds.
    Microseconds,
}

/// The names under which a figure is shown; without a name it is not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown {
    /// The field in JSON.
    pub json: Option<&'static str>,
    /// The name in OpenMetrics, without prefix, unit and `_total`.
    pub metric: Option<&'static str>,
    /// The key in `server-status?auto`.
    pub auto: Option<&'static str>,
    /// The key in mod_jk's properties.
    pub prop: Option<&'static str>,
    /// The line of the page, and the words after the number. Neighbours of one line share it.
    pub page: Option<(&'static str, &'static str)>,
    /// The unit.
    pub unit: Unit,
}

/// Begins with a name for JSON and OpenMetrics.
pub(super) const fn shown(name: &'static str) -> Shown {
    Shown { json: Some(name), metric: Some(name), ..NOWHERE }
}

/// Begins with a name for JSON alone.
pub(super) const fn json(name: &'static str) -> Shown {
    Shown { json: Some(name), ..NOWHERE }
}

/// Begins without a name.
pub(super) const NOWHERE: Shown =
    Shown { json: None, metric: None, auto: None, prop: None, page: None, unit: Unit::Things };

impl Shown {
    pub(super) const fn metric(self, name: &'static str) -> Self {
        Self { metric: Some(name), ..self }
    }

    pub(super) const fn auto(self, key: &'static str) -> Self {
        Self { auto: Some(key), ..self }
    }

    pub(super) const fn prop(self, key: &'static str) -> Self {
        Self { prop: Some(key), ..self }
    }

    pub(super) const fn page(self, line: &'static str, words: &'static str) -> Self {
        Self { page: Some((line, words)), ..self }
    }

    pub(super) const fn in_bytes(self) -> Self {
        Self { unit: Unit::Bytes, ..self }
    }

    pub(super) const fn in_microseconds(self) -> Self {
        Self { unit: Unit::Microseconds, ..self }
    }
}

/// A counter in shared memory.
#[repr(transparent)]
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Counts so many; nothing is written for 0.
    pub fn add(&self, count: u64) {
        if count > 0 {
            self.0.fetch_add(count, Relaxed);
        }
    }
}

/// Something in shared memory that is counted in stripes.
pub trait Cell {
    /// The sum over all stripes.
    type Sum;

    /// Adds this stripe to the sum.
    fn add_to(&self, sum: &mut Self::Sum);

    /// Starts again at 0.
    fn clear(&self);
}

impl Cell for Count {
    type Sum = u64;

    fn add_to(&self, sum: &mut u64) {
        *sum = sum.wrapping_add(self.0.load(Relaxed));
    }

    fn clear(&self) {
        self.0.store(0, Relaxed);
    }
}

impl<const N: usize> Cell for [Count; N] {
    type Sum = [u64; N];

    fn add_to(&self, sum: &mut [u64; N]) {
        self.iter().zip(sum).for_each(|(count, sum)| count.add_to(sum));
    }

    fn clear(&self) {
        self.iter().for_each(Count::clear);
    }
}

impl Cell for Histogram {
    type Sum = HistogramFigures;

    fn add_to(&self, sum: &mut HistogramFigures) {
        Self::add_to(self, sum);
    }

    fn clear(&self) {
        Self::clear(self);
    }
}

/// A sum that is a [`Value`] as it is.
pub(super) trait Plain {
    fn value(&self) -> Value<'_>;
}

impl Plain for u64 {
    fn value(&self) -> Value<'_> {
        Value::Count(*self)
    }
}

impl Plain for HistogramFigures {
    fn value(&self) -> Value<'_> {
        Value::Times(self)
    }
}

/// Declares the counters of something: the record in shared memory, the sums, and the list of figures.
///
/// An entry is the help text, the name of the field with its type in shared memory, and where it is
/// [`Shown`]. An entry without a type is computed from the others; `= |figures| …` says how, or how the
/// value of a field is to be read where that is neither one number nor a histogram. The order is that
/// of the outputs.
macro_rules! counters {
    (
        $(#[$counters_meta:meta])* struct $counters:ident;
        $(#[$figures_meta:meta])* struct $figures:ident {
            $( $(#[$other_meta:meta])* $other:ident: $other_type:ty, )*
        }
        $(#[$all_meta:meta])* const $all:ident;
        $(
            #[doc = $help:literal]
            $name:ident $(: $cell:ty)? $(= $value:expr)?, $shown:expr;
        )+
    ) => {
        laid_out! {
            $(#[$counters_meta])*
            #[repr(C, align(64))]
            #[derive(Debug, Default)]
            pub struct $counters {
                $( $( pub(crate) $name: $cell, )? )+
            }
        }

        $(#[$figures_meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $figures {
            $( $( #[doc = $help] pub $name: <$cell as $crate::stats::figure::Cell>::Sum, )? )+
            $( $(#[$other_meta])* pub $other: $other_type, )*
        }

        $(#[$all_meta])*
        pub const $all: &[$crate::stats::Figure<$figures>] = &[
            $( $crate::stats::Figure {
                help: $crate::stats::figure::help($help),
                value: value!($name $(, $value)?),
                shown: $shown,
            }, )+
        ];

        impl $counters {
            /// Adds this stripe to the sums.
            pub(super) fn add_to(&self, sum: &mut $figures) {
                $( $( <$cell as $crate::stats::figure::Cell>::add_to(&self.$name, &mut sum.$name); )? )+
            }

            /// Starts again at 0.
            pub(super) fn clear(&self) {
                $( $( <$cell as $crate::stats::figure::Cell>::clear(&self.$name); )? )+
            }
        }
    };
}

/// How the value of an entry of [`counters`] is read.
macro_rules! value {
    ($name:ident) => {
        |figures| $crate::stats::figure::Plain::value(&figures.$name)
    };
    ($name:ident, $value:expr) => {
        $value
    };
}

/// A doc comment as a help text.
pub(super) const fn help(text: &'static str) -> &'static str {
    let text = text.trim_ascii();
    match text.as_bytes() {
        [sentence @ .., b'.'] => match std::str::from_utf8(sentence) {
            Ok(sentence) => sentence,
            Err(_) => text,
        },
        _ => text,
    }
}
