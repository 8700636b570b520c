//! Status line and headers of a response.

use test_support::ajp::{Packet, ScriptedPeer, chunk, end_response, headers};
use test_support::http::Response;
use test_support::members::{balancer, one_child};

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

/// Of what a backend has said before it failed, and what the rest of httpd has said before, the latter alone stays:
/// mod_usertrack's cookie, where it is loaded. Where a part of the body comes with what is no packet, the headers have been
/// put into the response already.
#[test]
fn headers_of_a_backend_that_fails_before_its_body_is_passed_on_are_in_no_answer() {
    const NO_PACKET: &[u8] = b"AB\0\x01\x63";
    for (tracks_users, has_body) in [(false, false), (false, true), (true, false), (true, true)] {
        let failing = ScriptedPeer::start(move |conn| {
            conn.expect_forward_request()?;
            let head = headers(203).reason("Failed").plain_header("X-Failed", "1");
            let head = head.header("Content-Type", "text/failed").header("Set-Cookie", "failed=1");
            let body =
                if has_body { [&chunk("failed")[..], NO_PACKET].concat() } else { Vec::new() };
            conn.send([head.into_bytes(), body].concat())
        });
        let good = ScriptedPeer::start(|conn| {
            while conn.read_packet()?.is_some() {
                conn.send(
                    headers(200)
                        .reason("Good")
                        .plain_header("X-Good", "1")
                        .header("Set-Cookie", "good=1"),
                )?;
                conn.send(chunk("hi"))?;
                conn.send(end_response())?;
            }
            Ok(())
        });
        let members = [&failing, &good].map(|peer| format!("ajp://127.0.0.1:{}", peer.port()));
        let mut setup = balancer(one_child(), &members)
            .conf(&format!("ProxyPass /alone ajp://127.0.0.1:{}/ retries=0", failing.port()));
        if tracks_users {
            setup = setup.modules(&["usertrack"]).conf("CookieTracking On\nCookieName tracked");
        }
        let httpd = setup.start();
        let cookies = |response: &Response| {
            let names = response.all("Set-Cookie").into_iter().map(|value| value.split('=').next());
            names.map(|name| name.unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        let own: &[&str] = if tracks_users { &["tracked"] } else { &[] };

        let refused = httpd.get("/alone").expect(502);
        assert_eq!((refused.reason.as_str(), refused.header("X-Failed")), ("Bad Gateway", None));
        assert_ne!(refused.header("Content-Type"), Some("text/failed"));
        assert_eq!(cookies(&refused), own);

        if has_body {
            continue; // Such a backend's request goes to no other member.
        }
        let answered = httpd.get("/app").expect(200);
        assert_eq!(failing.requests(), 2, "it had this one first");
        let found = ["X-Failed", "X-Good"].map(|name| answered.header(name));
        assert_eq!((found, answered.reason.as_str()), ([None, Some("1")], "Good"));
        assert_eq!(cookies(&answered), [own, &["good"]].concat());
    }
}
