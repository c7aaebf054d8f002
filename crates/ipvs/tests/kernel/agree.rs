//! Arbitrary changes have the same outcome in the kernel as in the fake one, and plans lead to their end in it.

use std::mem::discriminant;

use locum_ipvs::fake::Kernel;
use locum_ipvs::{ApplyError, Client, Op, Snapshot, plan};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};

use crate::strategies;
use crate::support::client;

/// The same cases each time: what differs between kernels should not differ between runs.
fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

pub(crate) fn changes_end_as_in_the_fake_kernel() {
    let check = |ops: Vec<Op>| -> TestCaseResult {
        let (mut real, mut fake) = (client(), Client::new(Kernel::new()));
        real.apply_one(Op::Flush).unwrap();
        for (op, (real, fake)) in ops
            .iter()
            .zip(real.apply(&ops).iter().zip(fake.apply(&ops)))
        {
            let same = match (real, &fake) {
                (Ok(()), Ok(())) => true,
                (Err(real), Err(fake)) => discriminant::<ApplyError>(real) == discriminant(fake),
                (Ok(()), Err(_)) | (Err(_), Ok(())) => false,
            };
            prop_assert!(same, "{:?}: {:?}, the fake kernel: {:?}", op, real, fake);
        }
        prop_assert_eq!(real.snapshot().unwrap(), fake.snapshot().unwrap());
        Ok(())
    };
    runner(200)
        .run(&vec(strategies::op(), 1..40), check)
        .unwrap();
}

pub(crate) fn plans_lead_from_table_to_table() {
    let tables = (strategies::table(), strategies::table());
    let check = |(before, after)| -> TestCaseResult {
        let mut client = client();
        client.apply_one(Op::Flush).unwrap();
        for table in [&before, &after, &before] {
            let ops = plan(table, &client.snapshot().unwrap());
            for (op, outcome) in ops.iter().zip(client.apply(&ops)) {
                prop_assert!(outcome.is_ok(), "{:?}: {:?}", op, outcome);
            }
            let result: Snapshot = client.snapshot().unwrap();
            prop_assert_eq!(plan(table, &result), vec![]);
        }
        Ok(())
    };
    runner(60).run(&tables, check).unwrap();
}
