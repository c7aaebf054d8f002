//! What is written is read again, and no bytes make a reader panic.

use std::cell::RefCell;
use std::rc::Rc;

use locum_ipvs::fake::Kernel;
use locum_ipvs::wire::{reply, request};
use locum_ipvs::{Client, IpFamily, Op, Transport};
use locum_netlink::{Message, Request, RequestError};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{foreign, strategies};

fn read_all(message: &Message) {
    let _ = reply::family_id(message);
    let _ = reply::service(message);
    let _ = reply::destination(message, IpFamily::V4);
    let _ = reply::destination(message, IpFamily::V6);
    let _ = reply::daemon(message);
    let _ = reply::timeouts(message);
    let _ = reply::info(message);
}

proptest! {
    #[test]
    fn a_service_comes_back_as_it_was_written(service in strategies::service()) {
        let mut client = Client::new(Kernel::new());
        client.apply_one(Op::AddService(service.clone())).unwrap();
        let entry = client.service(service.key()).unwrap();
        prop_assert_eq!(&entry.key, service.key());
        prop_assert_eq!(&entry.settings, &service.settings());
        prop_assert_eq!(client.services().unwrap(), vec![entry]);
    }

    #[test]
    fn a_destination_comes_back_as_it_was_written(
        service in strategies::service(),
        destination in strategies::destination(),
    ) {
        let mut client = Client::new(Kernel::new());
        let key = *service.key();
        client.apply_one(Op::AddService(service)).unwrap();
        if client.apply_one(Op::AddDestination(key, destination)).is_ok() {
            let entries = client.destinations(&key).unwrap();
            prop_assert_eq!(entries.len(), 1);
            prop_assert_eq!(entries[0].key, destination.key(&key));
            prop_assert_eq!(entries[0].settings, destination.settings());
        } else {
            prop_assert_eq!(client.destinations(&key).unwrap(), vec![]);
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..300)) {
        read_all(&Message::new(30, bytes.clone()));
        let mut kernel = Kernel::new();
        let _ = kernel.execute(&[Request::new(30, 0).header(&bytes)]);
        let _ = kernel.dump(&Request::new(30, 0).header(&bytes));
    }

    #[test]
    fn any_attributes_are_read_without_panic(
        command in 0_u8..20,
        outer in 0_u16..5,
        attributes in vec((0_u16..18, vec(any::<u8>(), 0..20)), 0..20),
        deep in vec((0_u16..13, vec(any::<u8>(), 0..10)), 0..12),
    ) {
        // Well formed, with values of any length: what readers of single attributes must bear.
        let fill = |request: Request| {
            let request = attributes.iter().fold(request, |request, (kind, payload)| {
                request.attribute(*kind, payload)
            });
            [10, 12].into_iter().fold(request, |request, stats| {
                request.nested(stats, |request| {
                    deep.iter().fold(request, |request, (kind, payload)| {
                        request.attribute(*kind, payload)
                    })
                })
            })
        };
        let request = fill(Request::new(30, 0).header(&[command, 1, 0, 0]).nested(outer, fill));
        read_all(&Message::new(30, request.body().to_vec()));
        let _ = Kernel::new().execute(std::slice::from_ref(&request));
        let _ = Kernel::new().dump(&request);
    }

    #[test]
    fn spoilt_messages_are_read_without_panic(
        op in strategies::op(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        length in any::<prop::sample::Index>(),
    ) {
        let mut bytes = request::encode(30, &op).body().to_vec();
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        bytes.truncate(length.index(bytes.len() + 1));
        // A request is built as a reply is, so it gets far into the readers of replies.
        read_all(&Message::new(30, bytes.clone()));
        let _ = Kernel::new().execute(&[Request::new(30, 0).header(&bytes)]);
    }
}

/// Two ways to the same fake kernel.
struct Shared(Rc<RefCell<Kernel>>);

impl Transport for Shared {
    fn execute(&mut self, requests: &[Request]) -> Vec<Result<Vec<Message>, RequestError>> {
        self.0.borrow_mut().execute(requests)
    }

    fn dump(&mut self, request: &Request) -> Result<Vec<Message>, RequestError> {
        self.0.borrow_mut().dump(request)
    }
}

#[test]
fn what_nothing_here_can_say_survives() {
    let kernel = Rc::new(RefCell::new(Kernel::new()));
    let mut client = Client::new(Shared(Rc::clone(&kernel)));
    foreign::survives(&mut Shared(kernel), &mut client);
}
