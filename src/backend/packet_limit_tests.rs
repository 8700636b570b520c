use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const ASK: Admission = Admission::Ask { was_proven: false };

fn admission(limit: &PacketLimit, packet: usize) -> Admission {
    limit.admission(packet, 0, Instant::now())
}

#[test]
fn what_every_container_takes_is_sent_and_what_is_larger_is_asked_for() {
    let limit = PacketLimit::new(None);
    assert_eq!(limit.for_request(), PacketSize::MAX);
    assert_eq!(admission(&limit, 8192), Admission::Send);
    assert_eq!(admission(&limit, 8193), ASK);
}

#[test]
fn what_is_configured_is_never_asked_for_and_never_lowered() {
    let limit = PacketLimit::new(Some(PacketSize::MAX));
    limit.body_asked_for(8186, None);
    limit.request_in_doubt(60_000);
    limit.question_refused(9000, 0, Instant::now());
    assert_eq!(limit.for_request(), PacketSize::MAX);
    assert_eq!(admission(&limit, 60_000), Admission::Send);
}

#[test]
fn get_body_chunk_says_how_large_a_body_packet_may_be_and_nothing_of_requests() {
    let limit = PacketLimit::new(None);
    limit.body_asked_for(65536 - 6, Some(100_000));
    assert_eq!(limit.for_first_body(), PacketSize::MAX);
    assert_eq!(admission(&limit, 20_000), ASK);
    limit.request_answered(20_000, 0);
    limit.body_asked_for(8186, None);
    assert_eq!(limit.for_first_body(), PacketSize::MIN);
    assert_eq!(admission(&limit, 20_000), Admission::Send);
}

#[test]
fn an_odd_packet_size_is_kept_to_the_byte() {
    let limit = PacketLimit::new(None);
    limit.body_asked_for(10_000 - 6, None);
    assert_eq!(limit.for_first_body().max_body(), 10_000 - 6);
}

#[test]
fn the_rest_of_a_body_tells_nothing() {
    let limit = PacketLimit::new(Some(PacketSize::MAX));
    limit.body_asked_for(100, None);
    limit.body_asked_for(10_000, Some(10_000));
    assert_eq!(limit.for_first_body(), PacketSize::MAX);
}

#[test]
fn an_answered_question_is_a_proof_for_that_size_and_what_is_smaller() {
    let limit = PacketLimit::new(None);
    limit.question_answered(20_000, 0);
    assert_eq!(admission(&limit, 20_000), Admission::Send);
    assert_eq!(admission(&limit, 20_001), ASK);
    let known = limit.known();
    assert_eq!((known.bytes, known.source), (20_000, PacketSizeSource::Asked));
}

#[test]
fn a_refusal_holds_for_a_minute_and_for_that_size_and_what_is_larger() {
    let limit = PacketLimit::new(None);
    let now = Instant::now();
    limit.question_refused(20_000, 0, now);
    let later = |packet, seconds| limit.admission(packet, 0, now + seconds * SECOND);
    assert_eq!(later(20_000, 59), Admission::TooLarge { limit: 8192 });
    assert_eq!(later(60_000, 59), Admission::TooLarge { limit: 8192 });
    assert_eq!(later(19_999, 59), ASK);
    assert_eq!(later(8192, 59), Admission::Send);
    assert_eq!(later(20_000, 60), ASK);
}

#[test]
fn a_large_request_that_is_refused_takes_nothing_from_smaller_ones() {
    let limit = PacketLimit::new(None);
    limit.request_answered(12_000, 0);
    limit.question_refused(42_000, 0, Instant::now());
    assert_eq!(admission(&limit, 12_000), Admission::Send);
    assert_eq!(admission(&limit, 42_000), Admission::TooLarge { limit: 12_000 });
}

#[test]
fn an_answer_ends_a_refusal() {
    let limit = PacketLimit::new(None);
    limit.question_refused(20_000, 0, Instant::now());
    limit.request_answered(30_000, 0);
    assert_eq!(admission(&limit, 30_000), Admission::Send);
}

#[test]
fn a_container_that_cannot_be_asked_gets_requests_as_they_are_and_is_asked_again_after_a_minute() {
    let limit = PacketLimit::new(None);
    let now = Instant::now();
    limit.cannot_be_asked(now);
    assert_eq!(limit.admission(60_000, 0, now + 59 * SECOND), Admission::Send);
    assert_eq!(limit.admission(60_000, 0, now + 60 * SECOND), ASK);
    assert_eq!(limit.known(), KnownPacketSize::default());
}

#[test]
fn after_the_backend_has_closed_idle_connections_a_proof_is_renewed() {
    let limit = PacketLimit::new(None);
    let now = Instant::now();
    limit.question_answered(20_000, 7);
    assert_eq!(limit.admission(20_000, 7, now), Admission::Send);
    assert_eq!(limit.admission(20_000, 8, now), Admission::Ask { was_proven: true });
    limit.question_answered(20_000, 8);
    assert_eq!(limit.admission(20_000, 8, now), Admission::Send);
}

#[test]
fn a_container_that_is_restarted_with_less_refuses_what_it_took_before() {
    let limit = PacketLimit::new(None);
    limit.request_answered(20_000, 0);
    limit.request_in_doubt(20_000);
    assert_eq!(admission(&limit, 20_000), ASK);
    limit.question_refused(20_000, 0, Instant::now());
    assert_eq!(admission(&limit, 20_000), Admission::TooLarge { limit: 8192 });
    assert_eq!(admission(&limit, 12_000), ASK);
}

#[test]
fn a_small_request_is_never_in_doubt() {
    let limit = PacketLimit::new(None);
    limit.request_answered(20_000, 0);
    limit.request_in_doubt(8192);
    assert_eq!(admission(&limit, 20_000), Admission::Send);
}

/// What can happen between a child and a container.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A request of this size comes; the container is asked where that is the decision.
    Request(usize),
    /// The same, and its answer is an error after which the container closes, whatever its size.
    Error(usize),
    /// The same, and its connection closes unanswered.
    Close(usize),
    /// GET_BODY_CHUNK for so many bytes.
    WantBody(usize),
    /// Idle connections time out at the backend.
    IdleClose,
    Seconds(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = || prop_oneof![4 => 8000..66_000_usize, 1 => 8190..8196_usize];
    let step = prop_oneof![
        6 => size().prop_map(Step::Request),
        1 => size().prop_map(Step::Error),
        1 => size().prop_map(Step::Close),
        1 => (1..65_530_usize).prop_map(Step::WantBody),
        1 => Just(Step::IdleClose),
        1 => (1..90_u64).prop_map(Step::Seconds),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// Whatever happens, a size that was answered is never refused, one that the container takes is
    /// sent, and one that it does not take is refused, each time.
    #[test]
    fn the_container_s_own_packet_size_alone_decides(
        packet_size in 8192..=65536_usize,
        steps in steps(),
    ) {
        let limit = PacketLimit::new(None);
        let (mut now, mut closes, mut answered) = (Instant::now(), 0, 0);
        for step in steps {
            match step {
                Step::Request(size) | Step::Error(size) | Step::Close(size) => {
                    let sent = ask_and_decide(&limit, size, packet_size, closes, now);
                    prop_assert_eq!(sent, size <= packet_size, "{:?}", step);
                    prop_assert!(sent || size > answered);
                    if sent {
                        match step {
                            Step::Request(_) => {
                                limit.request_answered(size, closes);
                                answered = answered.max(size);
                            }
                            _ => limit.request_in_doubt(size),
                        }
                    }
                }
                Step::WantBody(data) => limit.body_asked_for(data, None),
                Step::IdleClose => closes += 1,
                Step::Seconds(count) => now += Duration::from_secs(count),
            }
            prop_assert!(limit.for_first_body() >= PacketSize::MIN);
        }
    }

    /// A configured size is what it is, whatever is seen.
    #[test]
    fn nothing_changes_what_is_configured(
        configured in 8192..=65536_usize,
        steps in steps(),
    ) {
        let configured = PacketSize::new(configured).unwrap();
        let limit = PacketLimit::new(Some(configured));
        for step in steps {
            match step {
                Step::Request(size) => limit.request_answered(size, 0),
                Step::Error(size) | Step::Close(size) => limit.request_in_doubt(size),
                Step::WantBody(data) => limit.body_asked_for(data, None),
                Step::IdleClose | Step::Seconds(_) => {}
            }
            prop_assert_eq!(limit.for_request(), configured);
            prop_assert_eq!(admission(&limit, configured.bytes()), Admission::Send);
        }
    }
}

/// Is the request sent? The question is answered as a container of this packet size does.
fn ask_and_decide(
    limit: &PacketLimit,
    size: usize,
    packet_size: usize,
    closes: u64,
    now: Instant,
) -> bool {
    if let Admission::Ask { .. } = limit.admission(size, closes, now) {
        if size <= packet_size {
            limit.question_answered(size, closes);
        } else {
            limit.question_refused(size, closes, now);
        }
    }
    match limit.admission(size, closes, now) {
        Admission::Send => true,
        Admission::TooLarge { limit } => {
            assert!(limit <= packet_size);
            false
        }
        Admission::Ask { .. } => panic!("asked a moment ago"),
    }
}
