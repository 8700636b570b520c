//! The exchange, compared with packets of the scripted peer's own encoder: which packets may come when,
//! how the body is counted, when a body packet is due, and when a connection is clean.

use mod_proxy_ajp_rs::exchange::{
    Event, Exchange, ExchangeError, Phase, RequestBody, RequestFacts, Window,
};
use mod_proxy_ajp_rs::protocol::{BufferSlice, CodecError};
use test_support::ajp::{Packet, chunk, cpong, end_response, flush, get_body_chunk, headers, raw};

fn exchange(body: RequestBody) -> Exchange {
    Exchange::new(RequestFacts { body, is_head: false })
}

fn get() -> Exchange {
    exchange(RequestBody::None)
}

fn head() -> Exchange {
    Exchange::new(RequestFacts { body: RequestBody::None, is_head: true })
}

/// Sends a body packet of this length.
fn send(exchange: &mut Exchange, len: usize) -> Result<(), ExchangeError> {
    let _ = exchange.due_packet(len)?;
    exchange.packets_written();
    Ok(())
}

/// A request with a Content-Length whose first piece has been sent.
fn post() -> Exchange {
    let mut exchange = exchange(RequestBody::Announced);
    send(&mut exchange, 3).expect("the first piece is due");
    exchange
}

/// Passes one packet to the exchange, as it is split off the stream.
fn receive(exchange: &mut Exchange, packet: impl Packet) -> Result<Event, ExchangeError> {
    exchange.receive(BufferSlice::from(&packet.into_bytes()[4..]))
}

/// An exchange that has received these headers.
fn after_headers(mut exchange: Exchange, packet: impl Packet) -> Exchange {
    let event = receive(&mut exchange, packet).expect("headers");
    assert!(matches!(event, Event::Headers(_)), "{event:?}");
    exchange
}

fn body(data: &'static [u8]) -> Result<Event, ExchangeError> {
    Ok(Event::Body(BufferSlice::from(data)))
}

fn want(at_most: usize) -> Result<Event, ExchangeError> {
    Ok(Event::WantBody { at_most })
}

const END: Result<Event, ExchangeError> = Ok(Event::End { reuse: true });

// The order of packets.

#[test]
fn a_response_is_headers_body_and_end() {
    let mut get = get();
    assert!(!get.has_headers());

    let event = receive(&mut get, headers(200).header("Content-Type", "text/plain")).unwrap();
    let Event::Headers(head) = event else { panic!("{event:?}") };
    assert_eq!((head.status, head.headers().count()), (200, 1));
    assert!(get.has_headers());

    assert_eq!(receive(&mut get, chunk("hi")), body(b"hi"));
    assert_eq!(receive(&mut get, flush()), Ok(Event::Flush));
    assert_eq!(receive(&mut get, chunk("ho")), body(b"ho"));
    assert_eq!(receive(&mut get, end_response()), END);
    assert!(get.finish(0).is_some());
}

#[test]
fn up_to_100_interim_responses_come_before_the_final_one() {
    let mut get = get();
    for status in [100, 102, 103, 199].repeat(25) {
        let event = receive(&mut get, headers(status)).unwrap();
        assert!(matches!(&event, Event::Interim(head) if head.status == status), "{event:?}");
        assert!(!get.has_headers());
    }
    let mut other = exchange(RequestBody::None);
    (0..100).for_each(|_| drop(receive(&mut other, headers(100)).unwrap()));
    assert_eq!(receive(&mut other, headers(100)), Err(ExchangeError::TooManyInterims));
    let mut get = after_headers(get, headers(200));
    assert_eq!(receive(&mut get, end_response()), END);
}

#[test]
fn the_phase_follows_the_request_and_its_response() {
    let mut get = get();
    assert_eq!(get.phase(), Phase::Request);
    get.request_sent();
    assert_eq!(get.phase(), Phase::FirstByte);
    get.heard();
    assert_eq!(get.phase(), Phase::Headers);
    let mut get = after_headers(get, headers(200));
    assert_eq!(get.phase(), Phase::HeadersOnly);
    get.client_told();
    assert_eq!(get.phase(), Phase::Body);
}

#[test]
fn a_body_ends_with_an_empty_packet() {
    let mut put = exchange(RequestBody::OnRequest);
    for (len, is_ended) in [(5, false), (0, true)] {
        assert_eq!(receive(&mut put, get_body_chunk(8186)), want(8186));
        send(&mut put, len).unwrap();
        assert_eq!(put.is_body_ended(), is_ended);
    }
}

#[test]
fn once_the_headers_have_come_each_byte_may_matter() {
    let facts = RequestFacts { body: RequestBody::OnRequest, is_head: false };
    let mut put = Exchange::with_window(facts, Window { bytes: 30 * 8186, shown: 30 });
    assert_eq!(receive(&mut put, get_body_chunk(8186)), want(8186));
    assert!(put.packets(30 * 8186, false).is_some());
    put.packets_written();
    assert!(put.least_to_act_on(false) > 1);
    let put = after_headers(put, headers(200));
    assert_eq!(put.least_to_act_on(false), 1);
}

#[test]
fn an_interim_response_does_not_stand_for_the_final_one() {
    let mut get = get();
    receive(&mut get, headers(100)).unwrap();
    assert_eq!(receive(&mut get, chunk("hi")), Err(ExchangeError::BodyBeforeHeaders));
    assert_eq!(receive(&mut get, end_response()), Err(ExchangeError::EndWithoutHeaders));
}

#[test]
fn an_interim_response_does_not_set_the_length_of_the_final_one() {
    let mut get = get();
    receive(&mut get, headers(103).header("Content-Length", "1")).unwrap();
    let mut get = after_headers(get, headers(200));
    assert_eq!(receive(&mut get, chunk("hello")), body(b"hello"));
    assert_eq!(receive(&mut get, end_response()), END);
}

#[test]
fn a_flush_before_the_headers_does_no_harm() {
    let mut get = get();
    assert_eq!(receive(&mut get, flush()), Ok(Event::Flush));
    assert!(!get.has_headers());
    let mut get = after_headers(get, headers(200));
    assert_eq!(receive(&mut get, end_response()), END);
}

#[test]
fn packets_out_of_order_are_errors() {
    assert_eq!(receive(&mut get(), chunk("hi")), Err(ExchangeError::BodyBeforeHeaders));
    assert_eq!(receive(&mut get(), end_response()), Err(ExchangeError::EndWithoutHeaders));
    assert_eq!(receive(&mut get(), cpong()), Err(ExchangeError::UnexpectedCPong));

    let mut get = after_headers(get(), headers(200));
    assert_eq!(receive(&mut get, cpong()), Err(ExchangeError::UnexpectedCPong));
    for status in [200, 100] {
        assert_eq!(receive(&mut get, headers(status)), Err(ExchangeError::HeadersTwice));
    }
}

#[test]
fn no_packet_may_come_after_the_end() {
    let late = [
        headers(200).into_bytes(),
        headers(100).into_bytes(),
        chunk("hi"),
        flush(),
        get_body_chunk(8186),
        end_response().into_bytes(),
        cpong(),
    ];
    for packet in late {
        let mut get = after_headers(get(), headers(200));
        receive(&mut get, end_response()).unwrap();
        assert_eq!(receive(&mut get, packet), Err(ExchangeError::AfterEnd));
    }
}

#[test]
fn a_packet_that_cannot_be_decoded_is_an_error_in_every_state() {
    let unknown = raw([0x41, 0x42, 0x00, 0x01, 0x77]);
    let error = ExchangeError::Codec(CodecError::UnknownType { code: 0x77 });
    let mut ended = after_headers(get(), headers(200));
    receive(&mut ended, end_response()).unwrap();
    for mut exchange in [get(), after_headers(get(), headers(200)), ended] {
        assert_eq!(receive(&mut exchange, &unknown), Err(error.clone()));
    }
    let bad_status = Err(ExchangeError::Codec(CodecError::BadStatus { status: 0 }));
    assert_eq!(receive(&mut get(), headers(0)), bad_status);
}

// Content-Length.

#[test]
fn a_body_as_long_as_its_content_length_is_complete() {
    let mut get = after_headers(get(), headers(200).header("Content-Length", "4"));
    assert_eq!(receive(&mut get, chunk("hi")), body(b"hi"));
    assert_eq!(receive(&mut get, flush()), Ok(Event::Flush));
    assert_eq!(receive(&mut get, chunk("ho")), body(b"ho"));
    assert_eq!(receive(&mut get, end_response()), END);
}

#[test]
fn a_byte_too_many_shows_at_once_and_a_byte_too_few_at_the_end() {
    let mut long = after_headers(get(), headers(200).header("Content-Length", "4"));
    receive(&mut long, chunk("hi")).unwrap();
    let mismatch = ExchangeError::LengthMismatch { announced: 4, received: 5 };
    assert_eq!(receive(&mut long, chunk("hey")), Err(mismatch));
    assert!(long.finish(0).is_none());

    let mut short = after_headers(get(), headers(200).header("Content-Length", "4"));
    receive(&mut short, chunk("hey")).unwrap();
    let mismatch = ExchangeError::LengthMismatch { announced: 4, received: 3 };
    assert_eq!(receive(&mut short, end_response()), Err(mismatch));
    assert!(short.finish(0).is_none());
}

#[test]
fn a_content_length_of_0_allows_no_byte() {
    let mut get = after_headers(get(), headers(200).header("Content-Length", "0"));
    let mismatch = ExchangeError::LengthMismatch { announced: 0, received: 1 };
    assert_eq!(receive(&mut get, chunk("x")), Err(mismatch));
}

#[test]
fn head_204_205_and_304_have_less_than_they_announce() {
    let mut head = after_headers(head(), headers(200).header("Content-Length", "5000"));
    assert_eq!(receive(&mut head, end_response()), END);
    assert!(head.finish(0).is_some());
    for status in [204, 205, 304] {
        let mut get = after_headers(get(), headers(status).header("Content-Length", "5000"));
        assert_eq!(receive(&mut get, end_response()), END, "{status}");
    }
}

#[test]
fn the_length_counts_however_its_name_is_spelled() {
    for name in ["content-length", "CONTENT-LENGTH", "Content-length"] {
        let mut get = after_headers(get(), headers(200).plain_header(name, "4"));
        let mismatch = ExchangeError::LengthMismatch { announced: 4, received: 0 };
        assert_eq!(receive(&mut get, end_response()), Err(mismatch), "{name}");
    }
}

#[test]
fn two_equal_lengths_are_accepted_and_two_that_differ_are_an_error() {
    let length =
        |value| headers(200).header("Content-Length", "2").plain_header("content-length", value);
    let mut same = after_headers(get(), length("2"));
    receive(&mut same, chunk("hi")).unwrap();
    assert_eq!(receive(&mut same, end_response()), END);
    for other in ["3", "02x", ""] {
        assert_eq!(receive(&mut get(), length(other)), Err(ExchangeError::BadContentLength));
    }
}

#[test]
fn a_length_of_other_than_digits_is_an_error_even_in_a_response_without_a_body() {
    let overflow = "18446744073709551616"; // 2^64
    for value in ["", " ", "+1", "-1", "1,1", "1 1", "0x10", "1.0", overflow] {
        let length = || headers(200).header("Content-Length", value);
        assert_eq!(receive(&mut get(), length()), Err(ExchangeError::BadContentLength), "{value}");
        assert_eq!(receive(&mut head(), length()), Err(ExchangeError::BadContentLength), "{value}");
    }
    let largest = headers(200).header("Content-Length", "18446744073709551615");
    let mut get = after_headers(get(), largest);
    assert_eq!(receive(&mut get, chunk("hi")), body(b"hi"));
}

#[test]
fn headers_refused_for_their_length_leave_no_response_behind() {
    let mut get = get();
    receive(&mut get, headers(200).header("Content-Length", "x")).unwrap_err();
    assert!(!get.has_headers());
    assert!(get.finish(0).is_none());
}

// The request body.

#[test]
fn an_announced_body_owes_its_first_packet_and_no_second() {
    let mut post = exchange(RequestBody::Announced);
    assert_eq!(send(&mut post, 3), Ok(()));
    assert_eq!(send(&mut post, 3), Err(ExchangeError::BodyNotAskedFor { length: 3 }));
    assert_eq!(send(&mut post, 0), Err(ExchangeError::BodyNotAskedFor { length: 0 }));
}

#[test]
fn a_body_of_unknown_length_is_sent_only_when_asked_for() {
    let mut post = exchange(RequestBody::OnRequest);
    assert_eq!(send(&mut post, 3), Err(ExchangeError::BodyNotAskedFor { length: 3 }));
    for _ in 0..3 {
        assert_eq!(receive(&mut post, get_body_chunk(8186)), want(8186));
        assert_eq!(send(&mut post, 8186), Ok(()));
        assert_eq!(send(&mut post, 1), Err(ExchangeError::BodyNotAskedFor { length: 1 }));
    }
}

#[test]
fn a_container_that_asks_for_a_body_that_is_not_there_gets_one_empty_packet() {
    assert_eq!(send(&mut get(), 0), Err(ExchangeError::BodyNotAskedFor { length: 0 }));
    let mut get = get();
    assert_eq!(receive(&mut get, get_body_chunk(8186)), want(8186));
    assert_eq!(send(&mut get, 0), Ok(()));
    let mut get = after_headers(get, headers(200));
    assert_eq!(receive(&mut get, end_response()), END);
    assert!(get.finish(0).is_some());
}

#[test]
fn a_body_may_be_asked_for_before_and_after_the_headers() {
    let mut post = post();
    assert_eq!(receive(&mut post, get_body_chunk(1)), want(1));
    send(&mut post, 1).unwrap();
    let mut post = after_headers(post, headers(200));
    assert_eq!(receive(&mut post, chunk("hi")), body(b"hi"));
    assert_eq!(receive(&mut post, get_body_chunk(2)), want(2));
    send(&mut post, 0).unwrap();
    assert_eq!(receive(&mut post, end_response()), END);
    assert!(post.finish(0).is_some());
}

#[test]
fn no_more_is_wanted_than_a_packet_holds() {
    for (asked, at_most) in [(1, 1), (65_530, 65_530), (65_531, 65_530), (65_535, 65_530)] {
        let mut post = exchange(RequestBody::OnRequest);
        assert_eq!(receive(&mut post, get_body_chunk(asked)), want(at_most));
    }
}

#[test]
fn a_packet_that_is_due_already_cannot_be_asked_for_again() {
    let mut asked = exchange(RequestBody::OnRequest);
    receive(&mut asked, get_body_chunk(8186)).unwrap();
    let announced = exchange(RequestBody::Announced);
    for mut exchange in [asked, announced] {
        let again = receive(&mut exchange, get_body_chunk(8186));
        assert_eq!(again, Err(ExchangeError::BodyAskedForTwice));
    }
}

#[test]
fn after_its_end_a_body_cannot_be_asked_for() {
    let mut post = post();
    receive(&mut post, get_body_chunk(8186)).unwrap();
    send(&mut post, 0).unwrap();
    assert_eq!(receive(&mut post, get_body_chunk(8186)), Err(ExchangeError::BodyAskedForAfterEnd));
}

#[test]
fn a_container_cannot_ask_for_0_bytes() {
    for body in [RequestBody::None, RequestBody::OnRequest] {
        let asked = receive(&mut exchange(body), get_body_chunk(0));
        assert_eq!(asked, Err(ExchangeError::BodyOfNoLengthAskedFor));
    }
}

// Reuse.

#[test]
fn a_connection_is_clean_only_after_an_end_with_reuse_and_with_nothing_unread() {
    let ended = |reuse| {
        let mut get = after_headers(get(), headers(200));
        assert_eq!(receive(&mut get, end_response().reuse(reuse)), Ok(Event::End { reuse }));
        get
    };
    assert!(ended(true).finish(0).is_some());
    assert!(ended(false).finish(0).is_none());
    for unread in [1, 6, usize::MAX] {
        assert!(ended(true).finish(unread).is_none());
    }
}

#[test]
fn a_connection_is_not_clean_before_the_end() {
    assert!(get().finish(0).is_none());
    let mut get = after_headers(get(), headers(200).header("Content-Length", "2"));
    assert!(get.finish(0).is_none());
    receive(&mut get, chunk("hi")).unwrap();
    assert!(get.finish(0).is_none(), "complete, but the end has not come");
}

#[test]
fn a_connection_with_a_body_packet_due_is_not_clean() {
    let mut asked = exchange(RequestBody::OnRequest);
    receive(&mut asked, get_body_chunk(8186)).unwrap();
    for exchange in [asked, exchange(RequestBody::Announced)] {
        let mut due = after_headers(exchange, headers(200));
        assert_eq!(receive(&mut due, end_response()), END);
        assert!(due.finish(0).is_none());
    }
}

#[test]
fn a_withheld_body_packet_leaves_a_whole_response_and_no_clean_connection() {
    let mut asked = exchange(RequestBody::OnRequest);
    receive(&mut asked, get_body_chunk(8186)).unwrap();
    let mut half_sent = exchange(RequestBody::Announced);
    let _ = half_sent.due_packet(8186).unwrap();
    for mut exchange in [asked, half_sent] {
        exchange.body_withheld();
        // Packets that came before its end are still read.
        assert_eq!(receive(&mut exchange, get_body_chunk(8186)), want(8186));
        exchange.body_withheld();
        let mut ended = after_headers(exchange, headers(200));
        assert_eq!(receive(&mut ended, end_response()), END);
        assert!(ended.finish(0).is_none());
    }
}

#[test]
fn a_container_may_end_without_asking_for_the_rest_of_a_body() {
    for exchange in [post(), exchange(RequestBody::OnRequest)] {
        let mut unread = after_headers(exchange, headers(413));
        assert_eq!(receive(&mut unread, end_response()), END);
        assert!(unread.finish(0).is_some());
    }
}

#[test]
fn a_second_end_cannot_make_a_connection_clean() {
    let mut get = after_headers(get(), headers(200));
    receive(&mut get, end_response().reuse(false)).unwrap();
    receive(&mut get, end_response().reuse(true)).unwrap_err();
    assert!(get.finish(0).is_none());
}

#[test]
fn a_connection_that_was_out_of_step_once_is_never_clean() {
    let unknown = raw([0x41, 0x42, 0x00, 0x01, 0x77]);
    for wrong in [cpong(), headers(200).into_bytes(), get_body_chunk(0), unknown] {
        let mut get = after_headers(get(), headers(200));
        receive(&mut get, wrong).unwrap_err();
        assert_eq!(receive(&mut get, end_response()), END);
        assert!(get.finish(0).is_none());
    }
    let mut late = after_headers(get(), headers(200));
    assert_eq!(receive(&mut late, end_response()), END);
    receive(&mut late, cpong()).unwrap_err();
    assert!(late.finish(0).is_none());

    let mut unasked = exchange(RequestBody::OnRequest);
    send(&mut unasked, 3).unwrap_err();
    let mut unasked = after_headers(unasked, headers(200));
    assert_eq!(receive(&mut unasked, end_response()), END);
    assert!(unasked.finish(0).is_none());
}
