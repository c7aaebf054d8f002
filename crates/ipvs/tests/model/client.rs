//! What the client makes of answers, and of their absence.

use locum_ipvs::fake::Kernel;
use locum_ipvs::*;
use locum_netlink::{Message, Request, RequestError};

fn web() -> ServiceKey {
    ServiceKey::tcp("192.0.2.1:80".parse().unwrap())
}

fn add_web() -> Op {
    Op::AddService(Service::new(web(), Scheduler::WLC))
}

fn server(number: u8) -> Destination {
    Destination::direct([10, 0, 0, number].into())
}

fn client() -> Client<Kernel> {
    Client::new(Kernel::new())
}

fn interface(name: &str) -> InterfaceName {
    InterfaceName::new(name).unwrap()
}

#[test]
fn each_change_of_many_batches_has_its_own_outcome() {
    let mut client = client();
    let mut ops = vec![add_web()];
    ops.extend((0..200).map(|n| Op::AddDestination(web(), server(n / 2))));
    let outcomes = client.apply(&ops);
    assert_eq!(outcomes.len(), 201);
    for (index, outcome) in outcomes.iter().enumerate().skip(1) {
        match outcome {
            Ok(()) => assert_eq!(index % 2, 1),
            Err(ApplyError::AlreadyExists) => assert_eq!(index % 2, 0),
            Err(error) => panic!("{index}: {error}"),
        }
    }
    assert_eq!(client.destinations(&web()).unwrap().len(), 100);
}

#[test]
fn the_same_number_is_told_apart_by_the_change() {
    let mut client = client();
    client.apply_one(add_web()).unwrap();
    let unknown = Scheduler::new("nosuch").unwrap();
    let no_scheduler = Op::AddService(Service::new(
        ServiceKey::udp("192.0.2.1:53".parse().unwrap()),
        unknown,
    ));
    let engine = PersistenceEngine::new("nosuch").unwrap();
    let no_engine = Service::new(web(), Scheduler::WLC).persistence_engine(engine);
    let other = ServiceKey::tcp("192.0.2.9:80".parse().unwrap());
    let absent = server(9).key(&web());
    let daemon = |name| Op::StartDaemon(SyncDaemon::new(Role::Backup, interface(name), 1));
    let v6 = Destination::direct("fd00::1".parse().unwrap());
    let ops = [
        no_scheduler,
        Op::EditService(no_engine),
        Op::EditDestination(web(), server(9)),
        Op::RemoveDestination(web(), absent),
        Op::DrainDestination(web(), absent, server(9).settings()),
        Op::RemoveService(other),
        Op::AddDestination(other, server(1)),
        Op::Zero(Some(other)),
        Op::StopDaemon(Role::Backup),
        daemon("nosuch"),
        daemon("lo"),
        daemon("lo"),
        add_web(),
        Op::AddDestination(web(), v6),
    ];
    let outcomes = client.apply(&ops);
    assert!(
        matches!(
            &outcomes[..],
            [
                Err(ApplyError::SchedulerNotFound),
                Err(ApplyError::SchedulerOrEngineNotFound),
                Err(ApplyError::DestinationNotFound),
                Err(ApplyError::DestinationNotFound),
                Err(ApplyError::DestinationNotFound),
                Err(ApplyError::ServiceNotFound),
                Err(ApplyError::ServiceNotFound),
                Err(ApplyError::ServiceNotFound),
                Err(ApplyError::DaemonNotFound),
                Err(ApplyError::InterfaceNotFound),
                Ok(()),
                Err(ApplyError::AlreadyExists),
                Err(ApplyError::AlreadyExists),
                Err(ApplyError::Invalid),
            ]
        ),
        "{outcomes:#?}"
    );
}

#[test]
fn a_module_loaded_anew_is_found_again() {
    let mut client = client();
    client.apply_one(add_web()).unwrap();
    client.transport().reload_module();
    assert_eq!(client.services().unwrap(), []);

    client.apply_one(add_web()).unwrap();
    client.transport().reload_module();
    let outcomes = client.apply(&[add_web(), Op::AddDestination(web(), server(1))]);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(client.destinations(&web()).unwrap().len(), 1);
}

#[test]
fn no_ipvs_is_told_with_the_cure() {
    let mut client = client();
    client.transport().remove_module();
    let error = client.info().unwrap_err();
    assert!(matches!(error, QueryError::ModuleMissing));
    assert!(error.to_string().contains("modprobe ip_vs"));
    let outcomes = client.apply(&[add_web(), Op::Flush]);
    let expected = matches!(
        outcomes[..],
        [
            Err(ApplyError::ModuleMissing),
            Err(ApplyError::NotAttempted)
        ]
    );
    assert!(expected, "{outcomes:?}");

    client.transport().reload_module();
    assert!(client.info().is_ok(), "found without a new client");
    client.transport().remove_module();
    let outcomes = client.apply(&[add_web(), Op::Flush]);
    let expected = matches!(
        outcomes[..],
        [
            Err(ApplyError::ModuleMissing),
            Err(ApplyError::ModuleMissing)
        ]
    );
    assert!(expected, "no scheduler is missing: {outcomes:?}");
    assert!(matches!(
        client.services().unwrap_err(),
        QueryError::ModuleMissing
    ));
}

#[test]
fn lost_answers_are_unknown_and_end_the_batches() {
    let mut client = client();
    client.apply_one(add_web()).unwrap();
    client.transport().lose_answers_after(3);
    let ops: Vec<Op> = (0..200)
        .map(|n| Op::AddDestination(web(), server(n)))
        .collect();
    let outcomes = client.apply(&ops);
    let count = |wanted: fn(&Result<(), ApplyError>) -> bool| {
        outcomes.iter().filter(|outcome| wanted(outcome)).count()
    };
    assert_eq!(count(Result::is_ok), 3);
    assert_eq!(count(|o| matches!(o, Err(ApplyError::Unknown))), 125);
    assert_eq!(count(|o| matches!(o, Err(ApplyError::NotAttempted))), 72);
}

#[test]
fn changes_that_are_made_up_meanwhile_have_the_same_outcomes() {
    let duplicates = (0..200).map(|n| Op::AddDestination(web(), server(n / 2)));
    let ops: Vec<Op> = std::iter::once(add_web()).chain(duplicates).collect();
    let spoilt: [fn(&mut Kernel); 3] = [
        |_| {},
        |kernel| kernel.lose_answers_after(3),
        |kernel| kernel.drop_privileges(),
    ];
    for spoil in spoilt {
        let (mut at_once, mut one_by_one) = (client(), client());
        spoil(at_once.transport());
        spoil(one_by_one.transport());
        let expected = at_once.apply(&ops);
        let mut told = Vec::new();
        one_by_one.apply_each(ops.clone(), |op, outcome| told.push((op, outcome)));
        let (all, outcomes): (Vec<Op>, Vec<_>) = told.into_iter().unzip();
        assert_eq!(all, ops);
        assert_eq!(format!("{outcomes:?}"), format!("{expected:?}"));
    }
}

#[test]
fn without_privilege_nothing_more_is_attempted() {
    let mut client = client();
    client.transport().drop_privileges();
    let outcomes = client.apply(&vec![add_web(); 300]);
    assert!(matches!(outcomes[0], Err(ApplyError::PermissionDenied)));
    assert!(matches!(outcomes[299], Err(ApplyError::NotAttempted)));
    assert!(matches!(
        client.timeouts(),
        Err(QueryError::PermissionDenied)
    ));
}

#[test]
fn a_missing_service_is_not_an_empty_one() {
    let mut client = client();
    assert!(matches!(
        client.destinations(&web()),
        Err(QueryError::ServiceNotFound)
    ));
    client.apply_one(add_web()).unwrap();
    assert_eq!(client.destinations(&web()).unwrap(), []);
}

#[test]
fn the_rest_is_read_and_written() {
    let mut client = client();
    let change = TimeoutChange {
        tcp_fin: Some(Seconds::new(7).unwrap()),
        ..TimeoutChange::default()
    };
    client.apply_one(Op::SetTimeouts(change)).unwrap();
    let timeouts = client.timeouts().unwrap();
    let seconds = [timeouts.tcp, timeouts.tcp_fin, timeouts.udp].map(|t| t.as_secs());
    assert_eq!(seconds, [900, 7, 300]);
    assert_eq!(client.info().unwrap().version, (1, 2, 1));

    let daemon = SyncDaemon::new(Role::Master, interface("lo"), 51);
    client.apply_one(Op::StartDaemon(daemon)).unwrap();
    let daemons = client.daemons().unwrap();
    assert_eq!(daemons[0].group, Some("224.0.0.81".parse().unwrap()));
    client.apply_one(Op::StopDaemon(Role::Master)).unwrap();
    assert_eq!(client.daemons().unwrap(), []);

    client.apply_one(add_web()).unwrap();
    client.apply_one(Op::Flush).unwrap();
    assert_eq!(client.services().unwrap(), []);
}

/// A kernel in which somebody else adds a service whenever destinations are read, so many times.
struct Restless {
    kernel: Kernel,
    changes: u8,
}

impl Transport for Restless {
    fn execute(&mut self, requests: &[Request]) -> Vec<Result<Vec<Message>, RequestError>> {
        self.kernel.execute(requests)
    }

    fn dump(&mut self, request: &Request) -> Result<Vec<Message>, RequestError> {
        const GET_DEST: u8 = 8;
        if self.changes > 0 && request.body()[0] == GET_DEST {
            self.changes -= 1;
            let key = ServiceKey::tcp(([198, 51, 100, self.changes], 80).into());
            let op = Op::AddService(Service::new(key, Scheduler::RR));
            let added = self
                .kernel
                .execute(&[wire::request::encode(request.kind(), &op)]);
            assert!(added[0].is_ok());
        }
        self.kernel.dump(request)
    }
}

#[test]
fn a_snapshot_is_of_one_moment() {
    let snapshot = |changes| {
        let kernel = Kernel::new();
        let mut client = Client::new(Restless { kernel, changes });
        client.apply_one(add_web()).unwrap();
        client.snapshot()
    };
    assert_eq!(snapshot(3).unwrap().iter().count(), 4);
    assert!(matches!(snapshot(200), Err(QueryError::Changing)));
}

#[test]
fn the_async_client_does_whole_jobs() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let ipvs = AsyncClient::start(&Namespace::default(), || Ok(client())).unwrap();
        let outcomes = ipvs.apply(vec![add_web(), add_web()]).await.unwrap();
        assert!(matches!(
            outcomes[..],
            [Ok(()), Err(ApplyError::AlreadyExists)]
        ));
        let snapshot = ipvs.clone().snapshot().await.unwrap().unwrap();
        let changes = ipvs
            .run(move |client| {
                let ops = plan(&Table::new(), &snapshot);
                client.apply(&ops);
                (ops.len(), client.services().unwrap().len())
            })
            .await;
        assert_eq!(changes, Ok((1, 0)));
    });
}
