//! What a group does, by subject.

mod pair;
mod properties;
mod simulation;
mod site;
mod together;
