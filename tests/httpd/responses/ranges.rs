//! Ranges: a backend's 200 stays 200, however it arrives, even if the client asked for a range. From a
//! cache or a file of its own, httpd serves ranges.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use test_support::ajp::request::forward_request;
use test_support::ajp::{
    ForwardRequest, Packet, PeerConnection, ScriptedPeer, chunk, end_response,
};
use test_support::ajp::{flush, headers};
use test_support::filters;
use test_support::front::Signal;
use test_support::http::Response;
use test_support::httpd::{Httpd, Setup};

/// Eleven bytes, without a line end.
const PAGE: &str = "0123456789x";

/// All requests for a range of [`PAGE`], and for one of the answer with its validator.
const RANGES: [&str; 6] = [
    "Range: bytes=0-4\r\n",
    "Range: bytes=-3\r\n",
    "Range: bytes=0-1,4-5\r\n",
    "Range: bytes=0-4\r\nIf-Range: \"one\"\r\n",
    "Range: bytes=2-3,7-8\r\nIf-Range: \"one\"\r\n",
    "Range: bytes=99-\r\n",
];

/// A backend that knows nothing of ranges. If the path has `two`, its response comes in two parts: the
/// end when the signal is given.
fn without_ranges(go_on: &Signal) -> ScriptedPeer {
    let go_on = go_on.clone();
    ScriptedPeer::start(move |conn| {
        let mut ends = 0;
        while let Some(payload) = conn.read_packet()? {
            let request = forward_request(&payload)?;
            let head = headers(200)
                .header("Content-Length", PAGE.len().to_string())
                .header("Content-Type", "text/plain")
                .header("ETag", "\"one\"");
            let start = [head.into_bytes(), chunk(PAGE)].concat();
            if request.uri.ends_with("two") {
                conn.send([start, flush()].concat())?;
                ends += 1;
                go_on.wait_for(ends);
                conn.send(end_response())?;
            } else {
                conn.send([start, end_response().into_bytes()].concat())?;
            }
        }
        Ok(())
    })
}

/// `GET path` with these headers; a response in two parts gets its second part once the first has
/// arrived.
fn get(httpd: &Httpd, path: &str, more: &str, go_on: &Signal) -> Response {
    let mut client = httpd.client();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n"));
    if path.ends_with("two") {
        assert!(!client.ends(), "the first part has come");
        go_on.give();
    }
    client.response("GET")
}

fn front(peer: &ScriptedPeer) -> Setup {
    Httpd::setup().conf(&format!("ProxyPass /app ajp://127.0.0.1:{}/app", peer.port()))
}

#[test]
fn a_whole_response_stays_whole_however_it_arrives() {
    let go_on = Signal::new();
    let peer = without_ranges(&go_on);
    let httpd = front(&peer).start();
    for range in RANGES {
        for path in ["/app/two", "/app/one"] {
            let answer = get(&httpd, path, range, &go_on).expect(200);

            assert_eq!(answer.text(), PAGE, "{path} {range}");
            assert_eq!(answer.header("Content-Range"), None, "{path} {range}");
            assert_eq!(answer.header("Content-Length"), Some("11"), "{path} {range}");
        }
    }
}

#[test]
fn a_response_that_a_filter_collects_stays_whole_too() {
    let go_on = Signal::new();
    let peer = without_ranges(&go_on);
    // It keeps the last line, which has no line end, until the response has ended.
    let httpd = front(&peer)
        .modules(&["substitute"])
        .conf("AddOutputFilterByType SUBSTITUTE text/plain\nSubstitute s/x/y/")
        .start();
    for range in RANGES {
        for path in ["/app/two", "/app/one"] {
            let answer = get(&httpd, path, range, &go_on).expect(200);
            assert_eq!(answer.text(), "0123456789y", "{path} {range}");
        }
    }
}

#[test]
fn an_http_2_client_gets_the_same_whole_responses() {
    let peer = without_ranges(&Signal::new());
    let httpd = front(&peer).modules(&["http2"]).conf("Protocols h2c http/1.1").start();
    let arguments = ["--http2-prior-knowledge", "--range", "0-4", "--write-out", " %{http_code}"];

    assert_eq!(httpd.curl(&arguments, "http", "/app/one"), format!("{PAGE} 200"));
}

#[test]
fn a_backend_s_own_ranges_are_passed_on() {
    let peer = ScriptedPeer::start(|conn| {
        while conn.read_packet()?.is_some() {
            let head = headers(206).header("Content-Range", "bytes 3-5/11");
            conn.send([head.into_bytes(), chunk("345"), end_response().into_bytes()].concat())?;
        }
        Ok(())
    });
    let httpd = front(&peer).start();

    let answer = httpd.request("GET", "/app/x", "Range: bytes=3-5\r\n").expect(206);

    assert_eq!(
        (answer.text().as_str(), answer.header("Content-Range")),
        ("345", Some("bytes 3-5/11"))
    );
    assert_eq!(
        peer.last_request().and_then(|r| r.header("range").map(str::to_owned)),
        Some("bytes=3-5".into())
    );
}

/// Answers with [`PAGE`] for the cache to keep, and with 304 if the cache has it, unless the path has
/// `changed`: the container does not know ranges.
fn to_be_cached(
    conn: &mut PeerConnection,
    go_on: &Signal,
    requests: &AtomicUsize,
) -> std::io::Result<()> {
    while let Some(payload) = conn.read_packet()? {
        requests.fetch_add(1, SeqCst);
        let request: ForwardRequest = forward_request(&payload)?;
        let end = end_response().into_bytes();
        let head = |status| {
            headers(status).header("Cache-Control", "max-age=600").header("ETag", "\"one\"")
        };
        let has_it = request.header("if-none-match").is_some();
        if has_it && !request.uri.contains("changed") {
            conn.send([head(304).into_bytes(), end].concat())?;
            continue;
        }
        // Without a length the client gets it no sooner than the cache.
        let head = head(200).header("Content-Type", "text/plain");
        let start = [head.into_bytes(), chunk(PAGE)].concat();
        if request.uri.ends_with("two") {
            conn.send([start, flush()].concat())?;
            go_on.wait();
            conn.send(end)?;
        } else {
            conn.send([start, end].concat())?;
        }
    }
    Ok(())
}

/// An httpd with mod_cache_disk, in front of a backend with pages to be cached.
struct Cache {
    httpd: Httpd,
    peer: ScriptedPeer,
    /// The number of requests that have reached the backend.
    requests: Arc<AtomicUsize>,
    go_on: Signal,
    _root: tempfile::TempDir,
}

fn cache(more: &str) -> Cache {
    let requests = Arc::new(AtomicUsize::new(0));
    let (count, go_on) = (Arc::clone(&requests), Signal::new());
    go_on.give();
    let signal = go_on.clone();
    let peer = ScriptedPeer::start(move |conn| to_be_cached(conn, &signal, &count));
    let root = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
    let httpd = front(&peer)
        .modules(&["cache", "cache_disk"])
        .conf(&format!("CacheRoot \"{}\"\nCacheEnable disk /app\n{more}", root.path().display()))
        .start();
    Cache { httpd, peer, requests, go_on, _root: root }
}

#[test]
fn a_cache_serves_ranges_of_its_pages() {
    let Cache { httpd, requests, go_on, .. } = &cache("CacheQuickHandler on");
    let first = "Range: bytes=2-4\r\n";
    for path in ["/app/one", "/app/two"] {
        let before = requests.load(SeqCst);
        let asked = || requests.load(SeqCst) - before;
        // The backend's own answer, which the cache keeps.
        let whole = get(httpd, path, first, go_on).expect(200);
        assert_eq!((whole.text().as_str(), asked()), (PAGE, 1), "{path}");

        let part = httpd.request("GET", path, first).expect(206);
        assert_eq!((part.text().as_str(), asked()), ("234", 1), "{path}");
        assert_eq!(part.header("Content-Range"), Some("bytes 2-4/11"));
        let several = httpd.request("GET", path, "Range: bytes=0-1,4-5\r\n").expect(206);
        let kind = several.header("Content-Type").unwrap_or_default().to_owned();
        assert!(kind.starts_with("multipart/byteranges"), "{kind}");
        let same = format!("{first}If-Range: \"one\"\r\n");
        assert_eq!(httpd.request("GET", path, &same).expect(206).text(), "234");
        assert_eq!(asked(), 1, "{path}");

        // A changed page is asked for, and our 304 is answered from the cache.
        let other = format!("{first}If-Range: \"two\"\r\n");
        assert_eq!(httpd.request("GET", path, &other).expect(200).text(), PAGE);
        assert_eq!(asked(), 2, "{path}");
        let again = format!("{first}Cache-Control: max-age=0\r\n");
        let part = httpd.request("GET", path, &again).expect(206);
        assert_eq!((part.text().as_str(), asked()), ("234", 3), "{path}");
    }
}

#[test]
fn a_page_that_a_cache_finds_changed_stays_whole_however_it_arrives() {
    let Cache { httpd, peer, requests, .. } = &cache("");
    for path in ["/app/changed/one", "/app/changed/two"] {
        httpd.get(path).expect(200);
        let again = "Range: bytes=2-4\r\nCache-Control: max-age=0\r\n";
        let answer = httpd.request("GET", path, again).expect(200);
        assert_eq!(answer.text(), PAGE, "{path}");
    }
    // The cache asked without the range, to get all of it.
    assert_eq!(requests.load(SeqCst), 4);
    assert_eq!(peer.last_request().and_then(|r| r.header("range").map(str::to_owned)), None);
}

#[test]
fn a_file_that_a_filter_sends_in_place_of_the_response_is_served_in_ranges() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let file = directory.path().join("file.txt");
    fs::write(&file, "the file itself").expect("it is ours");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let name = file.to_str().expect("text").to_owned();
    let peer = ScriptedPeer::start(move |conn| {
        while conn.read_packet()?.is_some() {
            let head = headers(200).header("X-Sendfile", &name);
            conn.send([head.into_bytes(), chunk("unseen"), end_response().into_bytes()].concat())?;
        }
        Ok(())
    });
    let httpd = front(&peer).conf(&filters::load()).conf("SetOutputFilter SENDFILE").start();

    assert_eq!(httpd.get("/app/x").expect(200).text(), "the file itself");
    let part = httpd.request("GET", "/app/x", "Range: bytes=4-7\r\n").expect(206);
    assert_eq!(part.text(), "file");
}

#[test]
fn error_pages_of_httpd_are_the_same_as_without_a_backend() {
    let peer = ScriptedPeer::start(|conn| {
        conn.expect_forward_request()?;
        conn.send(
            [headers(404).into_bytes(), chunk("theirs"), end_response().into_bytes()].concat(),
        )
    });
    let dead = ScriptedPeer::start(|conn| conn.expect_forward_request().map(|_| ()));
    let httpd = front(&peer)
        .conf(&format!("ProxyPass /dead ajp://127.0.0.1:{}/dead", dead.port()))
        .conf("ProxyErrorOverride On\nErrorDocument 404 /error.html\nErrorDocument 502 /error.html")
        .start();
    fs::write(httpd.root().join("htdocs/error.html"), "our own page").expect("it is ours");
    let ask = |path: &str| {
        let answer = httpd.request("GET", path, "Range: bytes=4-6\r\n");
        (answer.text(), answer.header("Content-Range").map(str::to_owned))
    };
    let own = ask("/not-here");

    assert_eq!(ask("/app/x"), own);
    assert_eq!(ask("/dead/x"), own);
}
