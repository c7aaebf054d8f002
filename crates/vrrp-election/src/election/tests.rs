//! What the machine does, by subject. `transition_table` has every pair of state and input.

mod adopting;
mod announcements;
mod backup;
mod changing;
mod configuration;
mod faults;
mod handing_over;
mod intervals;
mod late;
mod priority;
mod properties;
mod rivals;
mod simulation;
mod stand_by;
pub(crate) mod support;
mod transition_table;
