//! How the table is left.

use locum_ipvs::Transport;
use tracing::{info, warn};

use super::keeper::Keeper;
use super::ledger::Ledger;
use crate::clock;
use crate::site::OnStop;
use crate::words::chain;

/// The daemons stop, if there may be any; then the table goes, unless it is to stay.
pub(super) fn end<T: Transport>(on_stop: OnStop, has_daemons: bool, keeper: &mut Keeper<T>) {
    if has_daemons && let Err(error) = keeper.pursue_daemons(&[]) {
        warn!("{}", chain(&error));
    }
    let outcome = match on_stop {
        OnStop::Leave => {
            info!("the IPVS table is left as it is");
            return;
        }
        OnStop::Remove => keeper.clear(),
    };
    if outcome.is_complete() {
        info!(
            changes = outcome.made,
            "the IPVS table is empty of this director's services"
        );
    } else if !outcome.is_hopeless() {
        Ledger::default().table(clock::now(), &outcome);
    }
}
