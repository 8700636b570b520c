//! Orders that an operator sends to ajp-status.

use mod_proxy_ajp_rs::balance::orders::Action;
use mod_proxy_ajp_rs::status::{Order, Pattern};

/// Checks what becomes of the body of a POST: an order names an action and a member, and written out again it is
/// the same order. The part before the first line end is also a pattern for what follows, and matches as another
/// matcher does.
pub fn check_order(body: &[u8]) {
    if let Ok(order) = Order::parse(body) {
        assert!(!order.member().is_empty(), "an order about no member");
        assert_eq!(order.as_prop, Order::is_for_prop(body));
        let again = Order::parse(&form(&order)).expect("it is an order");
        assert!(again.action == order.action && again.member() == order.member());
        assert!(again.balancer() == order.balancer() && again.nonce == order.nonce);
        assert!(again.confirmed == order.confirmed && again.from_page == order.from_page);
    }
    let text = String::from_utf8_lossy(body);
    if let Some((pattern, name)) = text.split_once('\n') {
        // The other one takes time that grows with the square.
        let (pattern, name) = (short(pattern), short(name));
        let matches = Pattern::new(&pattern).matches(&name);
        assert_eq!(matches, is_match(&folded(&pattern), &folded(&name)), "{pattern:?} {name:?}");
    }
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

fn folded(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Whether the pattern matches the name: for each length of the pattern, which lengths of the name it matches.
fn is_match(pattern: &[char], name: &[char]) -> bool {
    let mut reached: Vec<bool> = (0..=name.len()).map(|length| length == 0).collect();
    for c in pattern {
        reached = (0..=name.len())
            .map(|length| match c {
                '*' => reached[..=length].contains(&true),
                c => {
                    let fits = length > 0 && (*c == '?' || *c == name[length - 1]);
                    fits && reached[length - 1]
                }
            })
            .collect();
    }
    reached[name.len()]
}

fn form(order: &Order) -> Vec<u8> {
    let name = |action: Action| action.name().to_owned();
    let mut fields = vec![
        ("action", name(order.action)),
        ("member", order.member().to_owned()),
        ("nonce", order.nonce.clone()),
    ];
    fields.extend(order.balancer().map(|name| ("balancer", format!("balancer://{name}"))));
    fields.extend(order.confirmed.map(|count| ("confirm", count.to_string())));
    fields.extend(order.from_page.then(|| ("from", "page".to_owned())));
    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let pairs: Vec<String> =
        fields.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
    pairs.join("&").into_bytes()
}
