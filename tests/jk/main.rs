//! What users of mod_jk know, case by case: behaviour that this module has, too.

mod activation;
mod dropped_flows;
mod mapping;
mod pings_and_timeouts;
mod recovery;
mod reuse;
mod sessions;
