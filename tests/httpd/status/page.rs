//! The page as a browser uses it: its forms ask before they take something away, its notice names the
//! member, and its parameters are in the URL.

use test_support::http::Response;
use test_support::httpd::Httpd;
use test_support::members::{balancer, named, prefork};
use test_support::process::free_port;
use test_support::status::{nonce, order, post, with_status};

use super::Two;

/// The value of a field in a form.
#[track_caller]
fn value<'p>(form: &'p str, name: &str) -> &'p str {
    let (_, rest) = form.split_once(&format!("name=\"{name}\" value=\"")).expect("a field");
    rest.split('"').next().expect("it ends")
}

/// The body that a browser sends for a button of this form.
fn body(form: &str, action: &str) -> String {
    let encoded = |name| value(form, name).replace(':', "%3A").replace('/', "%2F");
    let confirm = match form.contains("name=\"confirm\"") {
        true => format!("&confirm={}", value(form, "confirm")),
        false => String::new(),
    };
    format!(
        "nonce={}&from={}{confirm}&member={}&balancer={}&action={action}",
        value(form, "nonce"),
        value(form, "from"),
        encoded("member"),
        encoded("balancer")
    )
}

/// The form of the page for the member at this port.
#[track_caller]
fn form_of(page: &str, port: u16) -> &str {
    let form = page.split("<form").find(|form| form.contains(&format!(":{port}\"")));
    form.and_then(|form| form.split("</form>").next()).expect("it has orders")
}

/// The page to which an answer leads.
#[track_caller]
fn followed(httpd: &Httpd, answer: &Response) -> String {
    let target = answer.header("Location").expect("somewhere");
    let path = target.find("/ajp-status").map(|at| &target[at..]).expect("the page");
    httpd.get(path).expect(200).text()
}

#[test]
fn the_page_s_buttons_ask_do_what_they_say_and_return_to_the_page() {
    let two = Two::start(prefork(4));
    let (httpd, port) = (&two.httpd, two.a.port());
    let page = httpd.get("/ajp-status").expect(200).text();
    let form = form_of(&page, port);
    for (action, text) in [("drain", "Drain"), ("stop", "Stop")] {
        let button = format!("value=\"{action}\" aria-label=\"{text}: a of balancer://members\"");
        assert!(form.contains(&button), "{button} in {form}");
    }
    assert!(!form.contains("Activate") && !form.contains("Recover"), "{form}");

    let question = post(&mut httpd.client(), "", &body(form, "drain")).expect(200).text();
    assert!(question.contains("<h1>Drain a?</h1>"), "{question}");
    assert!(question.contains(&format!("127.0.0.1:{port}<")), "{question}");
    assert!(!question.contains(&format!("127.0.0.1:{}<", two.b.port())), "{question}");
    assert_eq!(two.activation(port), "active");
    assert!(!httpd.error_log().contains("ajp-status: drain"));

    let form = question.split("<form").nth(1).expect("a form");
    let answer = post(&mut httpd.client(), "", &body(form, "drain")).expect(303);
    let target = answer.header("Location").expect("somewhere");
    assert!(target.contains("/ajp-status?done=drain&count=1&refused=0&at="), "{target}");
    let page = followed(httpd, &answer);
    let notice = format!("<b>Drain</b>: balancer://members ajp://127.0.0.1:{port}: done.");
    assert!(page.contains("draining, no new sessions") && page.contains(&notice), "{page}");
    assert_eq!(two.activation(port), "draining");
    assert!(!form_of(&page, port).contains("Drain"), "it drains already");
    // What the page links to, and so what it is loaded from again, has no notice.
    assert!(!page.contains("done=drain"), "{page}");

    let answer = post(&mut httpd.client(), "", &body(form_of(&page, port), "activate"));
    let page = followed(httpd, &answer.expect(303));
    assert!(page.contains("<b>Activate</b>: "), "{page}");
    assert_eq!(two.activation(port), "active");
}

#[test]
fn an_order_for_all_members_shows_them_all_before_it_is_done() {
    let two = Two::start(prefork(4));
    let httpd = &two.httpd;
    let form = format!("action=stop&member=*&balancer=members&from=page&nonce={}", nonce(httpd));
    let question = post(&mut httpd.client(), "", &form).expect(200).text();
    for port in [two.a.port(), two.b.port()] {
        assert!(question.contains(&format!("127.0.0.1:{port}<")), "{question}");
        assert_eq!(two.activation(port), "active");
    }
    assert!(question.contains("No member of balancer://members takes new sessions then"));
    // One of them was not there when the question was asked.
    let again = post(&mut httpd.client(), "", &format!("{form}&confirm=1")).expect(200).text();
    assert!(again.contains("Members have been added or removed"), "{again}");
    assert_eq!(two.activation(two.a.port()), "active");
    let done = post(&mut httpd.client(), "", &format!("{form}&confirm=2")).expect(303);
    assert!(followed(httpd, &done).contains("members of balancer://members: done for 2."));
    let page = httpd.get("/ajp-status").expect(200).text();
    assert!(page.contains("<title>OUTAGE: "), "{page}");
    // Nobody is asked who may not send the order anyway, and nothing is shown.
    let without = form.split("&nonce").next().expect("a form");
    post(&mut httpd.client(), "", without).expect(403);
}

#[test]
fn the_question_and_the_page_after_it_keep_the_view_that_the_form_was_sent_from() {
    let two = Two::start(prefork(4));
    let httpd = &two.httpd;
    let form = format!("action=reset&member=a&from=page&nonce={}", nonce(httpd));
    let send = |form: &str| {
        let headers = format!(
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            form.len()
        );
        let path = "/ajp-status?sort=rate&refresh=30&x=%0d%0a";
        httpd.client().request("POST", path, &headers, form.as_bytes())
    };
    two.clients.iter().for_each(|_| drop(httpd.get("/app/x").expect(200)));
    let question = send(&form).expect(200).text();
    assert!(question.contains("action=\"?sort=rate&#38;refresh=30\""), "{question}");
    let done = send(&format!("{form}&confirm=1")).expect(303);
    let target = done.header("Location").expect("somewhere");
    assert!(target.contains("/ajp-status?sort=rate&refresh=30&done=reset&"), "{target}");
}

#[test]
fn the_page_is_under_its_policy_refreshes_by_a_header_and_has_the_server_s_name() {
    let a = named("a");
    let lines = [format!("ajp://127.0.0.1:{} route=a", a.port())];
    let setup = prefork(2).conf("UseCanonicalName Off\nServerName shop.example");
    let httpd = with_status(balancer(setup, &lines)).start();
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
    let queries = ["", "?help", "?show=failing&sort=rate&refresh=5&done=drain&at=1"];
    let pages = queries.map(|query| {
        let mut client = httpd.client();
        client.send(format!("GET /ajp-status{query} HTTP/1.1\r\nHost: tunnel.example\r\n\r\n"));
        client.response("GET").expect(200)
    });
    for page in &pages {
        assert_eq!(page.header("Content-Security-Policy"), Some(policy));
        assert_eq!(page.header("Cache-Control"), Some("no-store"));
        let text = page.text();
        assert!(!text.contains("<script") && !text.contains("tunnel.example"), "{text}");
        assert!(text.contains("AJP workers of shop.example"), "{text}");
    }
    assert_eq!(pages[0].header("Refresh"), None);
    let refresh = Some("5;url=?show=failing&sort=rate&refresh=5");
    assert_eq!(pages[2].header("Refresh"), refresh);
    let json = httpd.get("/ajp-status?format=json&refresh=5").expect(200);
    assert_eq!(json.header("Refresh"), None, "a script asks again when it wants to");
}

#[test]
fn a_single_dead_backend_and_a_balancer_that_is_drained_are_an_outage() {
    let a = named("a");
    let lines = [format!("ajp://127.0.0.1:{} route=a", a.port())];
    let down = format!("ajp://127.0.0.1:{}/down", free_port());
    let setup = prefork(2).conf(&format!("ProxyPass /down {down}"));
    let httpd = with_status(balancer(setup, &lines)).start();
    let page = || httpd.get("/ajp-status").expect(200).text();
    assert!(page().contains("<title>all well: "), "{}", page());
    for _ in 0..3 {
        httpd.get("/down/x").expect(503);
    }
    let dead = page();
    assert!(dead.contains("<title>OUTAGE: ") && dead.contains("<body class=\"bad\">"), "{dead}");
    assert!(dead.contains(&format!("<span>{down}: failing for ")), "{dead}");
    assert!(dead.contains("ago: connection refused</span>"), "{dead}");
    assert!(!dead.contains("balancer://members: "), "{dead}");

    order(&httpd, "drain", "a");
    let drained = page();
    assert!(
        drained.contains("<span>balancer://members: no member takes new sessions"),
        "{drained}"
    );
}
