//! The thread, its queue and its namespace.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use locum_netlink::{Engine, Family, Limits, Namespace, Request, Worker, WorkerError};

const SOON: Duration = Duration::from_secs(10);

fn counter() -> Worker<u32> {
    Worker::start("counter", &Namespace::default(), || Ok(0)).unwrap()
}

#[tokio::test]
async fn jobs_run_in_order_and_answer() {
    let worker = counter();
    for expected in 1..=100 {
        let seen = worker.run(|count| {
            *count += 1;
            *count
        });
        assert_eq!(seen.await, Ok(expected));
    }
    assert_eq!(worker.run_blocking(SOON, |count| *count), Ok(100));
}

#[tokio::test]
async fn a_dead_thread_is_an_error_for_every_caller() {
    let worker = counter();
    let (release, wait) = mpsc::channel::<()>();
    let blocker = worker.run(move |_| {
        wait.recv_timeout(SOON).ok();
        panic!("this test kills its worker")
    });
    let queued = worker.clone();
    let queued = async move { queued.run(|_| ()).await };
    let (first, second, ()) = tokio::join!(blocker, queued, async move {
        release.send(()).unwrap();
    });
    let first: Result<(), _> = first;
    assert_eq!(first, Err(WorkerError::Stopped));
    assert_eq!(second, Err(WorkerError::Stopped));
    assert_eq!(worker.run_blocking(SOON, |_| ()), Err(WorkerError::Stopped));
}

#[tokio::test]
async fn a_full_queue_refuses_and_an_abandoned_job_does_not_run() {
    let worker = counter();
    let (release, wait) = mpsc::channel::<()>();
    let (begun, begin) = mpsc::channel::<()>();
    let busy = worker.clone();
    let blocker = std::thread::spawn(move || {
        busy.run_blocking(SOON, move |_| {
            begun.send(()).unwrap();
            wait.recv_timeout(SOON).ok();
        })
    });
    begin.recv_timeout(SOON).unwrap();

    let refused = loop {
        // Polled once: the job is queued, and then nobody waits for it any more.
        let job = worker.run(|count| *count += 1);
        tokio::select! {
            biased;
            result = job => break result,
            () = std::future::ready(()) => {}
        }
    };
    assert_eq!(refused, Err(WorkerError::Busy));
    release.send(()).unwrap();
    assert_eq!(blocker.join().unwrap(), Ok(()));

    // The thread passes over them one by one: there need not be room at once.
    let room = async {
        loop {
            match worker.run(|count| *count).await {
                Err(WorkerError::Busy) => tokio::task::yield_now().await,
                answer => break answer,
            }
        }
    };
    assert_eq!(tokio::time::timeout(SOON, room).await, Ok(Ok(0)));
}

/// 255 VRIDs and two families on four interfaces, all of which take over at once.
#[tokio::test]
async fn a_request_of_each_of_two_thousand_routers_may_wait() {
    let worker = counter();
    let (release, wait) = mpsc::channel::<()>();
    let busy = worker.clone();
    let blocker = std::thread::spawn(move || {
        busy.run_blocking(SOON, move |_| {
            wait.recv_timeout(SOON).ok();
        })
    });
    let ask = |worker: Worker<u32>| async move { worker.run(|count| *count += 1).await };
    let waiting: Vec<_> = (0..2040)
        .map(|_| tokio::spawn(ask(worker.clone())))
        .collect();
    tokio::task::yield_now().await;
    release.send(()).unwrap();
    assert_eq!(blocker.join().unwrap(), Ok(()));
    for one in waiting {
        assert_eq!(one.await.unwrap(), Ok(()));
    }
}

#[test]
fn what_cannot_be_opened_is_reported() {
    let failed = Worker::<()>::start("x", &Namespace::default(), || {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    });
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::Unsupported);
    assert!(Namespace::open("/proc/no/such/namespace").is_err());
    let not_a_namespace = Namespace::open("/dev/null").unwrap();
    assert!(Engine::spawn(Family::Route, &not_a_namespace, Limits::default()).is_err());
}

#[tokio::test]
async fn an_engine_answers() {
    let engine = Engine::spawn(Family::Route, &Namespace::default(), Limits::default()).unwrap();
    let links = engine.run(|connection| connection.dump(&Request::new(18, 0).header(&[0; 16])));
    assert!(!links.await.unwrap().unwrap().is_empty());
}
