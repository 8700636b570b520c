use super::*;
use crate::dialer::settings::ContainerAddress;
use crate::protocol::handshake::Key;

const MS: Duration = Duration::from_millis(1);

fn settings(httpd: &[&str]) -> Settings {
    Settings {
        httpd: httpd.iter().map(|text| text.parse().unwrap()).collect(),
        container: ContainerAddress::Unix("/nowhere".into()),
        spare: 2,
        shared_ports: None,
        max: 200,
        connect_timeout: 3000 * MS,
        backoff_min: 100 * MS,
        backoff_max: 5000 * MS,
        drain_timeout: 30000 * MS,
        key: None,
        node: Vec::new(),
        verbose: false,
    }
}

fn ports(httpd: &[&str]) -> Ports {
    Ports::new(&settings(httpd), |_| 0)
}

/// With a key, as node1.
fn keyed(httpd: &[&str]) -> Ports {
    let key = Key::new(b"a key of more than 16 bytes").ok();
    Ports::new(&Settings { key, node: b"node1".into(), ..settings(httpd) }, |_| 0)
}

/// What is logged without `--verbose`, since the last call.
fn lines(ports: &mut Ports) -> Vec<String> {
    let changes = ports.take_changes();
    changes.iter().filter(|change| !change.is_detail()).map(ToString::to_string).collect()
}

fn take_all(ports: &mut Ports, now: Instant) -> Vec<PortId> {
    std::iter::from_fn(|| ports.take(now)).collect()
}

fn open(ports: &mut Ports, now: Instant) -> Link {
    let id = ports.take(now).expect("a port in need");
    ports.opened(id, now)
}

fn suspect(ports: &mut Ports, now: Instant) {
    let id = ports.take(now).expect("a port in need");
    ports.failed(id, "refused".into(), now);
}

#[test]
fn each_port_gets_its_spare_connections_in_turn() {
    let now = Instant::now();
    let mut ports = ports(&["web1:9100", "web2:9100-9101"]);
    assert_eq!(take_all(&mut ports, now), [0, 1, 2, 0, 1, 2]);
    assert_eq!(ports.address(2), ("web2", 9101));
}

#[test]
fn the_first_byte_on_a_connection_opens_the_next_one() {
    let now = Instant::now();
    let mut ports = ports(&["web1:9100"]);
    let mut links = [open(&mut ports, now), open(&mut ports, now)];
    assert_eq!(ports.take(now), None);
    ports.busy(&mut links[0]);
    assert_eq!(take_all(&mut ports, now), [0]);
}

#[test]
fn an_idle_connection_is_spare_if_the_port_has_only_one_process() {
    let now = Instant::now();
    for (httpd, dialled) in [("web1:9100", 1), ("web1:9100-9101", 0)] {
        let mut ports = ports(&[httpd]);
        let mut links: Vec<Link> =
            take_all(&mut ports, now).into_iter().map(|id| ports.opened(id, now)).collect();
        ports.busy(&mut links[0]);
        ports.idle(&mut links[0]);
        assert_eq!(take_all(&mut ports, now).len(), dialled, "{httpd}");
    }
}

#[test]
fn a_handshake_alone_opens_no_further_connection_in_a_range() {
    // A child that owns its port accepts at once; otherwise both sides would open ever more.
    let now = Instant::now();
    let mut ports = ports(&["web1:9100-9101"]);
    let mut links: Vec<Link> =
        take_all(&mut ports, now).into_iter().map(|id| ports.opened(id, now)).collect();
    for link in &mut links {
        ports.busy(link);
        ports.accepted(link, now);
    }
    assert_eq!(ports.take(now), None);
}

#[test]
fn a_port_that_fails_is_tried_after_pauses_that_double_up_to_the_longest() {
    let mut now = Instant::now();
    let mut ports = ports(&["web1:9100"]);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        suspect(&mut ports, now);
        let next = ports.next_look().expect("a suspect port is dialled again");
        assert_eq!(ports.take(next - MS), None);
        pauses.push((next - now).as_millis());
        now = next;
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
}

#[test]
fn up_to_half_of_a_pause_is_left_to_chance() {
    let now = Instant::now();
    let mut ports = Ports::new(&settings(&["web1:9100"]), |most| most);
    suspect(&mut ports, now);
    assert_eq!(ports.next_look(), Some(now + 50 * MS));
}

#[test]
fn one_line_is_logged_when_a_port_fails_and_one_when_it_is_available_again() {
    let mut now = Instant::now();
    let mut ports = ports(&["web1:9100"]);
    for _ in 0..3 {
        suspect(&mut ports, now);
        now += 5000 * MS;
    }
    let mut link = open(&mut ports, now);
    ports.take(now + REJECTED);
    ports.requested(&mut link);
    ports.idle(&mut link);
    assert_eq!(
        lines(&mut ports),
        [
            "httpd web1:9100 is not available (refused); retrying at intervals of up to 5000 ms",
            "httpd web1:9100: connected, waiting for httpd",
            "httpd web1:9100 is available",
        ]
    );
}

#[test]
fn a_port_is_available_once_httpd_has_used_it_and_not_because_it_accepts() {
    let now = Instant::now();
    let mut ports = ports(&["web1:9100"]);
    let (mut link, _other) = (open(&mut ports, now), open(&mut ports, now));
    assert_eq!(ports.next_look(), Some(now + REJECTED));
    ports.take(now + REJECTED);
    ports.take(now + 3600 * REJECTED);
    assert_eq!(lines(&mut ports), ["httpd web1:9100: connected, waiting for httpd"]);
    ports.requested(&mut link);
    assert_eq!(lines(&mut ports), [""; 0], "it may be refused yet");
    ports.idle(&mut link);
    assert_eq!(lines(&mut ports), ["httpd web1:9100 is available"]);
}

#[test]
fn after_a_handshake_a_port_is_available_when_the_connection_has_lasted() {
    let now = Instant::now();
    let mut ports = keyed(&["web1:9100"]);
    let mut link = open(&mut ports, now);
    ports.busy(&mut link);
    ports.accepted(&mut link, now);
    ports.take(now + SETTLED - MS);
    assert_eq!(lines(&mut ports), [""; 0]);
    assert_eq!(ports.next_look(), Some(now + SETTLED));
    ports.take(now + SETTLED);
    assert_eq!(lines(&mut ports), ["httpd web1:9100 is available"]);
    ports.closed(link, now + SETTLED);
    assert_eq!(lines(&mut ports), [""; 0], "httpd may close an idle connection");
}

#[test]
fn a_connection_closed_after_the_handshake_is_a_wrong_node_and_said_once() {
    let mut now = Instant::now();
    let mut ports = keyed(&["web1:9100"]);
    for _ in 0..3 {
        let mut link = open(&mut ports, now);
        ports.busy(&mut link);
        ports.accepted(&mut link, now);
        ports.closed(link, now + SETTLED - MS);
        now += 10 * SETTLED;
    }
    assert_eq!(
        lines(&mut ports),
        [
            "httpd web1:9100 is not available (it closes connections after the handshake: node= of its \
          ProxyAjpReverse is probably not \"node1\"; its error log says why); retrying at intervals of up \
          to 5000 ms"
        ]
    );
    let mut link = open(&mut ports, now);
    ports.accepted(&mut link, now);
    ports.take(now + SETTLED);
    assert_eq!(lines(&mut ports), ["httpd web1:9100 is available"]);
}

#[test]
fn connections_that_httpd_closes_unused_again_and_again_are_refused_however_long_they_have_waited()
{
    let whys = [
        (ports(&["web1:9100"]), "it has keyfile= and --key-file is missing here"),
        (keyed(&["web1:9100"]), "keyfile= is missing there"),
    ];
    for (mut ports, why) in whys {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (first, second) = (open(&mut ports, start), open(&mut ports, start));
        ports.take(at(5));
        assert_eq!(lines(&mut ports), ["httpd web1:9100: connected, waiting for httpd"]);
        ports.closed(first, at(20));
        let third = open(&mut ports, at(20));
        ports.closed(second, at(30));
        assert_eq!(lines(&mut ports), [""; 0], "httpd may have ended once");
        ports.closed(third, at(40));
        let said = lines(&mut ports).join("\n");
        assert!(said.contains("it closes connections before using them"), "{said}");
        assert!(said.contains("allow=") && said.contains(why), "{said}");
        for seconds in [50, 60, 70] {
            let next = open(&mut ports, at(seconds));
            if let Some(another) = ports.take(at(seconds + 5)) {
                ports.given_up(another);
            }
            ports.closed(next, at(seconds + 9));
        }
        assert_eq!(lines(&mut ports), [""; 0], "said once");
    }
}

#[test]
fn a_connection_that_ends_during_its_first_request_was_not_refused() {
    let now = Instant::now();
    let mut ports = ports(&["web1:9100"]);
    let mut link = open(&mut ports, now);
    ports.requested(&mut link);
    ports.closed(link, now + MS);
    assert_eq!(ports.take_changes(), []);
}

#[test]
fn a_suspect_port_has_one_connection_on_trial_until_it_has_lasted_for_a_second() {
    let start = Instant::now();
    let mut ports = ports(&["web1:9100"]);
    suspect(&mut ports, start);
    let now = start + 100 * MS;
    let _link = open(&mut ports, now);
    assert_eq!(ports.take(now + 999 * MS), None);
    assert_eq!(ports.next_look(), Some(now + REJECTED));
    assert_eq!(ports.take(now + REJECTED), Some(0));
}

#[test]
fn a_request_served_proves_a_suspect_port_good_at_once() {
    let start = Instant::now();
    let mut ports = ports(&["web1:9100"]);
    suspect(&mut ports, start);
    let mut link = open(&mut ports, start + 100 * MS);
    ports.busy(&mut link);
    assert_eq!(ports.take(start + 101 * MS), None, "it is still on trial");
    ports.idle(&mut link);
    assert_eq!(take_all(&mut ports, start + 102 * MS), [0, 0]);
}

#[test]
fn a_connection_closed_within_a_second_of_its_opening_was_refused() {
    let now = Instant::now();
    let mut ports = ports(&["web1:9100"]);
    let (early, late) = (open(&mut ports, now), open(&mut ports, now));
    ports.closed(early, now + 999 * MS);
    assert!(matches!(ports.take_changes()[..], [PortChange::Suspect { .. }]));
    assert_eq!(ports.take(now + 999 * MS), None);
    ports.closed(late, now + REJECTED);
    assert_eq!(ports.take_changes(), []);
}

#[test]
fn a_connection_that_has_served_may_be_closed_at_any_time() {
    let now = Instant::now();
    let mut ports = ports(&["web1:9100"]);
    let mut link = open(&mut ports, now);
    ports.busy(&mut link);
    ports.idle(&mut link);
    assert_eq!(lines(&mut ports), ["httpd web1:9100 is available"]);
    ports.closed(link, now + MS);
    assert_eq!(ports.take_changes(), []);
    assert_eq!(take_all(&mut ports, now + MS), [0, 0]);
}

#[test]
fn when_one_process_has_ended_the_other_ports_of_that_host_are_tried_again() {
    let start = Instant::now();
    let mut ports = ports(&["web1:9100-9101", "web2:9100"]);
    assert_eq!(take_all(&mut ports, start), [0, 1, 2, 0, 1, 2]);
    let (link, _other) = (ports.opened(0, start), ports.opened(0, start));
    for id in [1, 1, 2, 2] {
        ports.failed(id, "refused".into(), start);
    }
    let mut now = start;
    for _ in 0..6 {
        now += 5000 * MS;
        for id in take_all(&mut ports, now) {
            ports.failed(id, "refused".into(), now);
        }
    }
    assert_eq!(ports.next_look(), Some(now + 5000 * MS));
    ports.closed(link, now + 10 * MS);
    assert_eq!(ports.take(now + 10 * MS), Some(0), "its own port, now with a spare too few");
    assert_eq!(ports.take(now + 999 * MS), None);
    assert_eq!(take_all(&mut ports, now + 1000 * MS), [1], "and not web2");
}

#[test]
fn behind_a_wrong_key_only_a_handshake_proves_a_port_good() {
    let start = Instant::now();
    let mut ports = ports(&["web1:9100"]);
    let mut link = open(&mut ports, start);
    ports.busy(&mut link);
    ports.refused(link, "the peer does not prove that it knows the key".into(), start);
    let said = ports.take_changes();
    assert_eq!(
        said.iter().filter(|change| matches!(change, PortChange::WrongKey { .. })).count(),
        1
    );

    let now = start + 100 * MS;
    let mut link = open(&mut ports, now);
    assert_eq!(ports.take(now + 10 * REJECTED), None, "lasting proves nothing");
    ports.busy(&mut link);
    ports.accepted(&mut link, now + 10 * REJECTED);
    assert_eq!(ports.take_changes(), [PortChange::KnowsKey { port: "web1:9100".into() }]);
    assert_eq!(take_all(&mut ports, now + 11 * REJECTED), [0, 0]);
}

#[test]
fn a_connection_closed_by_this_side_says_nothing_about_the_port() {
    let now = Instant::now();
    let mut ports = ports(&["web1:9100"]);
    let link = open(&mut ports, now);
    ports.left(link);
    let id = ports.take(now).expect("two are wanted");
    ports.given_up(id);
    assert_eq!(ports.take_changes(), []);
    assert_eq!(take_all(&mut ports, now), [0, 0]);
}
