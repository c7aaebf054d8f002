//! The side of the virtual routers: elections and addresses.

mod message;

pub(crate) use self::message::{Adopt, Notice, Order, RoutersReport};
