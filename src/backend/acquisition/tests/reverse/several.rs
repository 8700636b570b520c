//! Several requests at once, and a child that ends.

use super::*;

#[test]
fn of_two_requests_and_one_connection_the_second_gets_it_when_the_first_gives_it_back() {
    let child = Child::new(None);
    let (mut first, mut second) = (child.begin(ANY()), child.begin(ANY()));
    assert_eq!(first.goes_on(), "inbound 1s");
    assert_eq!(second.goes_on(), "inbound 1s");

    let _peer = child.port.connect();
    assert_eq!(first.looks_again(), "connection 1");
    assert_eq!(second.looks_again(), "inbound 1s", "the other was faster");
    assert!(!second.is_woken());
    first.gives_back();
    assert!(second.is_woken());
    assert_eq!(second.looks_again(), "connection 1");
    second.gives_back();
    assert_eq!(left(&child), (1, 0, 0));
}

#[test]
fn a_request_for_a_new_connection_leaves_those_that_come_back_to_others() {
    let child = Child::new(None).warm();
    let mut first = child.begin(ANY());
    assert_eq!(first.goes_on(), "connection 0");
    let mut second = child.begin(Task::New);
    assert_eq!(second.goes_on(), "inbound 1s");
    first.gives_back();
    assert!(!second.is_woken());
    assert_eq!(second.looks_again(), "inbound 1s");

    let mut third = child.begin(ANY());
    assert_eq!(third.goes_on(), "connection 0");
    let failed = third.lease.take().unwrap();
    let mut again = child.begin(Task::Replace(failed));
    assert_eq!(again.goes_on(), "inbound 1s");
    let _peer = child.port.connect();
    assert_eq!(again.looks_again(), "connection 1");
}

#[test]
fn a_child_that_gives_up_its_port_fails_the_requests_that_wait_but_not_one_that_can_be_served() {
    let child = Child::new(None).warm();
    let mut first = child.begin(ANY());
    assert_eq!(first.goes_on(), "connection 0");
    let mut served = child.begin(ANY());
    assert_eq!(served.goes_on(), "inbound 1s");
    let mut fails = child.begin(ANY());
    assert_eq!(fails.goes_on(), "inbound 1s");

    child.has_given_up.set(true);
    first.gives_back();
    assert_eq!(served.looks_again(), "connection 0");
    assert_eq!(fails.looks_again(), "this child has no port to listen on");
    assert_eq!(child.begin(Task::New).goes_on(), "this child has no port to listen on");
    served.gives_back();
    drop(fails);
    assert_eq!(left(&child), (1, 0, 0));
}

#[test]
fn a_request_that_asks_one_that_came_back_does_not_hold_up_those_behind_it_in_line() {
    let child = Child::new(None).warm().ping(prepost(SECOND));
    let mut first = child.begin(ANY());
    assert_eq!(first.goes_on(), "receive pooled 500ms");
    assert_eq!(first.hears(&CPONG), "connection 0");
    let mut requests: Vec<Request<'_>> = (0..5).map(|_| child.begin(ANY())).collect();
    requests.iter_mut().for_each(|request| assert_eq!(request.goes_on(), "inbound 1s"));
    first.gives_back();
    assert!(!requests[4].watches_the_port());
    assert_eq!(requests[0].looks_again(), "receive pooled 1s");
    assert!(requests[4].is_woken());
    assert!(requests[4].watches_the_port());
    assert_eq!(requests[0].hears(b"SSH-"), "inbound 1s");
    assert!(!requests[0].watches_the_port(), "it is the last one now");
}

#[test]
fn the_first_requests_in_line_watch_the_port_and_the_next_is_woken_when_one_has_gone() {
    let child = Child::new(None);
    let mut requests: Vec<Request<'_>> = (0..6).map(|_| child.begin(ANY())).collect();
    for request in &mut requests {
        assert_eq!(request.goes_on(), "inbound 1s");
    }
    let watching = |requests: &[Request<'_>]| {
        requests.iter().map(Request::watches_the_port).collect::<Vec<_>>()
    };
    assert_eq!(watching(&requests), [true, true, true, true, false, false]);

    let _peer = child.port.connect();
    let mut first = requests.remove(0);
    assert_eq!(first.looks_again(), "connection 1");
    let woken: Vec<bool> = requests.iter().map(Request::is_woken).collect();
    assert_eq!(woken, [false, false, false, true, false]);
    assert_eq!(watching(&requests), [true, true, true, true, false]);

    // A client that has gone.
    drop(requests.remove(1));
    let woken: Vec<bool> = requests.iter().map(Request::is_woken).collect();
    assert_eq!(woken, [false, false, false, true]);
    // One that comes back is for the first of them, whoever watches.
    first.gives_back();
    let woken: Vec<bool> = requests.iter().map(Request::is_woken).collect();
    assert_eq!(woken, [true, false, false, false]);
    drop(requests);
    assert_eq!(left(&child), (0, 0, 0), "closed with the request that it was for");
}
