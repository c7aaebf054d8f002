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

    /// The same, for one that need not have all messages in memory at once.
    ///
    /// # Errors
    ///
    /// As for [`dump`](Self::dump).
    fn dump_as<T>(
        &mut self,
        request: &Request,
        read: impl FnMut(Message) -> T,
    ) -> Result<Vec<T>, RequestError>
    where
        Self: Sized,
    {
        Ok(self.dump(request)?.into_iter().map(read).collect())
    }
}

impl Transport for Connection {
    fn execute(&mut self, requests: &[Request]) -> Vec<Result<Vec<Message>, RequestError>> {
        Self::execute(self, requests)
    }

    fn dump(&mut self, request: &Request) -> Result<Vec<Message>, RequestError> {
        Self::dump(self, request)
    }

    fn dump_as<T>(
        &mut self,
        request: &Request,
        read: impl FnMut(Message) -> T,
    ) -> Result<Vec<T>, RequestError> {
        Self::dump_as(self, request, read)
    }
}
