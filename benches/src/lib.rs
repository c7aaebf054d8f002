//! Criterion benches of the libraries; see the `benches/` directory of this package.
