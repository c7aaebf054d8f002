//! Taking the places of a process that died as Master of all members.

use core::time::Duration;

use super::pair::Group;
use crate::config::Config;
use crate::election::tests::support::{BELOW, advert, config, ms};
use crate::interface::{Input, Link, State};

fn two() -> [Config; 2] {
    [config(150), config(150)]
}

fn adopt(group: &mut Group, ages: &[u64]) {
    let ages: Vec<Duration> = ages.iter().map(|age| ms(*age)).collect();
    group.group.adopt(group.now, ages);
}

#[test]
fn all_are_master_at_once() {
    let mut group = Group::ready(&two());
    adopt(&mut group, &[100, 1900]);
    assert_eq!(group.states(), [State::Master; 2]);
}

#[test]
fn none_is_where_one_is_too_late() {
    for ages in [&[100, 2000][..], &[2000, 100], &[100]] {
        let mut group = Group::ready(&two());
        adopt(&mut group, ages);
        assert_eq!(group.states(), [State::Backup; 2], "{ages:?}");
    }
}

#[test]
fn none_is_before_nothing_is_missing_to_any() {
    let mut group = Group::ready(&two());
    group.says(1, Input::Link(Link::Down));
    adopt(&mut group, &[100, 100]);
    assert_eq!(group.states(), [State::Backup, State::Fault]);
    let mut late = group.clone();
    group.pass(ms(1000));
    group.says(1, Input::Link(Link::Up));
    assert_eq!(group.states(), [State::Master; 2]);
    late.pass(ms(1900));
    late.says(1, Input::Link(Link::Up));
    assert_eq!(late.states(), [State::Backup; 2]);
}

#[test]
fn none_is_where_somebody_else_is_master_by_now() {
    let mut group = Group::ready(&two());
    group.says(1, Input::Link(Link::Down));
    adopt(&mut group, &[100, 100]);
    group.says(0, advert(BELOW, 100));
    group.says(1, Input::Link(Link::Up));
    assert_eq!(group.states(), [State::Backup; 2]);
}
