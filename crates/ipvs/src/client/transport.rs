//! What carries requests to a kernel.

use locum_netlink::{Connection, Message, Request, RequestError};

/// A way to a kernel: a netlink connection, or in tests `fake::Kernel`.
pub trait Transport {
    /// Has the requests done in order. An error does not stop the later ones.
    ///
    /// # Errors
    ///
    /// One result for each request, in order.
    fn execute(&mut self, requests: &[Request]) -> Vec<Result<Vec<Message>, RequestError>>;

    /// Reads a whole table.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, or its answer is lost.
    fn dump(&mut self, request: &Request) -> Result<Vec<Message>, RequestError>;
}

impl Transport for Connection {
    fn execute(&mut self, requests: &[Request]) -> Vec<Result<Vec<Message>, RequestError>> {
        Self::execute(self, requests)
    }

    fn dump(&mut self, request: &Request) -> Result<Vec<Message>, RequestError> {
        Self::dump(self, request)
    }
}
