//! What is shown of the real kernel. Each case begins with empty tables.

use crate::{agree, running, table};

macro_rules! cases {
    ($($module:ident::$case:ident,)*) => { &[$((stringify!($case), $module::$case)),*] };
}

/// Their names, and what they do.
pub(crate) const CASES: &[(&str, fn())] = cases![
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
];
