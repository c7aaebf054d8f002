//! Decoding, and encoding into a reserved buffer, allocate nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::IpAddr;

use locum_vrrp_wire::{
    AdvertInterval, Advertisement, AdvertisementView, Priority, PseudoHeader, Vrid,
};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting what each thread asks it for.
struct Counting;

#[expect(unsafe_code, reason = "a global allocator is the only way to count")]
// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `realloc`, and the pointer is the system's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

#[test]
fn decoding_and_encoding_allocate_nothing() {
    let (v2, v3) = (
        AdvertInterval::v2(1).unwrap(),
        AdvertInterval::v3(100).unwrap(),
    );
    let v4 = ["192.0.2.10", "192.0.2.2", "224.0.0.18"];
    let v6 = ["fe80::10", "fe80::2", "ff02::12"];
    for (interval, addresses) in [(v2, v4), (v3, v4), (v3, v6)] {
        let [address, source, destination] =
            addresses.map(|address| address.parse::<IpAddr>().unwrap());
        let packet = PseudoHeader::new(source, destination).unwrap();
        let vrid = Vrid::new(1).unwrap();
        let mut sent =
            Advertisement::new(vrid, Priority::DEFAULT, interval, [address; 20]).unwrap();
        let mut message = Vec::with_capacity(sent.encoded_len());
        let counted = allocations(|| {
            sent.set_priority(Priority::STOP);
            sent.encode_into(&packet, &mut message).unwrap();
            let view = AdvertisementView::new_checked(&message, &packet).unwrap();
            assert!(view.addresses().eq([address; 20]));
            assert_eq!(view.priority(), Priority::STOP);
        });
        assert_eq!(counted, 0, "{interval:?}");
    }
}
