//! The rules, one table or story each; then properties of all of them together.

mod drain;
mod hold;
mod properties;
mod quorum;
mod reload;
mod rules;
mod start;
mod support;
mod wishes;
