//! The page, of the snapshot that all outputs are tested with, and of larger ones.

use super::*;
use crate::balance::Activation;
use crate::stats::{ErrorDetail, ErrorReason, LastError};
use crate::status::tests::{shown_by, snapshot};
use crate::status::{Balancer, State};

const NONCE: [u8; 16] = [7; 16];

fn shown(snapshot: &Snapshot, nonce: Option<&Nonce>, query: &str) -> String {
    shown_by(|out| page(snapshot, nonce, query.as_bytes(), out).unwrap())
}

/// The titles of the rows of members, from the top.
fn titles(page: &str) -> Vec<&str> {
    let links = page.split("<th scope=\"row\"><a href=\"").skip(1);
    let members = links.filter(|link| link.contains("class=\"text long\""));
    members
        .filter_map(|link| link.split_once("\">")?.1.split_once("</a>"))
        .map(|(t, _)| t)
        .collect()
}

fn title(page: &str) -> &str {
    page.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0
}

/// A balancer of members with these names, activations and states.
fn balancer(name: &str, members: &[(&str, Activation, State)]) -> Balancer {
    let member = |(route, activation, state): &(&str, Activation, State)| Member {
        balancer: Some(name.into()),
        url: format!("ajp://{route}.example:8009"),
        route: Some((*route).into()),
        activation: *activation,
        state: *state,
        ..Member::default()
    };
    let members = members.iter().map(member).collect();
    Balancer { name: name.into(), members, ..Balancer::default() }
}

fn of(balancers: Vec<Balancer>) -> Snapshot {
    Snapshot { server_name: "shop.example".into(), balancers, ..Snapshot::default() }
}

use Activation::{Active, Draining, Stopped};

#[test]
fn the_page_escapes_what_it_shows_loads_nothing_and_has_orders_only_with_a_nonce() {
    let nonce = Nonce::new(NONCE);
    let card = "card=balancer%3A%2F%2Fapp+ajp%3A%2F%2F10.0.0.1%3A8009";
    let with = shown(&snapshot(), Some(&nonce), card);
    let without = shown(&snapshot(), None, &format!("{card}&find=<script>\"'&done=<script>"));
    let without_filter = shown(&snapshot(), None, card);
    for page in [&with, &without, &without_filter] {
        for banned in ["<script", "http://", "https://", "<link", "url(", "src=", "onclick"] {
            assert!(!page.contains(banned), "{banned} in {page}");
        }
        assert!(!page.contains("http-equiv"));
    }
    for page in [&with, &without_filter] {
        assert!(page.contains("node&#60;1&#62;&#34;") && !page.contains("node<1>"), "{page}");
        assert!(page.contains("draining, no new sessions; in error, next retry in 5 s"));
        assert!(page.contains(">2</b> of 3 usable, <b class=\"alarm\">2</b> take new"), "{page}");
        assert!(page.contains("mod_proxy_ajp_rs 0.") && page.contains("on shop.example"));
        assert!(page.contains("<a href=\"?help\">Help</a>"));
    }
    assert!(without.contains("value=\"&#60;script&#62;&#34;&#39;\""), "{without}");
    assert!(with.contains(nonce.as_str()) && with.contains("method=\"post\""));
    assert!(!without_filter.contains("method=\"post\"") && !without_filter.contains("Orders"));
    assert!(with.len() < 40_000, "{}", with.len());
}

#[test]
fn the_failing_members_come_first_then_the_stopped_and_the_draining_ones() {
    let shop = balancer(
        "shop",
        &[
            ("a", Active, State::Ok),
            ("b", Draining, State::Ok),
            ("c", Active, State::Error),
            ("d", Stopped, State::Ok),
            ("e", Active, State::HealthCheckFailed),
        ],
    );
    let snapshot = of(vec![shop]);
    assert_eq!(titles(&shown(&snapshot, None, "")), ["c", "e", "d", "b", "a"]);
    assert_eq!(titles(&shown(&snapshot, None, "sort=member")), ["a", "b", "c", "d", "e"]);
    assert_eq!(titles(&shown(&snapshot, None, "show=failing")), ["c", "e"]);
    assert_eq!(titles(&shown(&snapshot, None, "show=draining")), ["b"]);
    assert_eq!(titles(&shown(&snapshot, None, "find=D.Example")), ["d"]);
    assert_eq!(titles(&shown(&snapshot, None, "show=bad&sort=bad")).len(), 5);
    let none = shown(&snapshot, None, "find=nobody");
    assert!(none.contains("no such member") && none.contains("0 of 5 members"), "{none}");
    assert_eq!(titles(&shown(&snapshot, None, "balancer=shop")).len(), 5);
    assert!(titles(&shown(&snapshot, None, "balancer=sho")).is_empty());
}

#[test]
fn members_are_sorted_by_what_a_column_counts() {
    let mut shop = balancer("shop", &[("a", Active, State::Ok), ("b", Active, State::Ok)]);
    let b = &mut shop.members[1];
    b.busy = 3;
    b.figures.requests = 9;
    b.figures.errors[0] = 1;
    b.figures.duration.buckets[4] = 1;
    b.activity.rate = 2.0;
    b.activity.of_sessions = 7;
    b.activity.since_last = Some(std::time::Duration::from_secs(5));
    let snapshot = of(vec![shop]);
    for sort in ["busy", "rate", "requests", "errors", "p95", "last", "sessions"] {
        let page = shown(&snapshot, None, &format!("sort={sort}"));
        assert_eq!(titles(&page), ["b", "a"], "{sort}");
        assert_eq!(page.matches("aria-sort=\"descending\"").count(), 1, "{sort}");
        let kept = format!("<input type=\"hidden\" name=\"sort\" value=\"{sort}\">");
        assert!(page.contains(&kept), "the filter keeps the order");
    }
}

#[test]
fn title_and_colour_are_those_of_an_outage_if_no_member_takes_new_sessions() {
    let ok = ("a", Active, State::Ok);
    let page = |members: &[_]| shown(&of(vec![balancer("shop", members)]), None, "");
    let good = page(&[ok]);
    assert_eq!(title(&good), "all well: AJP workers of shop.example");
    assert!(good.contains("<body class=\"good\">"));
    let some = page(&[ok, ("b", Active, State::Error), ("c", Draining, State::Ok)]);
    assert_eq!(title(&some), "1 failing, 1 draining of 3: AJP workers of shop.example");
    assert!(some.contains("<body class=\"drain\">"));
    for state in
        [("b", Draining, State::Ok), ("b", Stopped, State::Ok), ("b", Active, State::Error)]
    {
        let out = page(&[("a", Draining, State::Ok), state]);
        assert_eq!(title(&out), "OUTAGE: AJP workers of shop.example");
        assert!(out.contains("<body class=\"bad\">"));
        assert!(out.contains("balancer://shop: no member takes new sessions"), "{out}");
    }
    let many = (0..5).map(|at| balancer(&format!("b{at}"), &[("a", Stopped, State::Ok)]));
    let many = shown(&of(many.collect()), None, "");
    assert!(many.contains("2 more like these") && !many.contains("b3: no member"), "{many}");
}

#[test]
fn a_worker_that_answers_nobody_is_an_outage_and_a_member_that_fails_comes_first() {
    let failing = |member: &mut Member| {
        member.failing_since_ms = Some(1_700_000_000_000);
        member.last_error = Some(LastError {
            ago: std::time::Duration::from_secs(12),
            reason: ErrorReason::Connect,
            detail: ErrorDetail(111),
        });
    };
    let mut alone = snapshot();
    alone.balancers.clear();
    alone.workers[0].failing_since_ms = None;
    let well = shown(&alone, None, "");
    assert_eq!(title(&well), "all well: AJP workers of shop.example");
    failing(&mut alone.workers[0]);
    let page = shown(&alone, None, "");
    assert_eq!(title(&page), "OUTAGE: AJP workers of shop.example");
    let text =
        "ajp://10.0.0.3:8009/x: failing for 100 s, last error 12 s ago: connection refused</span>";
    assert!(page.contains(text) && page.contains("<body class=\"bad\">"), "{page}");
    let help = format!("<small title=\"{}\">for 100 s, last", ErrorReason::Connect.help());
    assert!(page.contains(&help) && page.contains("<tr class=\"bad\""), "{page}");
    let card = shown(&alone, None, "card=ajp%3A%2F%2F10.0.0.3%3A8009%2Fx");
    assert!(card.contains("<dd>12 s ago: connection refused (connect)</dd>"), "{card}");
    assert!(card.contains("failing for 100 s: since then no attempt has been answered"), "{card}");
    // An answer ends it, and the last error is still in the card.
    alone.workers[0].failing_since_ms = None;
    assert_eq!(title(&shown(&alone, None, "")), title(&well));
    let card = shown(&alone, None, "card=ajp%3A%2F%2F10.0.0.3%3A8009%2Fx");
    assert!(
        card.contains("<dd>12 s ago: connection refused (connect)")
            && !card.contains("failing for"),
        "{card}"
    );

    let two = [("a", Active, State::Ok), ("b", Active, State::Ok)];
    let mut pair = of(vec![balancer("shop", &two)]);
    failing(&mut pair.balancers[0].members[1]);
    let page = shown(&pair, None, "");
    assert_eq!(titles(&page), ["b", "a"]);
    assert!(title(&page).starts_with("1 failing of 2: "), "{page}");
    failing(&mut pair.balancers[0].members[0]);
    let page = shown(&pair, None, "");
    let text = "balancer://shop: all members that take new sessions are failing";
    assert!(title(&page).starts_with("OUTAGE: ") && page.contains(text), "{page}");
}

#[test]
fn a_link_on_a_member_opens_its_card_and_the_same_link_closes_it() {
    let snapshot = snapshot();
    let closed = shown(&snapshot, None, "sort=rate");
    assert!(!closed.contains("<article"));
    let card = "card=balancer%3A%2F%2Fapp+ajp%3A%2F%2F10.0.0.2%3A8009";
    assert!(closed.contains(&format!("href=\"?sort=rate&#38;{card}#m1\"")), "{closed}");
    let open = shown(&snapshot, None, &format!("sort=rate&{card}"));
    assert_eq!(open.matches("<article").count(), 1);
    assert!(open.contains("href=\"?sort=rate#m1\""), "{open}");
    for fact in ["max 20 connections for each process", "lbset 0", "loadfactor 1"] {
        assert!(open.contains(fact), "{fact} in {open}");
    }
}

#[test]
fn a_row_has_limits_rate_quantiles_the_last_request_and_those_of_sessions() {
    let mut snapshot = snapshot();
    snapshot.balancers[0].members[0].domain = Some("east".into());
    let page = shown(&snapshot, None, "find=10.0.0.1");
    for cell in [
        "data-of=\"max\">20<",
        "data-of=\"per second\">1.5<",
        "data-of=\"requests\">7<",
        "data-of=\"p95\">",
        "data-of=\"last\">2 s ago<",
        "data-of=\"sessions\">4<",
        "data-of=\"lbset\">0<",
        "data-of=\"factor\">1<",
        "data-of=\"domain\">east<",
    ] {
        assert!(page.contains(cell), "{cell} in {page}");
    }
    let all = shown(&snapshot, None, "");
    assert!(all.contains("3 members</th>") && all.contains("data-of=\"last\">never<"), "{all}");
}

#[test]
fn the_page_shows_how_many_requests_are_parked_beside_those_in_flight_if_any_is() {
    let mut snapshot = snapshot();
    // Both members of the balancer.
    let with = shown(&snapshot, None, "");
    assert!(with.contains("<b>4</b> requests in flight (2 parked)</li>"), "{with}");
    assert!(with.contains("<b>2</b> (1 parked)</td>"), "{with}");
    snapshot.balancers[0].members.iter_mut().for_each(|member| member.parked = 0);
    let without = shown(&snapshot, None, "");
    assert!(
        without.contains("requests in flight</li>") && !without.contains("parked"),
        "{without}"
    );
}

#[test]
fn a_long_list_comes_in_parts_and_each_knows_the_next() {
    let names: Vec<String> = (0..250).map(|at| format!("n{at:03}")).collect();
    let members: Vec<_> = names.iter().map(|name| (&**name, Active, State::Ok)).collect();
    let snapshot = of(vec![balancer("shop", &members)]);
    let first = shown(&snapshot, None, "");
    assert_eq!(titles(&first).len(), 100);
    assert!(first.contains("page 1 of 3") && first.contains("href=\"?page=2\""), "{first}");
    assert!(first.contains("all 250 members take requests") && first.contains("250 members</th>"));
    let last = shown(&snapshot, None, "page=3");
    assert_eq!(titles(&last), &names[200..]);
    assert!(last.contains("href=\"?page=2\"") && !last.contains("page=4"));
    // Behind the end: the last one.
    assert_eq!(titles(&shown(&snapshot, None, "page=99")), &names[200..]);
    assert_eq!(titles(&shown(&snapshot, None, "page=99999999999999999999999")), &names[..100]);
    assert!(!shown(&snapshot, None, "find=n00").contains("page 1"));
}

#[test]
fn the_notice_names_the_member_and_is_gone_a_moment_later() {
    let mut snapshot = snapshot();
    let now = snapshot.now_ms;
    let name = "balancer%3A%2F%2Fapp+ajp%3A%2F%2F10.0.0.2%3A8009";
    let query = format!("done=drain&count=1&refused=0&at={now}&of={name}");
    let notice = "<b>Drain</b>: balancer://app ajp://10.0.0.2:8009: done.</p>";
    assert!(shown(&snapshot, None, &query).contains(notice));
    // The links of the page and its refresh do not keep it.
    assert!(!shown(&snapshot, None, &query).contains("done=drain"));
    assert_eq!(
        refresh(format!("{query}&refresh=5").as_bytes()).as_deref(),
        Some("5;url=?refresh=5")
    );
    snapshot.now_ms = now + 10_001;
    assert!(!shown(&snapshot, None, &query).contains("notice\""));
    snapshot.now_ms = now;
    for query in ["done=drain&count=1", "done=halt&count=1&at=1700000100000", "at=1700000100000"] {
        assert!(!shown(&snapshot, None, query).contains("notice\""), "{query}");
    }
    let query = format!(
        "done=recover&count=1&note=health_check&refused=1&reason=no_balancer&at={now}\
         &of=balancer%3A%2F%2Fapp"
    );
    let text = "<b>Recover</b>: members of balancer://app: done for 1, but it failed its health check, \
                and comes back only when it passes one; refused for 1, it is not in a balancer.";
    let page = shown(&snapshot, None, &query);
    assert!(page.contains(text), "{page}");
    // A name of anybody's making is not repeated.
    let query = format!("done=reset&count=1&refused=0&at={now}&of=call+0123");
    let page = shown(&snapshot, None, &query);
    assert!(page.contains("<b>Reset counters</b>: one member: done.") && !page.contains("0123"));
}

#[test]
fn a_form_returns_to_the_view_that_it_was_sent_from() {
    let order = Order::parse(b"action=reset&member=*&balancer=app&from=page").unwrap();
    let done = |balancer: &str, url: &str| Done {
        balancer: Some(balancer.into()),
        url: url.into(),
        action: order.action,
        refused: None,
        note: None,
    };
    let one = [done("app", "ajp://a")];
    let view = b"sort=rate&x=y&done=stop&at=1";
    assert_eq!(
        outcome(view, &order, &one, 5),
        "?sort=rate&done=reset&count=1&refused=0&at=5&of=balancer%3A%2F%2Fapp+ajp%3A%2F%2Fa"
    );
    let two = [done("app", "ajp://a"), done("app", "ajp://b")];
    let query = outcome(b"", &order, &two, 5);
    assert_eq!(query, "?done=reset&count=2&refused=0&at=5&of=balancer%3A%2F%2Fapp");
    let others = [done("app", "ajp://a"), done("b", "ajp://b")];
    assert_eq!(outcome(b"", &order, &others, 5), "?done=reset&count=2&refused=0&at=5");
}

#[test]
fn the_refresh_is_a_number_of_seconds_between_one_and_an_hour() {
    for query in
        ["", "refresh=", "refresh=0", "refresh=3601", "refresh=x", "refresh=5;url=http://x"]
    {
        assert_eq!(refresh(query.as_bytes()), None, "{query}");
    }
    let url = refresh(b"refresh=60&find=a%0d%0ab&show=failing");
    assert_eq!(url.as_deref(), Some("60;url=?find=a%0D%0Ab&show=failing&refresh=60"));
    let page = shown(&snapshot(), None, "refresh=7");
    assert!(page.contains("<option value=\"7\" selected>7 s</option>"), "{page}");
    assert!(page.contains("<a href=\"?\">Stop the refresh</a>"));
}

#[test]
fn only_a_form_of_the_page_that_takes_something_away_is_asked_about() {
    let asks = |form: &str, members| asks_first(&Order::parse(form.as_bytes()).unwrap(), members);
    for action in ["drain", "stop", "reset"] {
        let form = format!("action={action}&member=a&from=page");
        assert!(asks(&form, 1), "{action}");
        assert!(!asks(&format!("{form}&confirm=1"), 1), "{action}");
        assert!(asks(&format!("{form}&confirm=1"), 2), "another one has come");
        assert!(asks(&format!("{form}&confirm=yes"), 1));
        assert!(!asks(&format!("action={action}&member=a"), 1), "a script");
    }
    for action in ["activate", "recover"] {
        assert!(!asks(&format!("action={action}&member=a&from=page"), 1), "{action}");
    }
    assert!(!asks("cmd=reset&w=app&sw=*&mime=prop", 1));
}

#[test]
fn the_question_shows_the_members_concerned_and_what_would_be_left() {
    let shop = [("a", Active, State::Ok), ("b", Active, State::Ok), ("c", Draining, State::Ok)];
    let mut snapshot = of(vec![balancer("shop", &shop), balancer("<b>", &shop)]);
    snapshot.balancers[0].members[0].busy = 5;
    let nonce = Nonce::new(NONCE);
    let asked = |form: &str| {
        let order = Order::parse(form.as_bytes()).unwrap();
        shown_by(|out| confirmation(&snapshot, &order, &nonce, b"sort=rate", out).unwrap())
    };
    let one = asked("action=stop&member=ajp://a.example:8009&balancer=shop&from=page");
    assert_eq!(title(&one), "Stop a?");
    for text in [
        "ajp://a.example:8009",
        "<b>5</b>",
        nonce.as_str(),
        "name=\"confirm\" value=\"1\"",
        "name=\"balancer\" value=\"shop\"",
        "action=\"?sort=rate\"",
        "<button name=\"action\" value=\"stop\">Stop a</button>",
        "<a href=\"?sort=rate\">Cancel</a>",
    ] {
        assert!(one.contains(text), "{text} in {one}");
    }
    assert!(!one.contains("b.example") && !one.contains("503"), "{one}");
    let all = asked("action=drain&member=*&balancer=shop&from=page&confirm=2");
    assert_eq!(title(&all), "Drain 3 members of balancer://shop?");
    assert!(all.contains("No member of balancer://shop takes new sessions then"), "{all}");
    assert!(all.contains("Members have been added or removed"), "{all}");
    // An http:// member is left.
    let mut mixed = snapshot.clone();
    mixed.balancers[0].others_for_new_sessions = 1;
    let order = Order::parse(b"action=drain&member=*&balancer=shop&from=page").unwrap();
    let with_another = shown_by(|out| confirmation(&mixed, &order, &nonce, b"", out).unwrap());
    assert!(!with_another.contains("503"), "{with_another}");
    let reset = asked("action=reset&member=*&balancer=%3Cb%3E&from=page");
    assert_eq!(title(&reset), "Reset the counters of 3 members of balancer://&#60;b&#62;?");
    assert!(!reset.contains("503") && !reset.contains("<b>\""), "{reset}");
}

#[test]
fn the_help_has_every_word_of_the_page_and_no_markup_of_its_source() {
    let help = shown_by(|out| help("<shop>", out).unwrap());
    for word in ["health_check_failed", "broken_off", "evicted", "draining", "session_requests"] {
        assert!(help.contains(&format!("<dt>{word}</dt>")), "{word} in {help}");
    }
    assert!(help.contains("AJP workers of &#60;shop&#62;"), "{help}");
    for markup in ["`", "[", "::", "()"] {
        let (_, body) = help.split_once("<body").unwrap();
        assert!(!body.contains(markup), "{markup} in {body}");
    }
}
