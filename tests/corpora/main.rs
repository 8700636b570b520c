//! The kept inputs of the fuzz targets (`fuzz/corpus`). Those of `conversation` and `dialer` are read beside what
//! they check: `src/proxy/conversation/tests/any_backend.rs`, `src/dialer/answers.rs`.
#![allow(missing_docs)]

use mod_proxy_ajp_rs::protocol::Direction;
use test_support::ajp::properties::{check_request, check_response, check_split};
use test_support::checks::{config, each_kept, handshake, jk2ajp, orders};

#[test]
fn packets_and_streams_are_read_as_they_are() {
    each_kept("split_packet", |stream| {
        check_split(stream, Direction::FromContainer);
        check_split(stream, Direction::ToContainer);
    });
    each_kept("decode_response", |payload| {
        check_response(payload);
    });
    each_kept("round_trip", |payload| {
        check_request(payload);
    });
}

#[test]
fn lines_of_a_configuration_keep_what_is_not_ours() {
    each_kept("config", config::check_config);
}

#[test]
fn nothing_proves_what_it_was_not_made_for() {
    each_kept("handshake", handshake::check_handshake);
}

#[test]
fn an_order_names_what_it_is_about() {
    each_kept("orders", orders::check_order);
}

#[test]
fn files_of_mod_jk_are_converted_or_refused() {
    each_kept("jk2ajp", jk2ajp::check_files);
}
