//! APR: pools, tables, arrays, buckets, and text in memory that others write.

pub(crate) mod buckets;
pub(crate) mod pool;
pub(crate) mod shared_text;
