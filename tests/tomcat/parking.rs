//! Pages of a real Tomcat that take their time wait without a thread of httpd.

use test_support::http::Client;
use test_support::httpd::Httpd;
use test_support::parking::{Load, ask, logged, two_threads, wait_for_parked, wait_for_rest};
use test_support::process::wait_for;
use test_support::tomcat::Tomcat;

const MANY: usize = 40;

fn in_front() -> Httpd {
    let pass = format!("ProxyPass /app ajp://127.0.0.1:{}/app", Tomcat::shared().port);
    two_threads().conf(&pass).start()
}

#[test]
fn pages_that_wait_in_their_middle_hold_no_thread_of_httpd_and_each_client_gets_its_own() {
    let httpd = in_front();
    let gate = |number: usize| format!("parking-{}-{number}", std::process::id());
    // Each has another length.
    let pages = (0..MANY).map(|number| {
        ask(&httpd, &format!("/app/stream?gate={}&pieces={}", gate(number), number + 2))
    });
    let mut clients: Vec<Client> = pages.collect();
    for client in &mut clients {
        assert_eq!(client.head().status, 200);
        assert_eq!(client.chunk().as_deref(), Some(&b"piece 0\n"[..]));
    }
    wait_for_parked(&httpd, MANY);
    httpd.get("/none").expect(404);
    assert_eq!(httpd.get("/app/static.txt").expect(200).status, 200);

    // The requests that open the gates have threads.
    for number in (0..MANY).rev() {
        httpd.get(&format!("/app/gate?id={}", gate(number))).expect(200);
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let pieces = std::iter::from_fn(|| client.chunk().filter(|piece| !piece.is_empty()));
        let rest = pieces.collect::<Vec<_>>().concat();
        let expected: String = (1..number + 2).map(|piece| format!("piece {piece}\n")).collect();
        assert_eq!(String::from_utf8_lossy(&rest), expected, "{number}");
    }
    wait_for_rest(&httpd);
}

#[test]
fn pages_of_asynchronous_and_of_sleeping_servlets_hold_no_thread_of_httpd() {
    let httpd = in_front();
    for (page, said) in [("/app/async", "answered by async-worker"), ("/app/slow", "slept 6000")] {
        let mut clients: Vec<Client> =
            (0..MANY).map(|_| ask(&httpd, &format!("{page}?ms=6000"))).collect();
        wait_for("more wait than there are threads", || {
            (Load::of(&httpd).parked > 2).then_some(())
        });
        httpd.get("/none").expect(404);
        for client in &mut clients {
            assert_eq!(client.response("GET").expect(200).text().trim(), said);
        }
        wait_for_rest(&httpd);
    }
}

#[test]
fn a_client_that_leaves_a_sleeping_page_is_noticed_while_tomcat_works_on() {
    let httpd = in_front();
    let client = ask(&httpd, "/app/slow?ms=30000");
    wait_for_parked(&httpd, 1);
    client.reset();
    wait_for_rest(&httpd);
    let logged = logged(&httpd, "/app/slow");
    assert_eq!((logged.status, logged.bytes), (499, 0));
    // Tomcat's connection is closed: the next request has another one, and its own answer.
    assert_eq!(httpd.get("/app/slow?ms=1").expect(200).text().trim(), "slept 1");
}
