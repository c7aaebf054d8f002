use locum_ipvs::wire::{reply, request};
use locum_ipvs::{DestinationEntry, IpFamily, Op, ServiceKey};
use locum_netlink::{Attributes, Message, attributes};

/// What the kernel says is read or refused; the requests about an entry that was read are whole.
///
/// The first byte is the type of the message, the rest its body.
pub fn ipvs_reply(bytes: &[u8]) {
    let Some((kind, body)) = bytes.split_first() else {
        return;
    };
    let message = Message::new((*kind).into(), body.to_vec());
    let _ = reply::family_id(&message);
    let _ = reply::timeouts(&message);
    let _ = reply::info(&message);
    let _ = reply::daemon(&message);

    if let Ok(service) = reply::service(&message) {
        is_asked_and_removed(service.key);
    }
    for family in [IpFamily::V4, IpFamily::V6] {
        if let Ok(destination) = reply::destination(&message, family) {
            is_drained_and_removed(family, &destination);
        }
    }
}

fn is_asked_and_removed(key: ServiceKey) {
    for request in [
        request::service(1, &key),
        request::destinations(1, &key),
        request::encode(1, &Op::RemoveService(key)),
        request::encode(1, &Op::Zero(Some(key))),
    ] {
        is_whole(request.body());
    }
}

fn is_drained_and_removed(family: IpFamily, destination: &DestinationEntry) {
    let mark = std::num::NonZeroU32::MIN;
    let service = ServiceKey::FirewallMark { family, mark };
    for op in [
        Op::DrainDestination(service, destination.key, destination.settings),
        Op::RemoveDestination(service, destination.key),
    ] {
        is_whole(request::encode(1, &op).body());
    }
}

/// A generic netlink header, and then nested attributes that fill the message to its end.
fn is_whole(body: &[u8]) {
    let (_, rest) = body.split_first_chunk::<4>().expect("a header");
    let length = |attributes: Attributes<'_>| -> usize {
        attributes
            .map(|attribute| 4 + attribute.payload().len().next_multiple_of(4))
            .sum()
    };
    assert_eq!(length(attributes(rest)), rest.len());
    for nest in attributes(rest) {
        assert_eq!(length(nest.nested()), nest.payload().len());
    }
}
