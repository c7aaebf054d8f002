//! What another program may have put in the table, though nothing here could say it.

use locum_ipvs::wire::{reply, request};
use locum_ipvs::*;
use locum_netlink::Request;

const NEW_SERVICE: u8 = 1;
const NEW_DEST: u8 = 5;

/// A service of protocol 50 with a mask that has a hole, and a destination of method 5 and tunnel type 9.
fn put(transport: &mut impl Transport) {
    let answer = transport.execute(&[request::family()]).pop().unwrap();
    let family = reply::family_id(&answer.unwrap()[0]).unwrap();
    let message = |command| Request::new(family, 0).header(&[command, 1, 0, 0]);
    let identity = |request: Request| {
        request
            .attribute(1, &2_u16.to_ne_bytes())
            .attribute(2, &50_u16.to_ne_bytes())
            .attribute(3, &[192, 0, 2, 10])
            .attribute(4, &80_u16.to_be_bytes())
    };
    let service = message(NEW_SERVICE).nested(1, |request| {
        identity(request)
            .attribute(6, b"rr\0")
            .attribute(7, &[0xff; 8])
            .attribute(8, &60_u32.to_ne_bytes())
            .attribute(9, &[255, 0, 255, 0])
    });
    let destination = message(NEW_DEST).nested(1, identity).nested(2, |request| {
        request
            .attribute(1, &[10, 0, 0, 1])
            .attribute(2, &81_u16.to_be_bytes())
            .attribute(3, &5_u32.to_ne_bytes())
            .attribute(4, &7_u32.to_ne_bytes())
            .attribute(5, &0_u32.to_ne_bytes())
            .attribute(6, &0_u32.to_ne_bytes())
            .attribute(13, &[9])
            .attribute(14, &6080_u16.to_be_bytes())
            .attribute(15, &0xfff_u16.to_ne_bytes())
    });
    for answer in transport.execute(&[service, destination]) {
        answer.unwrap();
    }
}

/// It is read, drained without a change to the rest, and removed.
pub(crate) fn survives<T: Transport>(transport: &mut impl Transport, client: &mut Client<T>) {
    put(transport);
    let snapshot = client.snapshot().unwrap();
    let actual = snapshot.iter().next().unwrap();
    let settings = &actual.service.settings;
    assert_eq!(actual.service.key.to_string(), "protocol 50 192.0.2.10:80");
    assert_eq!((settings.flags, settings.timeout), (0x3d, 60));
    assert_eq!(settings.netmask, Netmask::V4([255, 0, 255, 0].into()));
    let (key, before) = actual.destinations.iter().next().unwrap();
    assert_eq!(before.settings.forward.to_string(), "method 5");
    assert_eq!(
        (before.settings.weight, before.settings.tunnel_type),
        (7, 9)
    );

    let service = actual.service.key;
    let drain = Op::DrainDestination(service, *key, before.settings);
    client.apply_one(drain).unwrap();
    let after = client.destinations(&service).unwrap()[0].settings;
    assert_eq!(after.weight, 0);
    assert_eq!(
        (after.forward, after.tunnel_type),
        (before.settings.forward, 9)
    );
    assert_eq!(
        (after.tunnel_port, after.tunnel_flags),
        (6080, before.settings.tunnel_flags)
    );

    for op in plan(&Table::new(), &client.snapshot().unwrap()) {
        client.apply_one(op).unwrap();
    }
    assert_eq!(client.snapshot().unwrap(), Snapshot::default());
}
