//! Web servers and their clients: real TCP through whatever stands between them.

mod connection;
mod http;
mod load;
mod report;
mod server;

pub use self::connection::{ConnectionReport, LongConnection};
pub use self::load::{LoadClient, LoadConfig};
pub use self::report::{Exchange, Failure, LoadReport};
pub use self::server::WebServer;
