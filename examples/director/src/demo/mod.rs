//! `director demo`: what director does, in a laboratory on this machine.

mod pair;
mod screen;
mod site;

use std::process::ExitCode;

pub(crate) const HELP: &str = "\
It makes network namespaces with a client, two directors and two web servers behind them, and
removes them again; it changes nothing else on this machine. A web server dies and comes back,
the master is stopped, its machine dies, and both come back, while the client makes requests and
keeps a connection open. The load balancer is the kernel's (IPVS). Where the running kernel has
none, the demo boots one that has: user-mode-linux, a process like any other, with kmod.

--pair needs no IPVS, but root: two routers fail over an address, while a client probes it 2000
times a second. The same is done with keepalived, if that is installed.

Examples:
  director demo
  director demo --json
  director demo --pair --runs 1 --interval 1s

Exit codes: 0 all went as it should, 1 something did not, or it could not be shown.";

/// What `demo` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Measure how an address fails over instead, beside keepalived
    #[arg(long)]
    pair: bool,
    /// Write what was measured as JSON, and nothing else
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    measured: pair::Arguments,
}

pub(crate) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let form = if arguments.json {
        Form::Json
    } else {
        Form::People
    };
    if arguments.pair {
        pair::execute(&arguments.measured, form)?;
        return Ok(ExitCode::SUCCESS);
    }
    site::execute(form)
}

/// For whom the results are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    People,
}
