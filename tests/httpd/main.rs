//! The module in a private httpd, in front of scripted containers.

mod balancing {
    mod back_from_error;
    mod balancer_pages;
    mod clock;
    mod config;
    mod elsewhere;
    mod failover;
    mod health_checks;
    mod lbmethods;
    mod life;
    mod local_members;
    mod newcomers;
    mod resending;
}

mod parking {
    mod client_gone;
    mod clock;
    mod company;
    mod connections;
    mod departures;
    mod descriptors;
    mod directive;
    mod ends;
    mod error_pages;
    mod failover;
    mod in_threads;
    mod isolation;
    mod late_connections;
    mod limits;
    mod others;
    mod reverse;
    mod sizes;
    mod slow_clients;
    mod timeouts;
    mod virtual_hosts;
    mod waiting;
}

mod documents;

mod pool;

mod reload {
    mod growth;
    mod restarts;
    mod shared_state;
}

mod requests {
    mod attributes;
    mod faults;
    mod input_filters;
    mod log;
    mod uploads;
}

mod responses {
    mod any_order;
    mod broken_off;
    mod heads;
    mod ranges;
    mod slow_clients;
}

mod reverse {
    mod connections;
    mod handshakes;
    mod mistakes;
    mod upgrade;
}

mod startup {
    mod both_modules;
    mod config;
    mod mistakes;
    mod notice;
    mod versions;
}

mod status;
