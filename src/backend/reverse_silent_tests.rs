//! A pooled connection that does not answer CPING, where the container opens the connections.

use super::*;

/// The container's end of a connection that has dialled in and is idle.
fn pooled(scene: &Scene) -> TcpStream {
    let peer = scene.dial();
    let found = scene.reverse.accept(None).unwrap();
    assert!(found.stream.is_some(), "it has dialled in");
    scene.backend.take_in(found);
    peer
}

#[test]
fn a_pooled_connection_that_is_silent_gives_way_to_one_that_has_dialled_in() {
    let mut scene = Scene::new("");
    let _silent = pooled(&scene);
    let other = scene.dial();
    scene.settings.pings.prepost = Some(Duration::from_millis(200));

    assert!(leads_to(&scene.acquire().unwrap(), &other));
    assert_eq!(scene.backend.stats().closed.of(CloseReason::Broken), 1);
}

#[test]
fn a_pooled_connection_that_answers_in_the_second_half_of_ping_is_used_where_nobody_else_dials_in()
{
    const PING: Duration = Duration::from_secs(6);
    let mut scene = Scene::new("");
    let mut late = pooled(&scene);
    scene.settings.pings.prepost = Some(PING);
    thread::scope(|threads| {
        let late = threads.spawn(move || {
            late.read_exact(&mut [0; 5]).unwrap();
            // It takes that long: this is what the test is about.
            thread::sleep(PING * 2 / 3);
            late.write_all(&CPONG).unwrap();
            late
        });
        let lease = scene.acquire().unwrap();
        assert!(leads_to(&lease, &late.join().unwrap()));
    });
}
