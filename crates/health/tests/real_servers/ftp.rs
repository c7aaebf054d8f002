//! vsftpd.

use locum_health::tcp::{TcpCheck, TcpConfig};

use crate::package;
use crate::server::Place;

#[test]
fn vsftpd_passes_until_it_stops() {
    let place = Place::new();
    let empty = place.path().join("empty");
    std::fs::create_dir(empty).unwrap();
    let config = place.file(
        "vsftpd.conf",
        "listen=YES\n\
        background=NO\n\
        anonymous_enable=YES\n\
        ftp_username=nobody\n\
        nopriv_user=nobody\n\
        secure_chroot_dir={here}/empty\n",
    );
    let mut command = package::command("vsftpd", "vsftpd");
    command.arg(config);
    let server = place.start(command, &[21]);
    let check = TcpCheck::new(TcpConfig::ftp()).unwrap();
    server.check(21, check.clone()).unwrap();
    server.stop(21, check);
}
