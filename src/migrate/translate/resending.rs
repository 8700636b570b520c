//! What a worker says of failures: when a request is given to whom again.

use super::ajp_worker::AjpWorker;
use super::context::{Context, list};
use crate::migrate::text::report::Disposition;

/// Adds `retries`.
pub fn retries(context: &mut Context<'_>, made: &mut AjpWorker) {
    let name = made.name.clone();
    if let Some((times, property)) = context.number(&name, &["retries"]) {
        let words = made.set("retries", (times.max(1) - 1).min(100));
        let meaning = "It counts what comes after the first attempt; of a request that may have been executed, over all members of the balancer together, of which one other gets it with retries=0, too. Nothing is tried again after a timeout or a failed status.";
        context.record_changed(property, words, meaning);
    }
}

/// Adds `recovery`.
pub fn recovery(context: &mut Context<'_>, made: &mut AjpWorker) {
    let name = made.name.clone();
    if let Some((bits, property)) = context.number(&name, &["recovery_options"]) {
        let words = made.set("recovery", bits & 31);
        if bits & 2 == 0 {
            let meaning = "Nothing is sent again after a byte of the answer has gone to the client (bit 2 always holds), and nothing to the same backend after a timeout.";
            context.record_changed(property, words, meaning);
        } else {
            context.record_kept(property, words);
        }
    }
}

/// Adds `failstatus`.
pub fn failed_status(context: &mut Context<'_>, made: &mut AjpWorker, is_member: bool) {
    let name = made.name.clone();
    if let Some(property) = context.find(&name, &["fail_on_status"]) {
        let words = fail_status(&property.value);
        match words.filter(|_| is_member) {
            Some(list) => {
                let words = made.set("failstatus", list);
                let meaning = "Codes from 400 to 599. A request that may not be sent again gets the answer as it is; mod_jk asks another member even then.";
                context.record_changed(property, words, meaning);
            }
            None if is_member => {
                context.record_dropped(property, "no status from 400 to 599 is in it", "");
            }
            None => {
                for line in &property.lines {
                    let disposition = Disposition::Dropped {
                        why: "outside a balancer nobody else can give the answer".into(),
                        advice: "The client gets the backend's answer. ProxyErrorOverride replaces it by httpd's page.".into(),
                    };
                    context.report.add_fallback(*line, disposition);
                }
            }
        }
    }
}

/// Codes that `failstatus` takes; `None`: there are none.
pub fn fail_status(text: &str) -> Option<String> {
    let codes = list(text).filter_map(|word| word.parse::<i32>().ok());
    let codes = codes.filter(|code| (400..600).contains(&code.abs()));
    let words: Vec<String> = codes.map(|code| code.to_string()).collect();
    (!words.is_empty()).then(|| words.join(","))
}
