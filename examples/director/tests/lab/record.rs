//! `director run --record`: what happened can be run again.

use std::path::Path;
use std::process::Command;

use locum_lab::wait_until;

use crate::Result;
use crate::program::network;
use crate::site::PATIENCE;

const CONFIG: &str = "/run/director.toml";
const TRANSCRIPT: &str = "/run/director.transcript";

#[test]
fn a_transcript_is_what_the_same_election_does_again() -> Result {
    let (_lan, hosts) = network(&["a"])?;
    let [host] = hosts.as_slice() else {
        return Err("one host".into());
    };
    let config = "[director]\nname = \"a\"\ncontrol_socket = \"/run/director.sock\"\n\
                  [[virtual_router]]\nname = \"web\"\ninterface = \"eth0\"\nvrid = 51\nadvert_interval = \"100ms\"\n\
                  addresses = [\"192.0.2.100/24\"]\n";
    host.write(Path::new(CONFIG), config)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_director"));
    command.args(["run", "-c", CONFIG, "--record", TRANSCRIPT]);
    let director = host.spawn(command)?;
    let address = "192.0.2.100".parse()?;
    wait_until("the router to be master", PATIENCE, || {
        host.has_address(address)
    })?;
    director.terminate(PATIENCE)?;
    let transcript = host.read(Path::new(TRANSCRIPT))?;
    let lines: Vec<&str> = transcript.lines().collect();
    assert_eq!(
        lines.first(),
        Some(&locum_vrrp_election::transcript::HEADER)
    );
    for word in [
        "startup -> initialize>backup Started",
        "backup>master MasterSilent",
        "shutdown -> advertise 0, master>leaving Stopped",
        "leaving>initialize NoSuccessor",
    ] {
        assert!(
            transcript.contains(word),
            "{word} is missing in\n{transcript}"
        );
    }
    let told = testkit::sim::explain(&transcript)?;
    assert!(told.contains(" 0 findings"), "{told}");
    assert!(told.contains("1 times Master"), "{told}");
    Ok(())
}
