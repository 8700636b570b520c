//! APR: pools, tables, arrays, buckets, and text in memory that others write.

pub(crate) mod address;
pub(crate) mod array;
pub(crate) mod buckets;
pub(crate) mod error_text;
pub(crate) mod pool;
pub(crate) mod shared_text;
pub(crate) mod table;
pub(crate) mod text;
