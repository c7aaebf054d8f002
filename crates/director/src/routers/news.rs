//! From what the library says of a router to what happened.

use locum_vrrp::{Event, EventKind, RouterStatus};

use crate::events::What;
use crate::fault::Faulty;

/// What is told to the others of an event; `reason` is how the router came to its state, in words.
pub(super) fn what(
    event: &Event,
    status: Option<&RouterStatus>,
    reason: Option<String>,
) -> Option<What> {
    let router = event.router.to_string();
    if let EventKind::Transition(transition) = &event.kind {
        return Some(What::RouterState {
            router,
            from: transition.from.into(),
            to: transition.to.into(),
            priority: status.map_or(0, |status| status.priority.get()),
            reason: reason.unwrap_or_default(),
        });
    }
    if let EventKind::GroupTransition { group, from, to } = &event.kind {
        return Some(What::GroupState {
            group: group.to_string(),
            from: (*from).into(),
            to: (*to).into(),
        });
    }
    let fault = Faulty::default().note(&event.kind)?;
    Some(What::RouterFault {
        router,
        message: fault.message,
        cure: fault.cure,
    })
}
