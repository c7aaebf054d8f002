//! Epoch clock and fakes.
