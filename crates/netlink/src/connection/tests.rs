use super::*;

const RTM_DELADDR: u16 = 21;
const RTM_GETLINK: u16 = 18;

/// Fails for everybody: there is no such interface.
fn refused() -> Request {
    let mut header = [2, 32, 0, 0, 0, 0, 0, 0];
    header[4..].copy_from_slice(&i32::MAX.to_ne_bytes());
    Request::new(RTM_DELADDR, 0)
        .header(&header)
        .attribute(2, &[192, 0, 2, 1])
}

fn link_one() -> Request {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&1_i32.to_ne_bytes());
    Request::new(RTM_GETLINK, 0).header(&header)
}

fn open(limits: Limits) -> Connection {
    Connection::open(Family::Route, limits).unwrap()
}

#[test]
fn every_request_has_its_own_answer() {
    let requests: Vec<_> = (0..300)
        .map(|i| if i % 3 == 0 { refused() } else { link_one() })
        .collect();
    let answers = open(Limits::default()).execute(&requests);
    assert_eq!(answers.len(), 300);
    for (index, answer) in answers.iter().enumerate() {
        match answer {
            Ok(messages) => {
                assert_ne!(index % 3, 0);
                assert_eq!(messages.len(), 1, "RTM_NEWLINK of lo");
            }
            Err(error) => {
                assert_eq!(index % 3, 0);
                assert!(error.errno().is_some());
            }
        }
    }
}

#[test]
fn an_overflow_leaves_the_rest_unknown_and_the_connection_usable() {
    let mut connection = open(Limits {
        receive_buffer: 1,
        ..Limits::default()
    });
    let answers = connection.execute(&vec![refused(); MAX_BATCH]);
    let known = answers
        .iter()
        .take_while(|answer| answer.as_ref().unwrap_err().errno().is_some());
    let known = known.count();
    assert!((1..MAX_BATCH).contains(&known), "{known} answers fitted");
    assert!(
        answers
            .iter()
            .skip(known)
            .all(|a| matches!(a, Err(RequestError::Unknown)))
    );

    let answers = connection.execute(&[refused()]);
    assert!(answers[0].as_ref().unwrap_err().errno().is_some());
}

#[test]
fn nothing_is_sent_after_the_deadline() {
    let mut connection = open(Limits {
        timeout: Duration::ZERO,
        ..Limits::default()
    });
    let answers = connection.execute(&[link_one()]);
    assert!(matches!(answers[..], [Err(RequestError::NotSent(_))]));
}

#[test]
fn a_request_that_cannot_be_expressed_is_not_sent() {
    let huge = link_one().nested(1, |inner| inner.attribute(2, &vec![0; 70_000]));
    let answers = open(Limits::default()).execute(&[huge]);
    assert!(matches!(answers[..], [Err(RequestError::NotSent(_))]));
}

#[test]
fn batches_are_bounded_in_number_and_in_bytes() {
    assert_eq!(batch_length(&vec![link_one(); 500]), MAX_BATCH);
    let large = link_one().attribute(1, &[0; 40_000]);
    assert_eq!(batch_length(&[large.clone(), large]), 1);
    assert_eq!(batch_length(&[]), 0);
}

#[test]
fn both_families_dump() {
    let links = open(Limits::default()).dump(&Request::new(RTM_GETLINK, 0).header(&[0; 16]));
    assert!(!links.unwrap().is_empty());

    let controller = Request::new(16, 0).header(&[3, 1, 0, 0]);
    let mut generic = Connection::open(Family::Generic, Limits::default()).unwrap();
    assert!(!generic.dump(&controller).unwrap().is_empty());
}

#[test]
fn a_refused_dump_is_an_error() {
    let nowhere = Request::new(22, 0).header(&[2, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f]);
    let error = open(Limits::default()).dump(&nowhere).unwrap_err();
    assert_eq!(error.errno(), Some(19), "ENODEV: {error}");
}

#[test]
fn an_interrupted_dump_is_noticed() {
    let frame = |kind, flags, body| Frame {
        kind,
        flags,
        sequence: 7,
        body,
    };
    let mut dump = Dump {
        sequence: 7,
        interrupted: false,
        read: Vec::new(),
    };
    let read = &mut |message: Message| message.kind();
    assert!(dump.take(frame(RTM_GETLINK, 2, &[]), read).is_none());
    assert!(!dump.interrupted);
    let interrupted = frame(RTM_GETLINK, 2 | DUMP_INTERRUPTED, &[]);
    assert!(dump.take(interrupted, read).is_none());
    let stale = Frame {
        sequence: 6,
        ..frame(DONE, 0, &[0; 4])
    };
    assert!(dump.take(stale, read).is_none());
    let end = dump.take(frame(DONE, 2, &[0; 4]), read);
    assert!(matches!(end, Some(Ok(()))));
    assert!(dump.interrupted);
    assert_eq!(dump.read, [RTM_GETLINK; 2]);
}
