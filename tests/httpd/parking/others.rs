//! Requests that wait without a thread, with modules that run code or rules of an administrator: mod_lua,
//! mod_perl, mod_security2.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use test_support::ajp::{HoldingPeer, chunk, headers};
use test_support::http::Client;
use test_support::httpd::Httpd;
use test_support::process::wait_for;

use super::company::{ask, threads, twenty};

/// A directory that httpd's children may write to, with a file in it.
fn directory_with(name: &str, text: &str) -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
    fs::write(directory.path().join(name), text).expect("it is ours");
    directory
}

/// Answers all that wait in three pieces, with waits before each.
fn answer_in_pieces(peer: &HoldingPeer, httpd: &Httpd, clients: &[(String, Client)]) {
    for (target, _) in clients {
        peer.send(target, headers(200).header("Content-Type", "text/plain"));
    }
    for piece in ["first ", "second "] {
        clients.iter().rev().for_each(|(target, _)| peer.send(target, chunk(piece)));
        httpd.get("/").expect(404);
    }
    for (target, _) in clients {
        peer.send(target, chunk(target));
        peer.end(target);
    }
}

/// Each of twenty requests is answered in capitals, and its end is logged once with its own URI.
fn each_is_changed_and_logged(httpd: &Httpd, peer: &HoldingPeer, end: &str) {
    let clients = twenty(httpd, peer, "");
    httpd.get("/").expect(404);
    answer_in_pieces(peer, httpd, &clients);
    for (target, mut client) in clients {
        let text = client.response("GET").expect(200).text();
        assert_eq!(text, format!("first second {target}").to_uppercase() + end);
        let line = format!("logged: {target} of {target}");
        let count = || httpd.error_log().matches(&line).count();
        wait_for(&line, || (count() > 0).then_some(()));
        assert_eq!(count(), 1, "{line}");
    }
}

/// A note of the beginning of a request is found at its end; its answer is turned into capitals.
const LUA: &str = r#"
require "apache2"

function begin(r)
    r.notes["mine"] = r.uri
    return apache2.OK
end

function capitals(r)
    coroutine.yield()
    while bucket ~= nil do
        coroutine.yield(string.upper(bucket))
    end
    coroutine.yield("!")
end

function ended(r)
    if r.notes["mine"] then
        r:err("logged: " .. r.uri .. " of " .. r.notes["mine"])
    end
    return apache2.OK
end
"#;

#[test]
fn hooks_and_filters_of_mod_lua_see_a_request_that_waits_as_one() {
    let directory = directory_with("hooks.lua", LUA);
    let file = directory.path().join("hooks.lua");
    let file = file.display();
    for scope in ["once", "request", "conn"] {
        let peer = HoldingPeer::start();
        let httpd = threads(8, &peer)
            .modules(&["lua"])
            .conf(&format!("LuaScope {scope}\nLuaHookFixups \"{file}\" begin"))
            .conf(&format!("LuaHookLog \"{file}\" ended"))
            .conf(&format!("LuaOutputFilter CAPITALS \"{file}\" capitals"))
            .conf("<Location /app>\nSetOutputFilter CAPITALS\n</Location>")
            .start();
        each_is_changed_and_logged(&httpd, &peer, "!");
    }
}

/// The same for mod_perl.
const PERL: &str = r#"
package Ours;
use strict;
use warnings;
use Apache2::RequestRec ();
use Apache2::RequestIO ();
use Apache2::Filter ();
use Apache2::Log ();
use APR::Table ();
use Apache2::Const -compile => qw(OK);

sub begin {
    my $r = shift;
    $r->notes->set(mine => $r->uri);
    return Apache2::Const::OK;
}

sub capitals {
    my $f = shift;
    while ($f->read(my $piece, 1024)) {
        $f->print(uc $piece);
    }
    return Apache2::Const::OK;
}

sub ended {
    my $r = shift;
    $r->log_error("logged: " . $r->uri . " of " . $r->notes->get("mine"));
    return Apache2::Const::OK;
}

1;
"#;

#[test]
fn handlers_and_filters_of_mod_perl_see_a_request_that_waits_as_one() {
    let directory = directory_with("Ours.pm", PERL);
    let peer = HoldingPeer::start();
    // Fewer interpreters than requests that wait: a waiting one has none.
    let httpd = threads(8, &peer)
        .packaged("perl")
        .conf("PerlInterpStart 2\nPerlInterpMax 4")
        .conf(&format!("PerlRequire \"{}\"", directory.path().join("Ours.pm").display()))
        .conf("<Location /app>\nPerlFixupHandler Ours::begin\nPerlLogHandler Ours::ended")
        .conf("PerlOutputFilterHandler Ours::capitals\n</Location>")
        .start();
    each_is_changed_and_logged(&httpd, &peer, "");
}

/// Rules for what a client asks and for what it is answered.
fn rules(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "SecRuleEngine On\nSecRequestBodyAccess On\nSecResponseBodyAccess On\n\
         SecResponseBodyMimeType text/plain\nSecDataDir \"{directory}\"\nSecTmpDir \"{directory}\"\n\
         SecAuditEngine On\nSecAuditLog \"{directory}/audit.log\"\nSecAuditLogParts ABZ\n\
         SecRule ARGS \"@contains attack\" \"id:1,phase:2,deny,status:403\"\n\
         SecRule RESPONSE_BODY \"@contains secret\" \"id:2,phase:4,deny,status:406\""
    )
}

#[test]
fn mod_security_looks_at_what_requests_have_waited_for() {
    let directory = directory_with("audit.log", "");
    let peer = HoldingPeer::start();
    let httpd = threads(8, &peer)
        .modules(&["unique_id"])
        .packaged("security2")
        .conf(&rules(directory.path()))
        .start();
    httpd.get("/app/x?a=attack").expect(403);

    let clients = twenty(&httpd, &peer, "");
    let mut with_body = httpd.client();
    with_body.send("POST /app/body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    peer.wait_for_held(21);
    peer.answer("/app/body");
    with_body.response("POST").expect(200);
    httpd.get("/").expect(404);
    answer_in_pieces(&peer, &httpd, &clients);
    for (target, mut client) in clients {
        assert_eq!(client.response("GET").expect(200).text(), format!("first second {target}"));
    }

    let mut client = ask(&httpd, "/app/hidden", "");
    peer.wait_for_held(1);
    peer.send("/app/hidden", headers(200).header("Content-Type", "text/plain"));
    peer.send("/app/hidden", chunk("sec"));
    peer.send("/app/hidden", chunk("ret"));
    peer.end("/app/hidden");
    client.response("GET").expect(406);

    let audit = || fs::read_to_string(directory.path().join("audit.log")).unwrap_or_default();
    let entries = || audit().matches(" /app/").count();
    wait_for("each is in the audit log", || (entries() == 23).then_some(()));
}
