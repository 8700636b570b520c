//! Translates properties as their row in the table says: to one parameter of httpd's, or to none.

use super::ajp_worker::AjpWorker;
use super::context::{Context, DEFAULT};
use crate::migrate::read::property_table::{JkProperty, Translation};

/// Translates one property of a worker, if the worker has it.
pub fn translate(context: &mut Context<'_>, made: &mut AjpWorker, row: &JkProperty) {
    let names: Vec<&str> = row.names().collect();
    let worker = made.name.clone();
    match row.translation {
        Translation::Number { parameter, min, max, zero_is_default, difference } => {
            let Some((number, property)) = context.number(&worker, &names) else { return };
            if zero_is_default && number <= 0 {
                context.record_kept(property, DEFAULT);
                return;
            }
            let words = made.set(parameter, number.clamp(min, max));
            match difference {
                Some(difference) => context.record_changed(property, words, difference),
                None => context.record_kept(property, words),
            }
        }
        Translation::Switch { parameter } => {
            let Some((on, property)) = context.switch(&worker, &names) else { return };
            let words = if on { made.set(parameter, "On") } else { DEFAULT.into() };
            context.record_kept(property, words);
        }
        Translation::Dropped { why, advice } => {
            if let Some(property) = context.find(&worker, &names) {
                context.record_dropped(property, why, advice);
            }
        }
        Translation::Step(_) | Translation::Elsewhere => {}
    }
}
