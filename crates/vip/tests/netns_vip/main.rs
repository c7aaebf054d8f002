//! The driver against real kernels, in network namespaces of their own. Needs root and `ip`.

mod addresses;
mod announce;
mod host;
mod probe;
mod watch;
