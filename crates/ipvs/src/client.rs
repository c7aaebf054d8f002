//! The kernel's IPVS, over a netlink socket.

mod apply;
mod blocking;
pub(crate) mod errno;
mod error;
mod handle;
mod transport;

pub use self::blocking::Client;
pub use self::error::{ApplyError, QueryError};
pub use self::handle::AsyncClient;
pub use self::transport::Transport;
