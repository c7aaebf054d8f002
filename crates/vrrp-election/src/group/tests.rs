//! What a group does, by subject.

mod adopting;
mod pair;
mod properties;
mod simulation;
mod site;
mod stand_by;
mod together;
