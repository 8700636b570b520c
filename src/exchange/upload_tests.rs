//! What may be sent ahead, and what is waited for, one GET_BODY_CHUNK after the other.

use std::collections::BTreeSet;

use super::*;

const SIZE: usize = 8186;

fn upload(bytes: usize, shown: u32) -> Upload {
    Upload::new(false, Window { bytes, shown })
}

/// Sends as much as it may of an endless body; returns how many packets that was.
fn fill(upload: &mut Upload) -> usize {
    let packets = upload.packets(usize::MAX, false).map_or(0, |packets| packets.count());
    upload.written();
    packets
}

#[test]
fn nothing_goes_ahead_before_the_first_packet_has_been_asked_for() {
    let mut announced = Upload::new(true, Window { bytes: 1 << 20, shown: 100 });
    assert_eq!(announced.room(), 0, "the first one is due, and of any size");
    let _ = announced.due_packet(SIZE).unwrap();
    assert_eq!((announced.room(), announced.packets(usize::MAX, false)), (0, None));
    assert_eq!(upload(1 << 20, 100).room(), 0);
}

#[test]
fn without_a_window_each_packet_is_asked_for() {
    let mut upload = upload(0, 100);
    for _ in 0..5 {
        upload.asked_for(SIZE).unwrap();
        assert_eq!((upload.room(), fill(&mut upload), upload.room()), (SIZE, 1, 0));
    }
    assert_eq!(upload.ahead(), None);
}

#[test]
fn the_window_opens_by_one_packet_for_each_that_is_asked_for() {
    let mut upload = upload(3 * SIZE, 0);
    let mut sent = Vec::new();
    for _ in 0..8 {
        upload.asked_for(SIZE).unwrap();
        fill(&mut upload);
        sent.push(upload.sent - upload.asked);
    }
    assert_eq!(sent, [1, 2, 3, 2, 3, 2, 3, 2], "at most three, and several at a time");
}

#[test]
fn what_the_container_has_shown_opens_the_window_at_once_and_no_further_than_configured() {
    for (bytes, shown, wanted) in
        [(1, 0, 2), (SIZE, 9, 2), (4 * SIZE, 9, 5), (9 * SIZE, 4, 5), (9 * SIZE, 0, 2)]
    {
        let mut upload = upload(bytes, shown);
        upload.asked_for(SIZE).unwrap();
        assert_eq!(fill(&mut upload), wanted, "{bytes} {shown}");
    }
}

#[test]
fn the_window_at_the_end_counts_as_far_as_packets_were_read() {
    for (shown, body, wanted) in [(0, 9, 8), (0, 100, 30), (9, 3, 2), (20, 30, 29)] {
        let mut upload = upload(30 * SIZE, shown);
        let mut left = body;
        for _ in 0..body {
            upload.asked_for(SIZE).unwrap();
            left -= upload.packets(left * SIZE, false).map_or(0, |packets| packets.count());
            upload.written();
        }
        assert_eq!((left, upload.ahead()), (0, Some(Ahead::Consumed(wanted))), "{shown} {body}");
    }
}

#[test]
fn what_is_foreseen_is_the_room_after_the_first_packet_asked_for() {
    for (bytes, shown) in [(0, 9), (1, 9), (SIZE, 9), (4 * SIZE, 9), (9 * SIZE, 4), (9 * SIZE, 1)] {
        let mut upload = upload(bytes, shown);
        let foreseen = upload.foreseen(SIZE);
        upload.asked_for(SIZE).unwrap();
        let room = if bytes == 0 { 0 } else { upload.room() };
        assert_eq!(foreseen, room, "{bytes} {shown}");
    }
    assert_eq!(upload(9 * SIZE, 0).foreseen(SIZE), 0, "it has shown nothing");
    assert_eq!(upload(9 * SIZE, 4).foreseen(SHORTEST_AHEAD - 1), 0, "too short to go ahead");
    assert_eq!(upload(9 * SIZE, 4).foreseen(SHORTEST_AHEAD), 5 * SHORTEST_AHEAD);
    assert_eq!(upload(9 * SIZE, 4).foreseen(0), 0);
}

#[test]
fn the_packets_waited_for_are_those_that_make_room_for_the_next_ones() {
    let mut waits = BTreeSet::new();
    for (bytes, shown) in
        [1, 2, 3, 4, 9, 30].map(|bytes| [(bytes, 2), (bytes, 4), (bytes, 30)]).concat()
    {
        let mut upload = upload(bytes * SIZE, shown);
        for step in 0..200 {
            upload.asked_for(SIZE).unwrap();
            fill(&mut upload);
            let is_proven = u64::from(shown) >= upload.unasked();
            let least = upload.least_to_act_on(false);
            waits.insert((is_proven, least));
            for asked in 1..=(least - 1) / GetBodyChunk::PACKET {
                upload.asked_for(SIZE).unwrap();
                assert_eq!(upload.room(), 0, "{bytes} {shown} {step} {asked}");
            }
            if is_proven {
                upload.asked_for(SIZE).unwrap();
                assert!(upload.room() > 0, "{bytes} {shown} {step}");
                fill(&mut upload);
            }
        }
    }
    let longest = |wanted| waits.iter().filter(|(proven, _)| *proven == wanted).max().unwrap().1;
    assert_eq!(longest(true), 14 * GetBodyChunk::PACKET + 1, "half of a window of thirty");
    assert_eq!(longest(false), LEAST_ANSWER);
}

#[test]
fn once_all_is_sent_the_answer_is_waited_for_behind_what_the_container_will_ask_for() {
    let mut proven = upload(9 * SIZE, 9);
    assert_eq!(proven.least_to_act_on(true), 1, "nothing has been sent");
    proven.asked_for(SIZE).unwrap();
    fill(&mut proven);
    for _ in 0..3 {
        proven.asked_for(SIZE).unwrap();
    }
    let least = 6 * GetBodyChunk::PACKET + 1;
    assert_eq!((proven.unasked(), proven.least_to_act_on(true)), (6, least));
    // It may answer at once: nothing says that it reads as far.
    let mut unproven = upload(9 * SIZE, 1);
    for _ in 0..4 {
        unproven.asked_for(SIZE).unwrap();
        fill(&mut unproven);
    }
    assert_eq!((unproven.unasked(), unproven.least_to_act_on(true)), (4, LEAST_ANSWER));
}

#[test]
fn a_packet_ahead_has_4096_bytes_or_more_and_no_more_than_was_asked_for() {
    for (available, wanted) in [
        (1, Some(1)),
        (SIZE, Some(SIZE)),
        (SIZE + 1, Some(SIZE)),
        (SIZE + 4095, Some(SIZE)),
        (SIZE + 4096, Some(SIZE + 4096)),
        (2 * SIZE + 4095, Some(2 * SIZE)),
        (9 * SIZE, Some(4 * SIZE)),
        (0, None),
    ] {
        let mut upload = upload(3 * SIZE, 3);
        upload.asked_for(SIZE).unwrap();
        let packets = upload.packets(available, false);
        assert_eq!(packets.map(|packets| packets.data_len()), wanted, "{available}");
    }
    let mut small = upload(3 * SIZE, 3);
    small.asked_for(4095).unwrap();
    assert_eq!(small.packets(usize::MAX, false).map(|packets| packets.count()), Some(1));
    assert_eq!(small.packets(usize::MAX, false), None);
}

#[test]
fn the_last_packets_are_of_about_the_same_length_where_a_rest_would_be_too_short_to_go_ahead() {
    for (available, wanted) in [
        (SIZE + 48, &[4117, 4117][..]),
        (SIZE + 7, &[4097, 4096]),
        (SIZE + 6, &[4096, 4096]),
        // One of two would be too short.
        (SIZE + 5, &[SIZE]),
        (SIZE + 4096, &[SIZE, 4096]),
        (2 * SIZE + 1, &[5458, 5458, 5457]),
        (4 * SIZE, &[SIZE; 4]),
        // More than the window takes.
        (4 * SIZE + 48, &[SIZE; 4]),
        (48, &[48]),
    ] {
        assert_eq!(last_packets(SIZE, available), wanted);
    }
    assert_eq!(last_packets(5000, 10_001), [5000, 5000], "one of three would be too short");
}

/// The lengths of the packets that the last bytes go in, where packets of this size are asked for.
fn last_packets(size: usize, available: usize) -> Vec<usize> {
    let mut upload = upload(3 * size, 3);
    upload.asked_for(size).unwrap();
    let packets = upload.packets(available, true).expect("one is due");
    packets.each().map(|(_, len)| len).collect()
}

#[test]
fn what_is_too_short_to_go_ahead_waits_until_it_is_due() {
    let mut upload = upload(3 * SIZE, 3);
    upload.asked_for(SIZE).unwrap();
    assert_eq!(upload.packets(2 * SIZE, false).map(|packets| packets.count()), Some(2));
    assert_eq!(upload.packets(4095, false), None);
    upload.asked_for(SIZE).unwrap();
    assert_eq!(upload.packets(4095, false), None, "that was for the one ahead");
    assert!(upload.due_packet(0).is_err(), "nor does the body end unasked");
    upload.asked_for(SIZE).unwrap();
    assert_eq!(upload.packets(4095, false).map(|packets| packets.data_len()), Some(4095));
}

#[test]
fn a_container_that_asks_for_less_than_what_lies_ahead_gets_nothing_more_ahead() {
    let mut upload = upload(9 * SIZE, 9);
    upload.asked_for(SIZE).unwrap();
    assert_eq!(fill(&mut upload), 10);
    for _ in 0..9 {
        upload.asked_for(SIZE - 1).unwrap();
        assert_eq!(fill(&mut upload), 0);
    }
    upload.asked_for(SIZE).unwrap();
    assert_eq!(fill(&mut upload), 1);
}

#[test]
fn packets_go_on_ahead_where_less_is_asked_for_than_before_but_no_less_than_what_lies_ahead() {
    let mut none_ahead = upload(2 * SIZE, 0);
    none_ahead.asked_for(SIZE).unwrap();
    assert_eq!(fill(&mut none_ahead), 2);
    none_ahead.asked_for(SIZE).unwrap();
    assert_eq!(none_ahead.unasked(), 0);
    none_ahead.asked_for(SIZE - 1).unwrap();
    assert!(fill(&mut none_ahead) > 1);

    let mut short_ahead = upload(9 * SIZE, 9);
    short_ahead.asked_for(SIZE).unwrap();
    for (available, is_ahead) in [(SIZE, 0), (SHORTEST_AHEAD, 1)] {
        assert!(short_ahead.packets(available, false).is_some());
        short_ahead.written();
        assert_eq!(short_ahead.unasked(), is_ahead);
    }
    short_ahead.asked_for(SHORTEST_AHEAD + 1).unwrap();
    assert!(fill(&mut short_ahead) > 0);
}

#[test]
fn a_packet_that_is_due_is_no_longer_than_was_asked_for() {
    let mut upload = upload(0, 0);
    upload.asked_for(100).unwrap();
    assert_eq!(upload.due_packet(101), Err(ExchangeError::BodyNotAskedFor { length: 101 }));
    assert!(upload.due_packet(100).is_ok());
}

#[test]
fn nothing_is_sent_behind_the_end_of_the_body_nor_where_packets_are_withheld() {
    let asked = || {
        let mut upload = upload(9 * SIZE, 9);
        upload.asked_for(SIZE).unwrap();
        assert!(!upload.is_ended());
        upload
    };
    let mut ended = asked();
    let _ = ended.due_packet(0).unwrap();
    assert!(ended.is_ended());
    assert_eq!((ended.room(), fill(&mut ended)), (0, 0));
    let mut withheld = asked();
    withheld.withhold();
    assert_eq!((withheld.room(), fill(&mut withheld)), (0, 0));
}

#[test]
fn what_has_been_read_is_what_was_asked_for_and_finished() {
    let mut upload = upload(SIZE, 1);
    upload.asked_for(SIZE).unwrap();
    assert_eq!(upload.packets(usize::MAX, false).map(|packets| packets.count()), Some(2));
    assert!(!upload.is_settled());
    assert_eq!(upload.ahead(), Some(Ahead::Unread));
    upload.asked_for(SIZE).unwrap();
    assert!(!upload.is_settled(), "all asked for, but not finished");
    assert_eq!(upload.ahead(), Some(Ahead::Unread));
    upload.written();
    assert!(upload.is_settled());
    assert_eq!(upload.ahead(), Some(Ahead::Consumed(1)));
}
