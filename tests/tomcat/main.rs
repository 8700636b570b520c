//! The module in a private httpd, in front of a real Tomcat.

mod backends;
mod balanced;
mod boot;
mod comparison;
mod content;
mod debian;
mod documents;
mod front;
mod idle;
mod packet_sizes;
mod parking;
mod refusals;
mod requests;
mod responses;
mod restarts;
mod uploads;
mod uploads_attacks;
mod uploads_by;
mod uploads_flup;

mod reverse {
    mod agent;
    mod connector;
    mod mistakes;
}
