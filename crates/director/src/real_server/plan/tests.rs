use super::*;
use crate::machine::made_up::{add_interface, held, machine, set};

const VIP: &str = "192.0.2.10";

fn request(addresses: &[&str], method: Method) -> Request {
    Request {
        addresses: addresses.iter().map(|one| one.parse().unwrap()).collect(),
        method,
        interface: None,
    }
}

fn said(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

/// What the kernel would be like after `steps`.
fn act(machine: &mut Machine, steps: &[Step]) {
    for step in steps {
        match step.clone() {
            Step::AddAddress { interface, address } => {
                let net = IpNet::from(address);
                let place = machine.interfaces.get_mut(&interface).unwrap();
                place.addresses.push(held(&net.to_string()));
            }
            Step::AddTunnel { interface, .. } => {
                add_interface(machine, &interface, &[]);
                machine.interfaces.get_mut(&interface).unwrap().up = false;
            }
            Step::RemoveAddress { interface, address } => {
                let place = machine.interfaces.get_mut(&interface).unwrap();
                place.addresses.retain(|held| held.net.addr() != address);
            }
            Step::RemoveTunnel { interface, .. } => {
                machine.interfaces.remove(&interface).unwrap();
                let gone = Key::ipv4(&interface, "").to_string();
                machine
                    .sysctls
                    .retain(|key, _| !key.to_string().starts_with(&gone));
                let gone = Key::ipv6(&interface, "").to_string();
                machine
                    .sysctls
                    .retain(|key, _| !key.to_string().starts_with(&gone));
            }
            Step::SetLink { interface, to } => {
                machine.interfaces.get_mut(&interface).unwrap().up = to == Switch::On;
            }
            Step::SetSysctl { key, from, to } => {
                assert_eq!(machine.sysctls.insert(key, to), Some(from));
            }
        }
    }
}

/// Plans and acts until nothing is left to do.
fn bring_up(request: &Request, machine: &mut Machine, record: Record) -> (Vec<String>, Record) {
    let (mut steps, mut record) = (Vec::new(), record);
    for _ in 0..3 {
        let plan = up(request, machine, &record).unwrap();
        record = plan.record.clone();
        if plan.steps.is_empty() {
            break;
        }
        steps.extend(said(&plan));
        act(machine, &plan.steps);
    }
    (steps, record)
}

fn take_down(addresses: &[&str], machine: &mut Machine, record: &Record) -> (Plan, Record) {
    let addresses: Vec<IpAddr> = addresses.iter().map(|one| one.parse().unwrap()).collect();
    let plan = down(&addresses, machine, record).unwrap();
    act(machine, &plan.steps);
    let record = plan.record.clone();
    (plan, record)
}

#[test]
fn direct_routing_is_set_up_settings_first_and_undone_in_reverse() {
    let before = machine();
    let mut now = before.clone();
    let (steps, record) = bring_up(
        &request(&[VIP, "2001:db8::10"], Method::Direct),
        &mut now,
        Record::default(),
    );
    assert_eq!(
        steps,
        [
            "set net.ipv4.conf.all.arp_ignore = 1 (was 0)",
            "set net.ipv4.conf.all.arp_announce = 2 (was 0)",
            "set net.ipv4.conf.lo.arp_ignore = 1 (was 0)",
            "set net.ipv4.conf.lo.arp_announce = 2 (was 0)",
            "add 192.0.2.10 to lo",
            "add 2001:db8::10 to lo",
        ]
    );
    let (plan, record) = take_down(&[], &mut now, &record);
    assert_eq!(
        said(&plan).first().map(String::as_str),
        Some("remove 192.0.2.10 from lo")
    );
    assert_eq!(plan.notes, [""; 0]);
    assert!(record.is_empty());
    assert_eq!(now, before);
}

#[test]
fn a_second_up_changes_nothing_and_forgets_nothing() {
    let before = machine();
    let mut now = before.clone();
    let direct = request(&[VIP], Method::Direct);
    let (_, record) = bring_up(&direct, &mut now, Record::default());
    let (steps, again) = bring_up(&direct, &mut now, record.clone());
    assert_eq!(steps, [""; 0]);
    assert_eq!(again, record);
    // Somebody undoes a setting by hand: it is set again, and what was before stays known.
    set(&mut now, &Key::ipv4("all", "arp_ignore"), "3");
    let (steps, again) = bring_up(&direct, &mut now, again);
    assert_eq!(steps, ["set net.ipv4.conf.all.arp_ignore = 1 (was 3)"]);
    take_down(&[], &mut now, &again);
    assert_eq!(now, before);
}

#[test]
fn settings_are_restored_with_the_last_address() {
    let before = machine();
    let mut now = before.clone();
    let (_, record) = bring_up(
        &request(&[VIP], Method::Direct),
        &mut now,
        Record::default(),
    );
    let (steps, record) = bring_up(&request(&["192.0.2.11"], Method::Direct), &mut now, record);
    assert_eq!(steps, ["add 192.0.2.11 to lo"]);
    let (plan, record) = take_down(&[VIP], &mut now, &record);
    assert_eq!(said(&plan), ["remove 192.0.2.10 from lo"]);
    let (plan, record) = take_down(&["192.0.2.11"], &mut now, &record);
    assert_eq!(plan.steps.len(), 5);
    assert!(record.is_empty());
    assert_eq!(now, before);
}

#[test]
fn a_tunnel_is_made_and_its_reverse_path_loosened() {
    for (all, own, expected) in [
        ("0", "0", None),
        ("0", "1", Some("0")),
        ("1", "0", Some("2")),
        ("2", "1", None),
    ] {
        let mut before = machine();
        set(&mut before, &Key::ipv4("all", "rp_filter"), all);
        let mut now = before.clone();
        let tunnel = request(&[VIP], Method::Tunnel);
        let first = up(&tunnel, &now, &Record::default()).unwrap();
        assert_eq!(said(&first), ["make the interface tunl0 (ipip)"]);
        act(&mut now, &first.steps);
        set(&mut now, &Key::ipv4("tunl0", "rp_filter"), own);
        let (steps, record) = bring_up(&tunnel, &mut now, first.record);
        let loosened =
            expected.map(|to| format!("set net.ipv4.conf.tunl0.rp_filter = {to} (was {own})"));
        assert_eq!(
            steps.iter().find(|step| step.contains("rp_filter")),
            loosened.as_ref()
        );
        assert_eq!(
            steps.last_chunk::<2>().unwrap().as_slice(),
            ["set tunl0 up", "add 192.0.2.10 to tunl0"]
        );
        let (_, record) = take_down(&[VIP], &mut now, &record);
        assert!(record.is_empty());
        assert_eq!(now, before, "all {all}, own {own}");
    }
}

#[test]
fn a_tunnel_that_was_there_stays() {
    let mut before = machine();
    add_interface(&mut before, "tunl0", &[]);
    before.interfaces.get_mut("tunl0").unwrap().up = false;
    let mut now = before.clone();
    let (_, record) = bring_up(
        &request(&[VIP], Method::Tunnel),
        &mut now,
        Record::default(),
    );
    assert!(now.interfaces["tunl0"].up);
    let mut elsewhere = now.clone();
    take_down(&[], &mut now, &record);
    assert_eq!(now, before);
    // Somebody uses it too meanwhile.
    let place = elsewhere.interfaces.get_mut("tunl0").unwrap();
    place.addresses.push(held("198.51.100.1/32"));
    let (plan, _) = take_down(&[], &mut elsewhere, &record);
    assert!(elsewhere.interfaces["tunl0"].up);
    assert_eq!(
        plan.notes,
        ["tunl0 stays up: there are other addresses on it"]
    );
}

#[test]
fn what_an_administrator_did_is_left_alone() {
    let mut before = machine();
    let lo = before.interfaces.get_mut("lo").unwrap();
    lo.addresses.push(held("192.0.2.10/32"));
    for key in [
        Key::ipv4("all", "arp_ignore"),
        Key::ipv4("lo", "arp_ignore"),
    ] {
        set(&mut before, &key, "2");
    }
    let mut now = before.clone();
    let (steps, record) = bring_up(
        &request(&[VIP], Method::Direct),
        &mut now,
        Record::default(),
    );
    assert_eq!(
        steps,
        [
            "set net.ipv4.conf.all.arp_announce = 2 (was 0)",
            "set net.ipv4.conf.lo.arp_announce = 2 (was 0)",
        ]
    );
    set(&mut now, &Key::ipv4("lo", "arp_announce"), "1");
    let (plan, record) = take_down(&[VIP], &mut now, &record);
    assert_eq!(
        plan.notes,
        [
            "192.0.2.10 stays on lo: it was there before",
            "net.ipv4.conf.lo.arp_announce stays 1: somebody has changed it since (it was 0, then 2)",
        ]
    );
    assert!(record.is_empty());
    set(&mut before, &Key::ipv4("lo", "arp_announce"), "1");
    assert_eq!(now, before);
}

#[test]
fn an_address_removed_by_hand_is_no_obstacle() {
    let before = machine();
    let mut now = before.clone();
    let (_, record) = bring_up(
        &request(&[VIP], Method::Direct),
        &mut now,
        Record::default(),
    );
    let lo = now.interfaces.get_mut("lo").unwrap();
    lo.addresses.retain(|held| held.net.addr().is_loopback());
    let (plan, _) = take_down(&[VIP], &mut now, &record);
    assert_eq!(plan.notes, ["192.0.2.10 is not on lo any more"]);
    assert_eq!(now, before);
}

#[test]
fn what_cannot_work_is_refused() {
    let direct = request(&[VIP], Method::Direct);
    let address: IpAddr = VIP.parse().unwrap();
    let with = |interface: &str, net: &str| {
        let mut machine = machine();
        let place = machine.interfaces.get_mut(interface).unwrap();
        place.addresses.push(held(net));
        up(&direct, &machine, &Record::default())
    };
    assert_eq!(
        with("eth0", "192.0.2.10/32"),
        Err(PlanError::Elsewhere {
            address,
            interface: "eth0".to_owned()
        })
    );
    assert_eq!(
        with("lo", "192.0.2.10/24"),
        Err(PlanError::Prefix {
            net: "192.0.2.10/24".parse().unwrap(),
            interface: "lo".to_owned()
        })
    );
    let mut nowhere = direct.clone();
    nowhere.interface = Some("dummy7".to_owned());
    assert_eq!(
        up(&nowhere, &machine(), &Record::default()),
        Err(PlanError::NoSuchInterface("dummy7".to_owned()))
    );
    let mut now = machine();
    let (_, record) = bring_up(&direct, &mut now, Record::default());
    assert_eq!(
        up(&request(&[VIP], Method::Tunnel), &now, &record),
        Err(PlanError::OtherSetup {
            address,
            method: Method::Direct,
            interface: "lo".to_owned()
        })
    );
    let other = "192.0.2.99".parse().unwrap();
    assert_eq!(
        down(&[other], &now, &record),
        Err(PlanError::NotSetUp(other))
    );
    let unreadable = Machine {
        sysctls: BTreeMap::new(),
        ..machine()
    };
    let key = Key::ipv4("all", "arp_ignore");
    assert_eq!(
        up(&direct, &unreadable, &Record::default()),
        Err(PlanError::NoSuchSetting(key))
    );
}
