//! Translates the properties that decide when a failed request is sent again.

use super::ajp_worker::AjpWorker;
use super::context::{Context, list};
use crate::migrate::text::report::Disposition;

/// Sets `retries`.
pub fn retries(context: &mut Context<'_>, made: &mut AjpWorker) {
    let name = made.name.clone();
    if let Some((times, property)) = context.number(&name, &["retries"]) {
        let words = made.set("retries", (times.max(1) - 1).min(100));
        let meaning = "It counts the attempts after the first. For a request that may have been executed, it applies to all members of the balancer together, and one other member gets it even with retries=0. Nothing is retried after a timeout or a status of failstatus.";
        context.record_changed(property, words, meaning);
    }
}

/// Sets `recovery`.
pub fn recovery(context: &mut Context<'_>, made: &mut AjpWorker) {
    let name = made.name.clone();
    if let Some((bits, property)) = context.number(&name, &["recovery_options"]) {
        let words = made.set("recovery", bits & 31);
        if bits & 2 == 0 {
            let meaning = "Nothing is sent again once a byte of the response has been sent to the client (bit 2 is always on), and nothing to the same backend after a timeout.";
            context.record_changed(property, words, meaning);
        } else {
            context.record_kept(property, words);
        }
    }
}

/// Sets `failstatus`.
pub fn set_fail_status(context: &mut Context<'_>, made: &mut AjpWorker, is_member: bool) {
    let name = made.name.clone();
    if let Some(property) = context.find(&name, &["fail_on_status"]) {
        let words = fail_status(&property.value);
        match words.filter(|_| is_member) {
            Some(list) => {
                let words = made.set("failstatus", list);
                let meaning = "Codes from 400 to 599. If the request must not be sent again, the client gets this response; mod_jk tries another member even then.";
                context.record_changed(property, words, meaning);
            }
            None if is_member => {
                context.record_dropped(property, "it contains no status from 400 to 599", "");
            }
            None => {
                for line in &property.lines {
                    let disposition = Disposition::Dropped {
                        why: "outside of a balancer, there is no other member to try".into(),
                        advice: "The client gets the backend's response. ProxyErrorOverride replaces it with httpd's page.".into(),
                    };
                    context.report.add_fallback(*line, disposition);
                }
            }
        }
    }
}

/// Returns the codes that `failstatus` accepts, or `None` if there are none.
pub fn fail_status(text: &str) -> Option<String> {
    let codes = list(text).filter_map(|word| word.parse::<i32>().ok());
    let codes = codes.filter(|code| (400..600).contains(&code.abs()));
    let words: Vec<String> = codes.map(|code| code.to_string()).collect();
    (!words.is_empty()).then(|| words.join(","))
}
