//! What somebody else does to the address.

use std::process::Command;

use locum_lab::wait_until;

use crate::Result;
use crate::site::{Form, PATIENCE, Program, Router, Site};

#[test]
fn an_address_that_somebody_removes_is_put_back_and_counted() -> Result {
    let site = Site::new(1)?;
    let router = Router::new(Form::V3);
    let member = site.start(1, Program::Director, &router)?;
    site.wait_owner(1, &router)?;
    for net in &router.addresses {
        site.host(1)?.ip(&format!("address del {net} dev eth0"))?;
    }
    site.wait_owner(1, &router)?;
    let restored = || {
        let status = member.director().ok()?.status().ok()?;
        status
            .pointer("/routers/0/counters/addresses_restored")?
            .as_u64()
    };
    wait_until("the repair to be counted", PATIENCE, || {
        restored() >= Some(1)
    })?;
    Ok(())
}

#[test]
fn an_address_of_the_administrator_is_not_touched() -> Result {
    let site = Site::new(2)?;
    let router = Router::new(Form::V3).priority(150);
    for net in &router.addresses {
        site.host(1)?.ip(&format!("address add {net} dev eth0"))?;
    }
    let member = site.start(1, Program::Director, &router)?;
    let log = member.director()?.child().log().clone();
    log.wait_for("was not put there by us", PATIENCE)?;
    member.stop()?;
    assert_eq!(
        site.owners_of(router.vip()),
        ["router1"],
        "the administrator's address is gone"
    );
    let mut show = Command::new("ip");
    show.args(["-o", "address", "show", "dev", "eth0"]);
    let shown = site.host(1)?.output(show)?;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let line = text
        .lines()
        .find(|line| line.contains(&router.vip().to_string()));
    assert!(
        line.is_some_and(|line| line.contains("forever")),
        "leased: {text}"
    );
    Ok(())
}

#[test]
fn an_owner_uses_its_own_address_as_it_is_and_leaves_it() -> Result {
    let site = Site::new(1)?;
    let router = Router::new(Form::V3).priority(255);
    for net in &router.addresses {
        site.host(1)?.ip(&format!("address add {net} dev eth0"))?;
    }
    let capture = site.lan.capture()?;
    let member = site.start(1, Program::Director, &router)?;
    wait_until("the owner to advertise", PATIENCE, || {
        capture
            .adverts()
            .iter()
            .any(|advert| advert.priority == 255)
    })?;
    member.stop()?;
    assert_eq!(
        site.owners_of(router.vip()),
        ["router1"],
        "the owner's own address is gone"
    );
    Ok(())
}
