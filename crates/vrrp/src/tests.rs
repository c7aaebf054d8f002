//! The engine with simulated time: a fake link between nodes, and a fake address driver.

mod addresses;
mod adopting;
mod changes;
mod counters;
mod election;
mod groups;
mod lan;
mod lifecycle;
mod receive;
mod record;
mod security;
mod stand_by;
