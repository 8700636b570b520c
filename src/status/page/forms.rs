//! The buttons of the page: only those that make sense, each with a name that says whose it is.

use crate::balance::Activation;
use crate::balance::orders::Action;
use crate::stats::MemberFigures;
use crate::status::{Balancer, Member, State};

/// A button that sends an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Button {
    pub(super) action: &'static str,
    /// The text on it.
    pub(super) text: String,
    /// Its name for those who do not see where it stands.
    pub(super) label: String,
}

/// The fields of a form, beside the nonce.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    /// Whose orders they are.
    pub(super) of: String,
    /// The pattern of members.
    pub(super) member: String,
    pub(super) balancer: String,
    pub(super) buttons: Vec<Button>,
}

/// The text on the button of an action.
pub(super) fn text(action: Action) -> &'static str {
    match action {
        Action::Activate => "Activate",
        Action::Drain => "Drain",
        Action::Stop => "Stop",
        Action::Recover => "Recover",
        Action::Reset => "Reset counters",
    }
}

/// Whether the page asks once more before it is done.
pub(in crate::status) fn is_confirmed(action: Action) -> bool {
    matches!(action, Action::Drain | Action::Stop | Action::Reset)
}

/// The orders of one member.
pub(super) fn of_member(member: &Member) -> Orders {
    let name = member.short_name();
    let buttons = sensible(member).map(|action| {
        let text = text(action).to_owned();
        let label = match &member.balancer {
            Some(balancer) => format!("{text}: {name} of balancer://{balancer}"),
            None => format!("{text}: {name}"),
        };
        Button { action: action.name(), text, label }
    });
    Orders {
        of: name.to_owned(),
        member: member.url.clone(),
        balancer: member.balancer.clone().unwrap_or_default(),
        buttons: buttons.collect(),
    }
}

/// The orders of all members of a balancer.
pub(super) fn of_balancer(balancer: &Balancer) -> Orders {
    let any = |action: Action| {
        balancer.members.iter().any(|member| sensible(member).any(|one| one == action))
    };
    let all = [Action::Activate, Action::Recover, Action::Reset];
    let buttons = all.into_iter().filter(|action| any(*action)).map(|action| {
        let text = match action {
            Action::Reset => "Reset all counters".to_owned(),
            action => format!("{} all", text(action)),
        };
        let label = format!("{text}: members of balancer://{}", balancer.name);
        Button { action: action.name(), text, label }
    });
    Orders {
        of: format!("balancer://{}", balancer.name),
        member: "*".into(),
        balancer: balancer.name.clone(),
        buttons: buttons.collect(),
    }
}

/// The orders that change something.
fn sensible(member: &Member) -> impl Iterator<Item = Action> {
    let is_in_balancer = member.balancer.is_some();
    let activation = member.activation;
    // With loadfactor=0, a member is active when it drains.
    let is_active = match activation {
        Activation::Active => true,
        Activation::Draining => member.sessions_only,
        Activation::Stopped => false,
    };
    let drains = activation == Activation::Draining || member.sessions_only;
    let counts = member.figures != MemberFigures::default();
    [
        (Action::Recover, is_in_balancer && member.state == State::Error),
        (Action::Activate, is_in_balancer && !is_active),
        (Action::Drain, is_in_balancer && !drains),
        (Action::Stop, is_in_balancer && activation != Activation::Stopped),
        (Action::Reset, counts),
    ]
    .into_iter()
    .filter_map(|(action, is_sensible)| is_sensible.then_some(action))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(member: &Member) -> Vec<String> {
        of_member(member).buttons.into_iter().map(|button| button.text).collect()
    }

    #[test]
    fn a_member_has_the_orders_that_change_something_and_no_other() {
        let member = |activation, state| Member {
            balancer: Some("app".into()),
            activation,
            state,
            ..Member::default()
        };
        let (active, draining, stopped) =
            (Activation::Active, Activation::Draining, Activation::Stopped);
        assert_eq!(texts(&member(active, State::Ok)), ["Drain", "Stop"]);
        assert_eq!(texts(&member(draining, State::Ok)), ["Activate", "Stop"]);
        assert_eq!(texts(&member(stopped, State::Ok)), ["Activate", "Drain"]);
        assert_eq!(texts(&member(active, State::Error)), ["Recover", "Drain", "Stop"]);
        assert_eq!(texts(&member(active, State::HealthCheckFailed)), ["Drain", "Stop"]);
        let of_sessions =
            |activation| Member { sessions_only: true, ..member(activation, State::Ok) };
        assert_eq!(texts(&of_sessions(draining)), ["Stop"]);
        assert_eq!(texts(&of_sessions(stopped)), ["Activate"]);
        let figures = MemberFigures { requests: 1, ..MemberFigures::default() };
        let counted = Member { figures, ..member(active, State::Ok) };
        assert_eq!(texts(&counted), ["Drain", "Stop", "Reset counters"]);
        let alone = Member { balancer: None, ..counted };
        assert_eq!(texts(&alone), ["Reset counters"]);
        assert_eq!(texts(&Member { state: State::Error, ..alone }), ["Reset counters"]);
    }

    #[test]
    fn each_button_has_the_name_of_its_member_and_begins_with_its_text() {
        let member = Member {
            balancer: Some("app".into()),
            route: Some("node1".into()),
            ..Member::default()
        };
        for button in of_member(&member).buttons {
            assert_eq!(button.label, format!("{}: node1 of balancer://app", button.text));
        }
    }
}
