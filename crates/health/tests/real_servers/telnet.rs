//! The telnetd of inetutils, started by their inetd.

use locum_health::tcp::{TcpCheck, TcpConfig};

use crate::package;
use crate::server::Place;

#[test]
fn telnetd_passes_until_it_stops() {
    let place = Place::new();
    let telnetd = package::path("telnetd", "inetutils-telnetd");
    let config = place.file(
        "inetd.conf",
        &format!(
            "127.0.0.1:23 stream tcp nowait root {} telnetd\n",
            telnetd.display()
        ),
    );
    let mut command = package::command("inetutils-inetd", "inetutils-inetd");
    // In the foreground.
    command.arg("--debug").arg(config);
    let server = place.start(command, &[23]);
    let check = TcpCheck::new(TcpConfig::telnet()).unwrap();
    server.check(23, check.clone()).unwrap();
    server.stop(23, check);
}
