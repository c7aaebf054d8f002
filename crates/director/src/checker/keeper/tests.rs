use locum_ipvs::fake::Kernel;
use locum_ipvs::{Destination, InterfaceName, Scheduler, Service, Weight};

use super::*;

fn keeper(foreign: Foreign) -> Keeper<Kernel> {
    let mut keeper = Keeper::new(Client::new(Kernel::new()), Record::default());
    keeper.foreign = foreign;
    keeper
}

fn key(port: u16) -> ServiceKey {
    ServiceKey::tcp(([192, 0, 2, 1], port).into())
}

fn destination(last: u8) -> Destination {
    Destination::direct([192, 0, 2, last].into())
}

/// A service at each port, with the servers 192.0.2.`last`.
fn table(ports: &[u16], servers: &[u8]) -> Arc<Table> {
    let mut table = Table::new();
    for port in ports {
        let service = Service::new(key(*port), Scheduler::WLC);
        let servers = servers.iter().map(|last| destination(*last));
        table.insert(service, servers).unwrap();
    }
    Arc::new(table)
}

fn kernel_has(keeper: &mut Keeper<Kernel>, table: &Table) -> bool {
    keeper.client().snapshot().unwrap() == table.to_snapshot()
}

#[test]
fn the_first_time_it_reads_and_afterwards_it_trusts() {
    let mut keeper = keeper(Foreign::Keep);
    let first = table(&[80], &[21, 22]);
    let outcome = keeper.pursue(&first, &Finishing::new(), Look::Trust);
    assert!(outcome.is_complete() && outcome.read.is_some());
    assert_eq!(outcome.made, 3);
    let before = keeper.client().transport().requests();
    let outcome = keeper.pursue(&table(&[80], &[21]), &Finishing::new(), Look::Trust);
    assert!(outcome.is_complete() && outcome.read.is_none());
    assert_eq!(keeper.client().transport().requests() - before, 1);
    assert!(kernel_has(&mut keeper, &table(&[80], &[21])));
}

#[test]
fn what_others_did_is_undone_and_told_apart() {
    let mut keeper = keeper(Foreign::Keep);
    let before = table(&[80], &[21, 22]);
    keeper.pursue(&before, &Finishing::new(), Look::Read);
    let server = destination(21).weight(Weight::new(7).unwrap());
    let done = keeper
        .client()
        .apply_one(Op::EditDestination(key(80), server));
    assert!(done.is_ok());
    let after = table(&[80], &[21, 22, 23]);
    let outcome = keeper.pursue(&after, &Finishing::new(), Look::Read);
    assert_eq!(
        outcome.drift,
        [Op::EditDestination(key(80), destination(21))]
    );
    assert_eq!(outcome.made, 2);
    assert!(kernel_has(&mut keeper, &after));
    assert!(keeper.client().apply_one(Op::Flush).is_ok());
    let outcome = keeper.pursue(&after, &Finishing::new(), Look::Read);
    assert_eq!(outcome.drift.len(), 4);
    assert!(kernel_has(&mut keeper, &after));
    assert!(
        keeper
            .pursue(&after, &Finishing::new(), Look::Read)
            .drift
            .is_empty()
    );
}

#[test]
fn services_of_others_stay_unless_the_table_is_the_directors() {
    for (foreign, stay) in [(Foreign::Keep, true), (Foreign::Remove, false)] {
        let mut keeper = keeper(foreign);
        let other = Service::new(key(22), Scheduler::RR);
        assert!(keeper.client().apply_one(Op::AddService(other)).is_ok());
        keeper.pursue(&table(&[80], &[21]), &Finishing::new(), Look::Read);
        assert_eq!(keeper.client().service(&key(22)).is_ok(), stay);
        assert!(keeper.clear().is_complete());
        assert_eq!(keeper.client().service(&key(22)).is_ok(), stay);
        assert!(keeper.client().service(&key(80)).is_err());
    }
}

#[test]
fn what_an_earlier_run_left_is_inherited_or_removed() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = Keeper::new(Client::new(Kernel::new()), Record::open(directory.path()));
    first.pursue(&table(&[80, 443], &[21]), &Finishing::new(), Look::Read);
    // The process dies; the kernel and the file stay.
    let mut second = Keeper::new(first.client, Record::open(directory.path()));
    let inherited = second.inherited(&[key(80)]).unwrap();
    assert_eq!(inherited.iter().count(), 1);
    second.pursue(&table(&[80], &[21]), &Finishing::new(), Look::Read);
    assert!(kernel_has(&mut second, &table(&[80], &[21])));
}

#[test]
fn an_answer_that_is_lost_is_a_doubt() {
    let mut keeper = keeper(Foreign::Keep);
    keeper.pursue(&table(&[80], &[21]), &Finishing::new(), Look::Read);
    keeper.client().transport().lose_answers_after(0);
    let wanted = table(&[80], &[21, 22]);
    assert!(
        !keeper
            .pursue(&wanted, &Finishing::new(), Look::Trust)
            .is_complete()
    );
    let outcome = keeper.pursue(&wanted, &Finishing::new(), Look::Trust);
    assert!(outcome.is_complete() && outcome.read.is_some());
    assert_eq!(outcome.drift, []);
    assert!(kernel_has(&mut keeper, &wanted));
}

#[test]
fn a_kernel_without_ipvs_is_told_and_tried_again() {
    let mut keeper = keeper(Foreign::Keep);
    keeper.client().transport().remove_module();
    let wanted = table(&[80], &[21]);
    let outcome = keeper.pursue(&wanted, &Finishing::new(), Look::Trust);
    assert!(matches!(outcome.unread, Some(QueryError::ModuleMissing)));
    keeper.client().transport().reload_module();
    assert!(
        keeper
            .pursue(&wanted, &Finishing::new(), Look::Trust)
            .is_complete()
    );
    assert!(kernel_has(&mut keeper, &wanted));
}

#[test]
fn daemons_follow_what_is_wanted() {
    let mut keeper = keeper(Foreign::Keep);
    let lo = InterfaceName::new("lo").unwrap();
    let daemon = |role, id| SyncDaemon::new(role, lo.clone(), id);
    let (master, backup) = (daemon(Role::Master, 51), daemon(Role::Backup, 51));
    let both = [master.clone(), backup.clone()];
    assert_eq!(
        keeper
            .pursue_daemons(std::slice::from_ref(&backup))
            .unwrap(),
        [Op::StartDaemon(backup.clone())]
    );
    assert_eq!(
        keeper.pursue_daemons(&both).unwrap(),
        [Op::StartDaemon(master)]
    );
    assert_eq!(keeper.pursue_daemons(&both).unwrap(), []);
    let other = daemon(Role::Master, 52);
    assert_eq!(
        keeper.pursue_daemons(std::slice::from_ref(&other)).unwrap(),
        [
            Op::StopDaemon(Role::Backup),
            Op::StopDaemon(Role::Master),
            Op::StartDaemon(other)
        ]
    );
    assert_eq!(
        keeper.pursue_daemons(&[]).unwrap(),
        [Op::StopDaemon(Role::Master)]
    );
    let nowhere = SyncDaemon::new(Role::Master, InterfaceName::new("eth9").unwrap(), 1);
    assert!(keeper.pursue_daemons(&[nowhere]).is_err());
}

#[test]
fn what_may_finish_its_connections_is_drained_first() {
    let mut keeper = keeper(Foreign::Keep);
    keeper.pursue(&table(&[80], &[21, 22]), &Finishing::new(), Look::Read);
    let left = destination(22).key(&key(80));
    let finishing = Finishing::from([(key(80), left)]);
    let wanted = table(&[80], &[21]);
    keeper.believed = None;
    assert_eq!(keeper.pursue(&wanted, &finishing, Look::Read).made, 1);
    let entries = keeper.client().destinations(&key(80)).unwrap();
    assert!(
        entries
            .iter()
            .any(|entry| entry.key == left && entry.settings.weight == 0)
    );
    let outcome = keeper.pursue(&wanted, &finishing, Look::Read);
    assert_eq!((outcome.made, outcome.drift), (0, vec![]));
    keeper.pursue(&wanted, &Finishing::new(), Look::Read);
    assert!(kernel_has(&mut keeper, &wanted));
}

#[test]
fn an_empty_table_is_filled_piece_by_piece() {
    let directory = tempfile::tempdir().unwrap();
    let mut keeper = Keeper::new(Client::new(Kernel::new()), Record::open(directory.path()));
    let pieces = [80, 443].map(|port| Table::clone(&table(&[port], &[21, 22])));
    let outcome = keeper.fill(&[key(80), key(443)], pieces);
    assert!(outcome.is_complete() && outcome.read.is_some());
    assert_eq!(outcome.made, 6);
    let whole = table(&[80, 443], &[21, 22]);
    assert!(kernel_has(&mut keeper, &whole));
    // Should it die now, its successor knows what is its own.
    let record = Record::open(directory.path());
    assert!(record.has(&key(80)) && record.has(&key(443)));

    keeper.believe(&whole, &outcome);
    let outcome = keeper.pursue(&whole, &Finishing::new(), Look::Trust);
    assert_eq!((outcome.made, outcome.read), (0, None));
    assert!(keeper.clear().is_complete());
    assert!(kernel_has(&mut keeper, &Table::new()));
}

#[test]
fn what_a_filling_lacks_is_a_doubt() {
    let mut keeper = keeper(Foreign::Keep);
    keeper.client().transport().lose_answers_after(0);
    let whole = table(&[80], &[21, 22]);
    let outcome = keeper.fill(&[key(80)], [Table::clone(&whole)]);
    assert!(!outcome.is_complete());
    keeper.believe(&whole, &outcome);
    let outcome = keeper.pursue(&whole, &Finishing::new(), Look::Trust);
    assert!(outcome.is_complete() && outcome.read.is_some());
    assert!(kernel_has(&mut keeper, &whole));
}

#[test]
fn what_was_only_filled_is_cleared() {
    let directory = tempfile::tempdir().unwrap();
    let mut keeper = Keeper::new(Client::new(Kernel::new()), Record::open(directory.path()));
    keeper.fill(&[key(80)], [Table::clone(&table(&[80], &[21]))]);
    assert!(keeper.clear().is_complete());
    assert!(kernel_has(&mut keeper, &Table::new()));
}
