//! What virtual hosts at one address share with a request that waits without a thread.

use std::thread;
use std::time::Duration;

use test_support::ajp::HoldingPeer;
use test_support::httpd::Httpd;
use test_support::members::ONE_CHILD;

/// Two hosts, each with its `Timeout`; the first one is the host of a connection before a request names another.
fn hosts(peer: &HoldingPeer, first: u32, second: u32) -> Httpd {
    let host = |name: &str, timeout: u32| {
        format!(
            "<VirtualHost *:*>\nServerName {name}\nTimeout {timeout}\nProxyTimeout 60\n\
             ProxyPass /app ajp://127.0.0.1:{}/app\n</VirtualHost>",
            peer.port()
        )
    };
    Httpd::setup()
        .conf(ONE_CHILD)
        .conf("AsyncRequestWorkerFactor 100\nProxyAjpParking On")
        .conf(&host("first", first))
        .conf(&host("second", second))
        .start()
}

#[test]
fn a_request_waits_longer_than_the_timeout_of_its_own_host_and_of_the_first_host_at_its_address() {
    for (first, second) in [(1, 60), (60, 1), (1, 1)] {
        let peer = HoldingPeer::start();
        let httpd = hosts(&peer, first, second);
        let mut client = httpd.client();
        client.send("GET /app/x HTTP/1.1\r\nHost: second\r\n\r\n");
        peer.wait_for_held(1);
        // The MPM closes connections that it has polled for longer.
        thread::sleep(Duration::from_millis(2500));
        peer.answer_all();

        assert_eq!(client.response("GET").expect(200).text(), "/app/x", "{first}, {second}");
        assert!(!httpd.error_log().contains("closes the client"), "{}", httpd.error_log());
    }
}
