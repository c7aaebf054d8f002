//! A sync group of two links: what happens to one of them moves both.

use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use locum_lab::{Director, Host, Keepalived, Lan, ProbeConfig, Prober, owners, wait_until};
use serde_json::json;

use crate::Result;
use crate::site::{Member, PATIENCE, Program};

/// The machine stalled during so many tries: give up.
const TRIES: usize = 4;

/// Two routers between two links, and a client on each.
struct Between {
    routers: [Host; 2],
    links: [Link; 2],
}

struct Link {
    interface: &'static str,
    lan: Lan,
    vip: IpAddr,
    client: Host,
}

impl Between {
    fn new() -> Result<Self> {
        let routers = [Host::new("router1")?, Host::new("router2")?];
        let link = |interface, number: u8| -> Result<Link> {
            let lan = Lan::bridge()?;
            let client = Host::new(&format!("client{number}"))?;
            lan.attach(&client, "eth0", &[net(number, 200)])?;
            for (router, last) in routers.iter().zip(1..) {
                lan.attach(router, interface, &[net(number, last)])?;
            }
            Ok(Link {
                interface,
                lan,
                vip: net(number, 50).addr(),
                client,
            })
        };
        let links = [link("eth0", 0)?, link("eth1", 1)?];
        Ok(Self { routers, links })
    }

    fn start(&self, router: &Host, priority: u8) -> Result<Director> {
        let mut toml =
            "[[sync_group]]\nname = \"site\"\nmembers = [\"eth0\", \"eth1\"]\n".to_owned();
        for Link { interface, vip, .. } in &self.links {
            toml += &format!(
                "[[virtual_router]]\nname = \"{interface}\"\ninterface = \"{interface}\"\nvrid = 51\n\
                 priority = {priority}\nadvert_interval = \"100ms\"\naddresses = [\"{vip}/24\"]\n"
            );
        }
        let program = Path::new(env!("CARGO_BIN_EXE_director"));
        let director = Director::start(router, program, &toml)?;
        director.wait_ready(PATIENCE)?;
        Ok(director)
    }

    fn start_either(&self, router: &Host, priority: u8, program: Program) -> Result<Member> {
        if program == Program::Director {
            return Ok(Member::Director(self.start(router, priority)?));
        }
        let mut text = "vrrp_sync_group site {\n group {\n eth0\n eth1\n }\n}\n".to_owned();
        for Link { interface, vip, .. } in &self.links {
            text += &format!(
                "vrrp_instance {interface} {{\n state BACKUP\n interface {interface}\n virtual_router_id 51\n \
                 version 3\n priority {priority}\n advert_int 0.10\n virtual_ipaddress {{\n {vip}/24\n }}\n}}\n"
            );
        }
        Ok(Member::Keepalived(Keepalived::start_with(router, &text)?))
    }

    fn probe(&self) -> Result<[Prober; 2]> {
        let start = |link: &Link| Prober::start(&link.client, link.vip, ProbeConfig::default());
        let [one, other] = &self.links;
        Ok([start(one)?, start(other)?])
    }

    /// Waits until both addresses are on this router and on no other, and both clients reach it.
    fn moves_to(&self, router: &Host, probers: &[Prober; 2]) -> Result {
        let hosts: Vec<&Host> = self.routers.iter().collect();
        let name = router.name();
        for (link, prober) in self.links.iter().zip(probers) {
            wait_until(&format!("{name} to own {}", link.vip), PATIENCE, || {
                let owners = owners(&hosts, link.vip);
                owners.iter().map(|host| host.name()).eq([name])
            })?;
            let mac = router.mac(link.interface);
            prober.wait_answered(prober.elapsed(), mac, PATIENCE)?;
        }
        Ok(())
    }
}

/// 10.77.`number`.`last`/24.
fn net(number: u8, last: u8) -> IpNet {
    IpNet::new_assert([10, 77, number, last].into(), 24)
}

/// What the status says of the group.
fn group(director: &Director) -> Result<serde_json::Value> {
    let status = director.status()?;
    let mut group = status
        .pointer("/sync_groups/0")
        .ok_or("no sync group")?
        .clone();
    if let Some(fields) = group.as_object_mut() {
        fields.remove("state_for_ms").ok_or("no time in state")?;
    }
    Ok(group)
}

#[test]
fn both_links_move_when_one_is_lost_and_a_stop_loses_nothing() -> Result {
    let site = Between::new()?;
    let ([one, two], [_, broken]) = (&site.routers, &site.links);
    let probers = site.probe()?;
    let [on_sound, on_broken] = &probers;
    let second = site.start(two, 100)?;
    site.moves_to(two, &probers)?;
    for _ in 0..TRIES {
        let from = on_sound.elapsed();
        let first = site.start(one, 150)?;
        site.moves_to(one, &probers)?;
        let expected = json!({
            "name": "site", "members": ["eth0", "eth1"], "state": "master", "held_back_by": [],
        });
        assert_eq!(group(&first)?, expected);

        broken.lan.cut(one)?;
        site.moves_to(two, &probers)?;
        // The sound one may be master again after its wait, but for the other.
        let expected = json!(["eth1"]);
        wait_until(
            "the first to be held back by its lost link",
            PATIENCE,
            || {
                group(&first).is_ok_and(|group| {
                    group["state"] == "fault" && group["held_back_by"] == expected
                })
            },
        )?;
        assert_eq!(group(&second)?["state"], "master");

        broken.lan.heal(one)?;
        site.moves_to(one, &probers)?;
        let whole = on_broken.elapsed();
        first.stop(PATIENCE)?;
        site.moves_to(two, &probers)?;

        // The sound link hands over before it lets go, and so does the other one when it is whole again.
        let sound = on_sound.report_since(from);
        let lost = on_broken.report_since(whole);
        if sound.lost_in_outages() + lost.lost_in_outages() == 0 {
            return Ok(());
        }
        assert!(
            !(sound.is_undisturbed() && lost.is_undisturbed()),
            "probes lost: {:?}, {:?}",
            sound.outages,
            lost.outages
        );
    }
    Err(format!("this machine stalled in each of {TRIES} tries").into())
}

/// The better one on router 1, opposite the other one's group of the same two links.
fn life_of_two_groups(better: Program, other: Program) -> Result {
    let site = Between::new()?;
    let ([one, two], [sound, broken]) = (&site.routers, &site.links);
    let probers = site.probe()?;
    let _second = site.start_either(two, 100, other)?;
    let first = site.start_either(one, 150, better)?;
    site.moves_to(one, &probers)?;
    for lost in [&sound.lan, &broken.lan] {
        lost.cut(one)?;
        site.moves_to(two, &probers)?;
        lost.heal(one)?;
        site.moves_to(one, &probers)?;
    }
    first.stop()?;
    site.moves_to(two, &probers)
}

#[test]
fn opposite_the_group_of_a_keepalived() -> Result {
    life_of_two_groups(Program::Director, Program::Keepalived)
}

#[test]
fn opposite_the_group_of_a_better_keepalived() -> Result {
    life_of_two_groups(Program::Keepalived, Program::Director)
}
