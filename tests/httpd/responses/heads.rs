//! Status line and headers of a response.

use test_support::ajp::{ScriptedPeer, chunk, end_response, headers};
use test_support::members::one_child;

#[test]
fn the_reason_of_the_container_reaches_the_client_beside_headers_that_stay_as_they_are() {
    const REASONS: [(&str, &str); 5] = [
        ("", "OK"),
        ("X", "X"),
        ("200", "200"),
        ("Fine", "Fine"),
        (
            "A reason of more than the four bytes before it",
            "A reason of more than the four bytes before it",
        ),
    ];
    let peer = ScriptedPeer::start(|conn| {
        for (reason, _) in REASONS {
            conn.expect_forward_request()?;
            let head =
                headers(200).reason(reason).plain_header("X-First", "1").header("ETag", "\"2\"");
            conn.send(head.header("Content-Length", "2"))?;
            conn.send(chunk("hi"))?;
            conn.send(end_response())?;
        }
        Ok(())
    });
    let mount = format!("ProxyPass / ajp://127.0.0.1:{}/", peer.port());
    // Not with a housekeeper: while it checks the idle connection, a request opens another.
    let httpd = one_child().conf("ProxyAjpMaintain 0").conf(&mount).start();
    let mut client = httpd.client();
    for (reason, wanted) in REASONS {
        let response = client.get("/").expect(200);
        assert_eq!(response.reason, wanted, "{reason}");
        let found = ["X-First", "ETag", "Content-Length"].map(|name| response.header(name));
        assert_eq!(found, [Some("1"), Some("\"2\""), Some("2")], "{reason}");
        assert_eq!(response.text(), "hi");
    }
}
