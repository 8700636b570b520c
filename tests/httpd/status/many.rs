//! Two thousand workers: what shows them never holds them as one text.

use std::fs;

use test_support::httpd::{Httpd, Setup};
use test_support::members::prefork;
use test_support::status::{report, with_status};

const BALANCERS: usize = 20;
const MEMBERS: usize = 100;

/// So many members that nothing is sent to.
fn many(mut setup: Setup) -> Httpd {
    for balancer in 0..BALANCERS {
        let members: String = (0..MEMBERS)
            .map(|member| {
                format!("BalancerMember ajp://10.1.{balancer}.{member}:8009 route=r{balancer}-{member}\n")
            })
            .collect();
        setup = setup.conf(&format!(
            "<Proxy balancer://app{balancer}>\n{members}</Proxy>\n\
             ProxyPass /app{balancer} balancer://app{balancer}/app"
        ));
    }
    with_status(setup).start()
}

/// The most memory that the child has had, in bytes.
fn most_memory(httpd: &Httpd) -> usize {
    let [child] = httpd.children()[..] else { panic!("one child: {:?}", httpd.children()) };
    let status = fs::read_to_string(format!("/proc/{child}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kilobytes.expect("a number") * 1024
}

#[test]
fn the_answer_about_2000_workers_is_not_held_as_a_whole() {
    let httpd = many(prefork(1));
    httpd.get("/ajp-status?format=nonce").expect(200);
    let before = most_memory(&httpd);
    let length = |query: &str| httpd.get(&format!("/ajp-status{query}")).expect(200).body.len();
    let lengths = ["", "?format=json", "?mime=prop", "?format=openmetrics"].map(length);
    let grown = most_memory(&httpd) - before;
    assert!(grown < lengths[3], "{grown} bytes more for {lengths:?}");
    let page = httpd.get("/ajp-status").expect(200).text();
    assert!(page.contains("page 1 of 20") && page.contains("all 2000 members"), "{page}");
    assert!(page.len() < lengths[1] / 10, "{} bytes", page.len());
    let report = report(&httpd);
    let balancers = report["balancers"].as_array().expect("a list");
    let members = balancers.iter().map(|one| one["members"].as_array().expect("a list").len());
    assert_eq!(members.sum::<usize>(), BALANCERS * MEMBERS);
}
