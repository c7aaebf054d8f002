//! The whole site on a kernel with IPVS: a client, two directors, web servers, and what happens to them.
//!
//! The cases share a kernel, or two that are booted for them where the running one has no IPVS; each builds its own hosts.

#![expect(clippy::unwrap_used, reason = "a test ends where it is wrong")]

mod bench;
mod connections;
mod dual;
mod mass;
mod opening;
mod processes;
mod story;
mod table;

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use locum_lab::cases;
use locum_lab::kernel::Kernel;

/// What a case returns: the first thing that went wrong.
type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// All of it takes about three minutes in two kernels where nothing else runs.
const PATIENCE: Duration = Duration::from_secs(1200);

const KERNELS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

fn main() -> ExitCode {
    let kernel = Kernel::new()
        .patience(PATIENCE)
        .side_by_side(KERNELS)
        .program("ipvsadm", "ipvsadm");
    kernel.tests(cases![
        story::direct_ipv4,
        story::direct_ipv6,
        story::nat_ipv4,
        story::nat_ipv6,
        story::tunnel_ipv4,
        story::tunnel_ipv6,
        dual::each_director_stands_in_for_the_other,
        connections::live_on_with_the_sync_daemon,
        connections::live_on_by_their_hash_alone,
        connections::break_without_either,
        table::a_reload_changes_servers_and_a_bad_file_nothing,
        table::an_emptied_table_is_filled_again,
        table::a_stop_leaves_nothing_and_a_crash_everything,
        processes::a_killed_checker_changes_no_pool,
        processes::a_routers_process_that_stays_away_is_no_master,
        mass::a_thousand_servers_that_flip_are_one_plan,
        opening::a_start_that_fails_leaves_nothing,
        opening::a_start_that_is_killed_does_not_disturb_the_next,
        opening::a_start_that_is_ended_leaves_nothing,
        opening::a_restart_changes_nothing,
        opening::a_checker_that_dies_before_it_is_told_is_replaced,
    ])
}
