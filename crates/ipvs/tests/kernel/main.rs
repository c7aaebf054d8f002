//! The client against a real kernel: this one, in a network namespace of its own, or, where it has no IPVS, one that is
//! booted for this. Nothing of this machine is changed. Each case begins with empty tables.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where it is wrong"
)]

mod agree;
#[path = "../model/foreign.rs"]
mod foreign;
mod running;
#[path = "../model/strategies.rs"]
mod strategies;
mod support;
mod table;

use std::env;
use std::process::ExitCode;

use locum_lab::cases;
use locum_lab::kernel::Kernel;

/// Tells the program that it is to be refused.
const NOBODY: &str = "LOCUM_IPVS_NOBODY";

fn main() -> ExitCode {
    if env::var_os(NOBODY).is_some() {
        running::ask_without_privilege();
        return ExitCode::SUCCESS;
    }
    Kernel::new().program("ipvsadm", "ipvsadm").tests(cases![
        running::a_fresh_kernel_has_its_defaults,
        table::what_is_written_ipvsadm_reads,
        table::what_ipvsadm_writes_is_read,
        table::proc_has_the_same_table,
        running::errors_are_told_apart,
        running::daemons_start_and_stop,
        running::daemons_and_mixed_versions_exclude_each_other,
        running::timeouts_change_one_by_one,
        running::packets_are_counted_and_zeroed,
        table::many_batches_go_through,
        table::what_nothing_here_can_say_survives,
        agree::changes_end_as_in_the_fake_kernel,
        agree::plans_lead_from_table_to_table,
        running::the_async_client_works_in_another_namespace,
        running::a_module_loaded_anew_is_found_again,
        running::without_privilege_nothing_is_allowed,
    ])
}
