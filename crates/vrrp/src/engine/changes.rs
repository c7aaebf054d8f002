//! Another configuration for a router that runs.

use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;
use locum_vrrp_election::{Input, State};

use super::Engine;
use crate::command::RouterId;
use crate::config::RouterConfig;
use crate::error::ChangeError;
use crate::transport::Transport;

impl<T: Transport> Engine<T> {
    pub(super) fn reconfigure(
        &mut self,
        now: Instant,
        id: RouterId,
        config: RouterConfig,
    ) -> Result<(), ChangeError> {
        let Some(router) = self.routers.get_mut(&id) else {
            return Err(ChangeError::Stopped);
        };
        if router.stop.is_some() {
            return Err(ChangeError::Stopped);
        }
        if let Some(identity) = router.config.identity_changes(&config) {
            return Err(ChangeError::NotInPlace(identity));
        }
        let election = *config.election();
        let is_new = |address: &IpNet| !router.config.addresses().contains(address);
        let grows = config.addresses().iter().any(is_new);
        if router.config.addresses() != config.addresses() {
            let addresses: Arc<[IpNet]> = config.addresses().into();
            router.set_addresses(&addresses);
            router
                .wanted
                .send_modify(|wanted| wanted.addresses = addresses);
        }
        router.receiver.reconfigure(&router.config, &config);
        router.packet.reconfigure(&router.config, &config);
        let is_master = router
            .seat
            .election(&self.groups)
            .is_some_and(|election| election.state() == State::Master);
        let old = std::mem::replace(&mut router.config, config);
        if is_master && let Some(beat) = old.heard_by() {
            let goes_on = router.config.heard_by();
            if !goes_on.is_some_and(|other| Arc::ptr_eq(beat, other)) {
                beat.ended();
            }
        }
        let lane_id = router.lane;
        if let Some(lane) = self.lanes.get_mut(&lane_id) {
            lane.wants_header |= router.config.has_header();
        }
        self.keep_pace();
        self.feed(now, id, Input::Reconfigure(election))
            .map_err(ChangeError::Rejected)?;
        if grows {
            // An announcement is never refused.
            let _ = self.feed(now, id, Input::Announce);
        }
        // Other addresses are virtual now, and the source may be another.
        self.follow_link(now, old.interface());
        Ok(())
    }
}
