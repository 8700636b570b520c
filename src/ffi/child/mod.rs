//! One child of httpd: its pools, its part of the shared memory, its housekeeper.

pub(crate) mod balancer_routes;
pub(crate) mod busy_guard;
pub(crate) mod child_state;
pub(crate) mod counted_request;
pub(crate) mod housekeeping;
pub(crate) mod low_water;
pub(crate) mod member_life;
pub(crate) mod member_table;
pub(crate) mod operator_memory;
pub(crate) mod probe_guard;
pub(crate) mod reverse_sockets;
pub(crate) mod stats_mapping;
pub(crate) mod threads;
pub(crate) mod transient_mark;
pub(crate) mod transient_marks;
pub(crate) mod worker_cache;
