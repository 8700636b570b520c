//! What is said of an error behind which the container closes the connection.

use super::TestClient;
use super::scene::World::{Closes, Hears, Yes};
use super::scene::{Scene, ask_for, end, head, pong};
use super::script::{REPLY, Script, hears, then};
use crate::backend::{Backend, BackendKey, key_of};
use crate::messages::Message;
use crate::protocol::PacketSize;

/// A request of so many bytes; `packet_size` is configured.
fn scene(packet: usize, packet_size: Option<PacketSize>) -> Scene {
    let mut scene = Scene::get();
    scene.request.packet = vec![0; packet];
    let socket_path = Some("/nowhere".into());
    scene.backend = Backend::new(BackendKey { socket_path, packet_size, ..key_of("node1", 8009) });
    scene
}

/// The request is sent, the container asks for a body or not, and this is its answer.
fn answered(asks: bool, status: u16, reuse: bool) -> Script {
    let sent = vec![("place", Yes), ("connect", Yes), ("send", Yes)];
    let asked = [(REPLY, Hears(ask_for(10))), ("send", Yes)];
    let sent = if asks { then(sent, &asked) } else { sent };
    then(sent, &[(REPLY, hears(&[head(status), end(reuse)])), ("pass", Yes)])
}

#[test]
fn an_error_behind_which_the_connection_is_closed_is_explained_where_no_application_has_seen_the_request()
 {
    use Message::{PacketSizeDoubted, RefusedByContainer};
    for (packet, asks, status, reuse, wanted) in [
        (100, false, 403, false, Some(RefusedByContainer)),
        (100, false, 403, true, None),
        (100, true, 403, false, None),
        (100, false, 404, false, None),
        (100, false, 200, false, None),
        (8192, false, 400, false, None),
        (8193, false, 400, false, Some(PacketSizeDoubted)),
        (8193, false, 400, true, None),
        (8193, false, 399, false, None),
        (8193, false, 403, false, Some(RefusedByContainer)),
        (8193, true, 403, false, Some(PacketSizeDoubted)),
    ] {
        let mut scene = scene(packet, Some(PacketSize::MAX));
        scene.goes(&answered(asks, status, reuse)).0.expect("an answer");
        let said: Vec<_> = scene.client.notes.take().into_iter().map(|(said, _)| said).collect();
        assert_eq!(said, Vec::from_iter(wanted), "{packet} {asks} {status} {reuse}");
    }
}

#[test]
fn the_explanation_says_what_to_check() {
    let said = |mut scene: Scene, script: &Script| {
        scene.goes(script).0.expect("an answer");
        scene.client.notes.take().remove(0).1
    };
    let text = said(scene(100, None), &answered(false, 403, false));
    assert!(text.contains("secretRequired (secret is not set here)"), "{text}");
    let text = said(scene(8193, Some(PacketSize::MAX)), &answered(false, 400, false));
    assert!(text.contains("smaller than iobuffersize=65536 here"), "{text}");
    let asked = then(unanswered(), &unanswered());
    let text = said(scene(8193, None), &then(asked, &answered(false, 400, false)));
    assert!(text.contains("(CPING could not tell)"), "{text}");
}

/// A plain CPING is answered, and none of a size.
fn unanswered() -> Script {
    let plain = vec![("connect", Yes), ("ping", Yes), ("pong", Hears(pong()))];
    then(plain, &[("ping", Yes), ("pong", Closes)])
}

#[test]
fn a_size_that_was_proven_no_longer_is_where_a_connection_dies_without_an_answer() {
    let unanswered_twice = [
        ("place", Yes),
        ("send", Yes),
        (REPLY, Closes),
        ("connect", Yes),
        ("send", Yes),
        (REPLY, Closes),
    ];
    let broken_off = [("place", Yes), ("send", Yes), (REPLY, Hears(head(200))), (REPLY, Closes)];
    for (script, is_proven) in [(&unanswered_twice[..], false), (&broken_off, true)] {
        let mut scene = scene(8193, None);
        let asked = then(unanswered(), &unanswered());
        scene.goes(&then(asked, &answered(false, 200, true))).0.expect("an answer");
        scene.client = TestClient::default();
        scene.goes(script).0.unwrap_err();
        assert_eq!(scene.backend.packet_limit().is_proven(8193), is_proven);
    }
}

#[test]
fn a_size_that_was_proven_is_not_doubted_in_a_line_but_no_longer_proven() {
    let mut scene = scene(8193, None);
    let asked = then(unanswered(), &unanswered());
    scene.goes(&then(asked, &answered(false, 200, true))).0.expect("an answer");
    assert!(scene.backend.packet_limit().is_proven(8193));

    scene.client = TestClient::default();
    let pooled = [("place", Yes), ("send", Yes), (REPLY, hears(&[head(400), end(false)]))];
    scene.goes(&then(pooled.to_vec(), &[("pass", Yes)])).0.expect("an answer");
    assert!(!scene.backend.packet_limit().is_proven(8193));
    assert!(scene.client.notes.take().is_empty());
}
