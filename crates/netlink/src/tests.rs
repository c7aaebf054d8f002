//! What we write reads back, and no bytes at all can make the readers panic.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::attribute::attributes;
use crate::message::{Frames, Message};
use crate::request::Request;

proptest! {
    #[test]
    fn attributes_round_trip(list in vec((0_u16..0x4000, vec(any::<u8>(), 0..300)), 0..20)) {
        let mut request = Request::new(1, 0);
        for (kind, payload) in &list {
            request = request.attribute(*kind, payload);
        }
        let read: Vec<_> =
            attributes(request.body()).map(|a| (a.kind(), a.payload().to_vec())).collect();
        prop_assert_eq!(read, list);
    }

    #[test]
    fn requests_round_trip_as_frames(
        list in vec((any::<u16>(), any::<u16>(), vec(any::<u8>(), 0..100)), 0..20),
        first in any::<u32>(),
    ) {
        let mut datagram = Vec::new();
        for (index, (kind, flags, body)) in (0..).zip(&list) {
            let request = Request::new(*kind, *flags).header(body);
            request.write(4, first.wrapping_add(index), &mut datagram);
        }
        let mut count = 0;
        for (frame, (kind, flags, body)) in Frames(&datagram).zip(&list) {
            prop_assert_eq!(frame.kind, *kind);
            prop_assert_eq!(frame.flags, flags | 5);
            prop_assert_eq!(frame.sequence, first.wrapping_add(count));
            prop_assert_eq!(&frame.body[..body.len()], &body[..]);
            count += 1;
        }
        prop_assert_eq!(usize::try_from(count).unwrap(), list.len());
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..400)) {
        for frame in Frames(&bytes) {
            let _ = frame.errno();
            if let Some((_, attributes)) = frame.to_message().split::<8>() {
                read_deep(attributes, 0);
            }
        }
        read_deep(attributes(&bytes), 0);
    }
}

fn read_deep(attributes: crate::Attributes<'_>, depth: usize) {
    for attribute in attributes {
        let _ = (
            attribute.u8(),
            attribute.u16(),
            attribute.u32(),
            attribute.text(),
        );
        if depth < 8 {
            read_deep(attribute.nested(), depth + 1);
        }
    }
}

#[test]
fn nested_attributes_read_back() {
    let request = Request::new(1, 0).nested(26, |outer| {
        outer.nested(2, |inner| inner.attribute(20, &1_u32.to_ne_bytes()))
    });
    let outer = attributes(request.body()).next().unwrap();
    assert_eq!(outer.kind(), 26);
    let inner = outer.nested().next().unwrap();
    assert_eq!(inner.kind(), 2);
    assert_eq!(inner.nested().next().unwrap().u32(), Some(1));
}

#[test]
fn text_ends_at_its_nul() {
    let request = Request::new(1, 0).attribute(3, b"eth0\0\0");
    assert_eq!(
        attributes(request.body()).next().unwrap().text(),
        Some("eth0")
    );
}

#[test]
fn a_short_body_does_not_split() {
    assert!(Message::new(1, vec![0; 7]).split::<8>().is_none());
    assert!(
        Message::new(1, vec![0; 8])
            .split::<8>()
            .is_some_and(|(_, mut a)| a.next().is_none())
    );
}
