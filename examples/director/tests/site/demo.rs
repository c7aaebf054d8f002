//! `director demo`, where there is IPVS already.

use std::process::Command;

use serde_json::Value;

use crate::Result;

pub(crate) fn the_demo_shows_what_everything_costs() {
    let output = Command::new(env!("CARGO_BIN_EXE_director"))
        .args(["demo", "--json"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let outcome: Value = serde_json::from_slice(&output.stdout).unwrap();
    check(&outcome)
        .map_err(|error| format!("{error}: {outcome:#}"))
        .unwrap();
}

fn check(outcome: &Value) -> Result {
    let missing = || "not what a demo writes";
    let events = outcome.pointer("/measurements").and_then(Value::as_array);
    let names = events
        .ok_or_else(missing)?
        .iter()
        .map(|each| &each["event"]);
    let expected = [
        "server_dies",
        "server_returns",
        "master_stops",
        "master_returns",
        "machine_dies",
        "machine_returns",
    ];
    if !names.eq(expected) {
        return Err("not every event was shown, or not in its order".into());
    }
    let balance = outcome.pointer("/balance").and_then(Value::as_object);
    if balance.ok_or_else(missing)?.len() != 2 {
        return Err("not every server served".into());
    }
    match outcome
        .pointer("/connection/survived")
        .and_then(Value::as_bool)
    {
        Some(true) => Ok(()),
        _ => Err("the connection broke".into()),
    }
}
