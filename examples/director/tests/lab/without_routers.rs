//! A configuration without virtual routers: the start does not wait for their process, which is there for the first of them.

use std::path::Path;

use locum_lab::{Director, Signal, wait_until};

use crate::Result;
use crate::site::{PATIENCE, Site, net4};

const SERVICES: &str = "[[virtual_service]]\nname = \"web\"\naddress = \"192.0.2.80:80\"\nprotocol = \"tcp\"\n\
    initial = \"up\"\nserver = [{ address = \"192.0.2.21\" }]\n";

fn has_its_processes(director: &Director) -> Result {
    wait_until("all processes to answer", PATIENCE, || {
        ["routers", "checker", "programs"]
            .iter()
            .all(|name| matches!(director.of_process(name, "pid"), Ok(Some(_))))
    })
    .map_err(|error| format!("{error}: {}", director.child().log().text()).into())
}

#[test]
fn a_reload_brings_the_first_virtual_router() -> Result {
    let site = Site::new(1)?;
    let host = site.host(1)?;
    let director = Director::start(host, Path::new(env!("CARGO_BIN_EXE_director")), SERVICES)?;
    director.child().log().wait_for("is running", PATIENCE)?;
    has_its_processes(&director)?;
    // One that knew no router is replaced like any other.
    director.signal_process("routers", Signal::Kill)?;
    director.wait_restarts("routers", 1, PATIENCE)?;

    let address = net4(60);
    let router = format!(
        "{SERVICES}[[virtual_router]]\nname = \"v1\"\ninterface = \"eth0\"\nvrid = 1\n\
         advert_interval = \"100ms\"\naddresses = [\"{address}\"]\n"
    );
    director.reload(&router)?;
    wait_until("the address", PATIENCE, || host.has_address(address.addr()))?;
    director.reload(SERVICES)?;
    wait_until("no address", PATIENCE, || !host.has_address(address.addr()))?;
    Ok(director.stop(PATIENCE)?)
}

#[test]
fn a_start_that_is_broken_off_ends() -> Result {
    let site = Site::new(1)?;
    let program = Path::new(env!("CARGO_BIN_EXE_director"));
    // Nobody is there to be checked: the start is not over within the time of this test.
    let checked = SERVICES.replace(
        "initial = \"up\"",
        "check = { type = \"tcp\", interval = \"60s\", timeout = \"50s\" }",
    );
    let checked = format!("[ipvs]\nstart_bound = \"60s\"\n{checked}");
    let director = Director::start(site.host(1)?, program, &checked)?;
    director.wait_ready(PATIENCE)?;
    Ok(director.stop(PATIENCE)?)
}
