//! The rows. A rule is a paragraph of RFC 9568 unless it says otherwise; "house" is the crate's README.

use super::{Class, Row};
use crate::interface::State;

const fn goes(rule: &'static str, next: State, actions: &'static str) -> Row {
    Row {
        rule,
        next,
        actions,
    }
}

const LATE_REPORT: &str = "house: a report about an old hold does no harm";
const NO_TIMER: &str = "house: this timer does not run here";

pub(super) fn row(state: State, class: Class) -> Row {
    match state {
        State::Initialize => initialize(class),
        State::Fault => fault(class),
        State::Backup => backup(class),
        State::Preempting => preempting(class),
        State::Master => master(class),
        State::Leaving => leaving(class),
    }
}

fn initialize(class: Class) -> Row {
    use State::{Backup, Initialize, Master};
    match class {
        Class::Adopt => goes(
            "house: only for a start",
            Master,
            "Advertise 150, Hold 1 +4s, Announce, Initialize→Master Adopted",
        ),
        Class::StandBy => goes(
            "house: mastership is left to others",
            Initialize,
            "rejected: NotRunning",
        ),
        Class::AnnounceAgain => goes("house: new addresses", Initialize, ""),
        Class::Reconfigured => goes("house: in place", Initialize, ""),
        Class::OtherVersion => goes("house: another router", Initialize, "rejected: Version"),
        Class::Startup => goes("6.4.1", Backup, "Initialize→Backup Started"),
        Class::Shutdown => goes("6.4.1: not running", Initialize, ""),
        Class::PriorityRaised | Class::PriorityLowered => goes("house: kept", Initialize, ""),
        Class::PriorityStop | Class::PriorityOwner => {
            goes("5.2.4", Initialize, "rejected: Priority")
        }
        Class::AdvertStop
        | Class::AdvertLower
        | Class::AdvertEqualBelow
        | Class::AdvertEqualAbove
        | Class::AdvertHigher
        | Class::AdvertOwnAddress
        | Class::AdvertOtherVersion
        | Class::AdvertV2OtherInterval => goes(
            "6.4.1: waits for Startup",
            Initialize,
            "rejected: NotRunning",
        ),
        Class::LinkUp
        | Class::LinkDown
        | Class::SourceSome
        | Class::SourceNone
        | Class::TrackingFailed
        | Class::TrackingRecovered => goes("house: kept for Startup", Initialize, ""),
        Class::Held
        | Class::HoldFailed
        | Class::HoldLapsed
        | Class::StaleHeld
        | Class::StaleHoldFailed
        | Class::StaleHoldLapsed
        | Class::NotSent => goes(LATE_REPORT, Initialize, ""),
        Class::MasterDown
        | Class::PreemptDelay
        | Class::Linger
        | Class::Acquire
        | Class::Advertise
        | Class::Announce
        | Class::Renew
        | Class::Leave
        | Class::Retry => goes(NO_TIMER, Initialize, "never"),
    }
}

fn fault(class: Class) -> Row {
    use State::{Backup, Fault, Initialize};
    match class {
        Class::Adopt => goes("house: only for a start", Fault, ""),
        Class::StandBy => goes("house: mastership is left to others", Fault, ""),
        Class::AnnounceAgain => goes("house: new addresses", Fault, ""),
        Class::Reconfigured => goes("house: in place", Fault, ""),
        Class::OtherVersion => goes("house: another router", Fault, "rejected: Version"),
        Class::Startup => goes("6.4.1: once", Fault, ""),
        Class::Shutdown => goes("6.4.2", Initialize, "Fault→Initialize Stopped"),
        Class::PriorityRaised | Class::PriorityLowered => goes("house: kept", Fault, ""),
        Class::PriorityStop | Class::PriorityOwner => goes("5.2.4", Fault, "rejected: Priority"),
        Class::AdvertStop
        | Class::AdvertLower
        | Class::AdvertEqualBelow
        | Class::AdvertEqualAbove
        | Class::AdvertHigher
        | Class::AdvertOwnAddress
        | Class::AdvertOtherVersion
        | Class::AdvertV2OtherInterval => {
            goes("house: as Initialize", Fault, "rejected: NotRunning")
        }
        Class::LinkUp => goes("6.4.1", Backup, "Fault→Backup Recovered"),
        Class::LinkDown
        | Class::SourceSome
        | Class::SourceNone
        | Class::TrackingFailed
        | Class::TrackingRecovered => goes("house: one fault is enough", Fault, ""),
        Class::Held
        | Class::HoldFailed
        | Class::HoldLapsed
        | Class::StaleHeld
        | Class::StaleHoldFailed
        | Class::StaleHoldLapsed
        | Class::NotSent => goes(LATE_REPORT, Fault, ""),
        Class::Retry => goes("house: retry", Backup, "Fault→Backup Recovered"),
        Class::MasterDown
        | Class::PreemptDelay
        | Class::Linger
        | Class::Acquire
        | Class::Advertise
        | Class::Announce
        | Class::Renew
        | Class::Leave => goes(NO_TIMER, Fault, "never"),
    }
}

/// For reports about a hold the Backup is one that was Master a moment ago and still answers.
fn backup(class: Class) -> Row {
    use State::{Backup, Fault, Initialize, Master, Preempting};
    match class {
        Class::Adopt => goes("house: only for a start", Backup, ""),
        Class::StandBy => goes("house: mastership is left to others", Backup, ""),
        Class::AnnounceAgain => goes("house: new addresses", Backup, ""),
        Class::Reconfigured => goes("house: in place", Backup, ""),
        Class::OtherVersion => goes("house: another router", Backup, "rejected: Version"),
        Class::Startup => goes("6.4.1: once", Backup, ""),
        Class::Shutdown => goes("6.4.2", Initialize, "Backup→Initialize Stopped"),
        Class::PriorityRaised | Class::PriorityLowered => goes("6.1: new Skew_Time", Backup, ""),
        Class::PriorityStop | Class::PriorityOwner => goes("5.2.4", Backup, "rejected: Priority"),
        Class::AdvertStop => goes("6.4.2: Skew_Time", Backup, ""),
        Class::AdvertLower => goes("6.4.2: discarded", Backup, ""),
        Class::AdvertEqualBelow | Class::AdvertEqualAbove | Class::AdvertHigher => {
            goes("6.4.2: accepted", Backup, "")
        }
        Class::AdvertOwnAddress => goes("7.1: from others", Backup, "rejected: OwnAddress"),
        Class::AdvertOtherVersion => goes("7.1: version", Backup, "rejected: Interval"),
        Class::AdvertV2OtherInterval => goes("RFC 3768 7.1", Backup, "rejected: Interval"),
        Class::LinkUp | Class::SourceSome | Class::TrackingRecovered => {
            goes("house: nothing was missing", Backup, "")
        }
        Class::LinkDown | Class::SourceNone | Class::TrackingFailed => {
            goes("house: Fault", Fault, "Backup→Fault Faulty")
        }
        Class::Held => goes("house: lingers", Backup, ""),
        Class::HoldFailed => goes("house: lingers with what it has", Backup, ""),
        Class::HoldLapsed => goes("house: nothing left to answer with", Backup, "Release"),
        Class::StaleHeld | Class::StaleHoldFailed | Class::StaleHoldLapsed => {
            goes(LATE_REPORT, Backup, "")
        }
        Class::NotSent => goes("house: counted", Backup, ""),
        Class::MasterDown => goes(
            "6.4.2",
            Master,
            "Advertise 150, Hold 1 +4s, Announce, Backup→Master MasterSilent",
        ),
        Class::PreemptDelay => goes(
            "house: preempt delay",
            Preempting,
            "Hold 1 +4s, Backup→Preempting MasterLesser",
        ),
        Class::Linger => goes("house: overlap past", Backup, "Release"),
        Class::Renew => goes("house: answers while it lingers", Backup, "never"),
        Class::Acquire | Class::Advertise | Class::Announce | Class::Leave | Class::Retry => {
            goes(NO_TIMER, Backup, "never")
        }
    }
}

fn preempting(class: Class) -> Row {
    use State::{Backup, Fault, Initialize, Master, Preempting};
    let outranked = "Release, Preempting→Backup Outranked";
    let taken_over = "Advertise 150, Announce, Preempting→Master MasterLesser";
    match class {
        Class::Adopt => goes("house: only for a start", Preempting, ""),
        Class::StandBy => goes(
            "house: mastership is left to others",
            Backup,
            "Release, Preempting→Backup StandBy",
        ),
        Class::AnnounceAgain => goes("house: new addresses", Preempting, ""),
        Class::Reconfigured => goes("house: in place", Preempting, ""),
        Class::OtherVersion => goes("house: another router", Preempting, "rejected: Version"),
        Class::Startup => goes("6.4.1: once", Preempting, ""),
        Class::Shutdown => goes(
            "6.4.2",
            Initialize,
            "Release, Preempting→Initialize Stopped",
        ),
        Class::PriorityRaised | Class::PriorityLowered => goes("house: kept", Preempting, ""),
        Class::PriorityStop | Class::PriorityOwner => {
            goes("5.2.4", Preempting, "rejected: Priority")
        }
        Class::AdvertStop => goes("house: taking over anyway", Preempting, ""),
        Class::AdvertLower => goes("6.4.2: discarded", Preempting, ""),
        Class::AdvertEqualBelow | Class::AdvertEqualAbove | Class::AdvertHigher => {
            goes("6.4.2", Backup, outranked)
        }
        Class::AdvertOwnAddress => goes("7.1: from others", Preempting, "rejected: OwnAddress"),
        Class::AdvertOtherVersion => goes("7.1: version", Preempting, "rejected: Interval"),
        Class::AdvertV2OtherInterval => goes("RFC 3768 7.1", Preempting, "rejected: Interval"),
        Class::LinkUp | Class::SourceSome | Class::TrackingRecovered => {
            goes("house: nothing was missing", Preempting, "")
        }
        Class::LinkDown | Class::SourceNone | Class::TrackingFailed => {
            goes("house: Fault", Fault, "Release, Preempting→Fault Faulty")
        }
        Class::Held => goes("house: the addresses are there", Master, taken_over),
        Class::HoldFailed => goes(
            "house: no Master without addresses",
            Fault,
            "Release, Preempting→Fault Faulty",
        ),
        Class::HoldLapsed => goes(
            "house: slept too long",
            Backup,
            "Release, Preempting→Backup LeaseLapsed",
        ),
        Class::StaleHeld | Class::StaleHoldFailed | Class::StaleHoldLapsed => {
            goes(LATE_REPORT, Preempting, "")
        }
        Class::NotSent => goes("house: counted", Preempting, ""),
        Class::Acquire => goes("house: has waited enough", Master, taken_over),
        Class::Renew => goes("house: after 1 s, of 20 ms", Preempting, "never"),
        Class::MasterDown
        | Class::PreemptDelay
        | Class::Linger
        | Class::Advertise
        | Class::Announce
        | Class::Leave
        | Class::Retry => goes(NO_TIMER, Preempting, "never"),
    }
}

/// The Master of the table has just announced itself, so a rival makes it announce again 50 ms later.
fn master(class: Class) -> Row {
    use State::{Backup, Fault, Leaving, Master};
    match class {
        Class::Adopt => goes("house: only for a start", Master, ""),
        Class::StandBy => goes(
            "house: mastership is left to others",
            Leaving,
            "Advertise 0, Master→Leaving StandBy",
        ),
        Class::AnnounceAgain => goes("house: new addresses", Master, ""),
        Class::Reconfigured => goes("house: in place", Master, "Advertise 140"),
        Class::OtherVersion => goes("house: another router", Master, "rejected: Version"),
        Class::Startup => goes("6.4.1: once", Master, ""),
        Class::Shutdown => goes("6.4.3", Leaving, "Advertise 0, Master→Leaving Stopped"),
        Class::PriorityRaised => goes("house: said at once", Master, "Advertise 160"),
        Class::PriorityLowered => goes("house: said at once", Master, "Advertise 140"),
        Class::PriorityStop | Class::PriorityOwner => goes("5.2.4", Master, "rejected: Priority"),
        Class::AdvertStop => goes("6.4.3", Master, "Advertise 150"),
        Class::AdvertLower => goes("6.4.3", Master, "Advertise 150"),
        Class::AdvertEqualBelow => goes("6.4.3: lower address", Master, "Advertise 150"),
        Class::AdvertEqualAbove | Class::AdvertHigher => goes(
            "6.4.3; house: the better one learns that it had a rival",
            Backup,
            "Advertise 150, Master→Backup Outranked",
        ),
        Class::AdvertOwnAddress => goes("7.1: from others", Master, "rejected: OwnAddress"),
        Class::AdvertOtherVersion => goes("7.1: version", Master, "rejected: Interval"),
        Class::AdvertV2OtherInterval => goes("RFC 3768 7.1", Master, "rejected: Interval"),
        Class::LinkUp | Class::SourceSome | Class::TrackingRecovered => {
            goes("house: nothing was missing", Master, "")
        }
        Class::LinkDown | Class::SourceNone => goes(
            "house: nobody would hear a goodbye",
            Fault,
            "Release, Master→Fault Faulty",
        ),
        Class::TrackingFailed => goes(
            "house: planned move",
            Leaving,
            "Advertise 0, Master→Leaving Faulty",
        ),
        Class::Held => goes("house: as asked", Master, ""),
        Class::HoldFailed => goes(
            "house: no Master without addresses",
            Leaving,
            "Advertise 0, Master→Leaving Faulty",
        ),
        Class::HoldLapsed => goes(
            "house: the addresses are gone, but others believe in this Master",
            Backup,
            "Advertise 0, Release, Master→Backup LeaseLapsed",
        ),
        Class::StaleHeld | Class::StaleHoldFailed | Class::StaleHoldLapsed => {
            goes(LATE_REPORT, Master, "")
        }
        Class::NotSent => goes("house: counted, two in a row are borne", Master, ""),
        Class::Advertise => goes("6.4.3", Master, "Advertise 150"),
        Class::Announce => goes("house: 50, 150, 500, 1000 ms", Master, "Announce"),
        Class::Renew => goes("house: the lease, every second", Master, "Hold 1 +4s"),
        Class::MasterDown
        | Class::PreemptDelay
        | Class::Linger
        | Class::Acquire
        | Class::Leave
        | Class::Retry => goes(NO_TIMER, Master, "never"),
    }
}

/// The Leaving router of the table was told to stop.
fn leaving(class: Class) -> Row {
    use State::{Initialize, Leaving};
    let gone = "Release, Leaving→Initialize NoSuccessor";
    match class {
        Class::Adopt => goes("house: only for a start", Leaving, ""),
        Class::StandBy => goes(
            "house: mastership is left to others",
            Leaving,
            "rejected: NotRunning",
        ),
        Class::AnnounceAgain => goes("house: new addresses", Leaving, ""),
        Class::Reconfigured => goes("house: in place", Leaving, ""),
        Class::OtherVersion => goes("house: another router", Leaving, "rejected: Version"),
        Class::Startup => goes("house: starts again when it has left", Leaving, ""),
        Class::Shutdown => goes("house: the second time at once", Initialize, gone),
        Class::PriorityRaised | Class::PriorityLowered => goes("house: kept", Leaving, ""),
        Class::PriorityStop | Class::PriorityOwner => goes("5.2.4", Leaving, "rejected: Priority"),
        Class::AdvertStop => goes("house: not a successor", Leaving, ""),
        Class::AdvertLower
        | Class::AdvertEqualBelow
        | Class::AdvertEqualAbove
        | Class::AdvertHigher => goes("house: the successor, lingers", Leaving, ""),
        Class::AdvertOwnAddress => goes("7.1: from others", Leaving, "rejected: OwnAddress"),
        Class::AdvertOtherVersion => goes("7.1: version", Leaving, "rejected: Interval"),
        Class::AdvertV2OtherInterval => goes("RFC 3768 7.1", Leaving, "rejected: Interval"),
        Class::LinkUp | Class::SourceSome => goes("house: nothing was missing", Leaving, ""),
        Class::TrackingFailed | Class::TrackingRecovered => goes("house: leaves", Leaving, ""),
        Class::LinkDown | Class::SourceNone => goes("house: nobody answers", Initialize, gone),
        Class::Held => goes("house: as asked", Leaving, ""),
        Class::HoldFailed => goes("house: leaves with what it has", Leaving, ""),
        Class::HoldLapsed => goes("house: nothing to answer with", Initialize, gone),
        Class::StaleHeld | Class::StaleHoldFailed | Class::StaleHoldLapsed => {
            goes(LATE_REPORT, Leaving, "")
        }
        Class::NotSent => goes("house: counted", Leaving, ""),
        Class::Advertise => goes("house: goodbye once more", Leaving, "Advertise 0"),
        Class::Renew => goes("house: answers while it leaves", Leaving, "Hold 1 +4s"),
        Class::Leave => goes("house: two intervals and the skew time", Initialize, gone),
        Class::MasterDown
        | Class::PreemptDelay
        | Class::Linger
        | Class::Acquire
        | Class::Announce
        | Class::Retry => goes(NO_TIMER, Leaving, "never"),
    }
}
