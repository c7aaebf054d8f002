//! The Debian package on a machine that has nothing else, as one step of CI.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

use crate::{
    dist::{self, Profile},
    needs::{self, Consent},
    privilege::Privilege,
    shell::Cmd,
    steps::Steps,
    workspace::{self, Workspace},
};

const UNIT: &str = "examples/director/dist/director.service";
/// Of 100; what is missing to less is named by `systemd-analyze security`.
const EXPOSURE: &str = "--threshold=35";

/// What must be there after the installation, beside the program.
const FILES: [&str; 9] = [
    "/lib/systemd/system/director.service",
    "/usr/lib/sysusers.d/locum-director.conf",
    "/usr/share/man/man8/director.8.gz",
    "/usr/share/man/man8/director-real-server-up.8.gz",
    "/usr/share/bash-completion/completions/director",
    "/usr/share/zsh/vendor-completions/_director",
    "/usr/share/fish/vendor_completions.d/director.fish",
    "/usr/share/doc/locum-director/copyright",
    "/usr/share/doc/locum-director/examples/dropins/other-users.conf",
];

const EXAMPLES: [&str; 4] = ["a.toml", "b.toml", "site-a.toml", "site-b.toml"];

/// For the interface that [`START`] makes.
const CONFIGURATION: &str = r#"
[[virtual_router]]
name = "web"
interface = "lan"
vrid = 51
priority = 150
addresses = ["192.0.2.10/24"]
"#;

/// Starts it as the unit would: as its user, with its capabilities, in a network of its own.
const START: &str = r#"
set -e
root=$1
ip link set lo up
ip link add lan type veth peer name far
ip address add 192.0.2.1/24 dev lan
ip link set lan up
ip link set far up
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --bind "$2" "$root/mnt"
capabilities=+net_admin,+net_raw,+sys_nice,+ipc_lock
NOTIFY_SOCKET=/mnt/notify exec chroot "$root" setpriv --reuid director --regid director --init-groups \
    --inh-caps "$capabilities" --ambient-caps "$capabilities" --no-new-privs \
    /usr/sbin/director run -c /etc/director/director.toml
"#;

/// The unit, and the package installed, started, stopped and removed.
pub(crate) fn check(steps: &mut Steps, workspace: &Workspace, consent: Consent) {
    let mut built = None;
    steps.step("Debian package", || {
        // The tests have built it, and this builds it only if they could not.
        Cmd::cargo("test --workspace --all-features --no-run --quiet").run()?;
        let package = dist::package(workspace, Profile::Dev, consent)?;
        built = Some(package);
        Ok(String::new())
    });
    steps.step("unit", || {
        needs::ensure(&needs::UNIT, consent)?;
        unit(&workspace.target_directory)
    });
    let Some(package) = built else { return };
    let root = steps.prepare("clean Debian", || CleanRoot::make(consent));
    let Some(root) = root else {
        steps.not_run("install", "no clean Debian to install in");
        return;
    };
    steps.step("install", || {
        let installed = install(&root, &package).and_then(|()| start(&root));
        let removed = installed.and_then(|note| remove(&root).map(|()| note));
        let cleaned = root.delete();
        removed.and_then(|note| cleaned.map(|()| note))
    });
}

/// The unit says nothing that systemd does not know, and gives away no more than it must.
fn unit(target: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(workspace::root().join(UNIT))?;
    // `verify` looks for the program, which is not installed here.
    let program = target.join("debug/director").display().to_string();
    let place = target.join("director.service");
    fs::write(&place, text.replace("/usr/sbin/director", &program))?;
    Cmd::new("systemd-analyze")
        .words("verify --man=no")
        .arg(&place)
        .run()?;
    Cmd::new("systemd-analyze")
        .words("security --offline=true --no-pager")
        .arg(EXPOSURE)
        .arg(&place)
        .run()?;
    Ok(String::new())
}

/// A Debian with the essential packages, and what ours depends on.
struct CleanRoot {
    path: PathBuf,
    privilege: Privilege,
}

impl CleanRoot {
    /// From the mirror that this machine has its own packages from. It is thrown away: nothing waits for the disk.
    fn make(consent: Consent) -> anyhow::Result<Self> {
        needs::ensure(&needs::CLEAN_ROOT, consent)?;
        let privilege = Privilege::obtain("a clean Debian (chroot)")?;
        let release = fs::read_to_string("/etc/os-release")?;
        let codename = codename(&release).context("/etc/os-release has no VERSION_CODENAME")?;
        let targets = Cmd::new("apt-get")
            .args(["indextargets", "--format", "$(REPO_URI)"])
            .args(["Identifier: Packages", "Component: main"])
            .arg(format!("Release: {codename}"))
            .ask()?;
        let mirror = targets.lines().next();
        let mirror = mirror.with_context(|| format!("apt has no source of {codename}"))?;
        let path = Cmd::new("mktemp").args(["-d", "--tmpdir", "locum-root-XXXXXXXX"]);
        let root = Self {
            path: PathBuf::from(path.ask()?),
            privilege,
        };
        let made = Cmd::new("mmdebstrap")
            .words("--mode=root --variant=essential --dpkgopt=force-unsafe-io --include=systemd-standalone-sysusers")
            .arg(codename)
            .arg(&root.path)
            .arg(mirror)
            .behind("timeout 300");
        match privilege.wrap(made).run() {
            Ok(()) => Ok(root),
            Err(error) => {
                root.delete()?;
                Err(error)
            }
        }
    }

    /// A command as root in there.
    fn inside(&self, line: &str) -> Cmd {
        let cmd = Cmd::new("chroot").arg(&self.path);
        // dpkg wants all of it, and a user's own may be less.
        let cmd = cmd.words("env PATH=/usr/sbin:/usr/bin:/sbin:/bin");
        self.privilege.wrap(cmd.words(line))
    }

    fn as_root(&self, cmd: Cmd) -> Cmd {
        self.privilege.wrap(cmd)
    }

    fn write(&self, inside: &str, content: &Path) -> anyhow::Result<()> {
        let place = self.path.join(inside);
        self.as_root(Cmd::new("cp").arg(content).arg(place)).run()
    }

    fn delete(&self) -> anyhow::Result<()> {
        // Whatever is still mounted in there is not ours to remove.
        let cmd = Cmd::new("rm").args(["-rf", "--one-file-system"]);
        self.as_root(cmd.arg(&self.path)).run()
    }
}

fn codename(os_release: &str) -> Option<&str> {
    let value = |line: &'static str| os_release.lines().find_map(move |l| l.strip_prefix(line));
    value("VERSION_CODENAME=").map(|name| name.trim_matches('"'))
}

fn install(root: &CleanRoot, package: &Path) -> anyhow::Result<()> {
    root.write("tmp/director.deb", package)?;
    root.inside("dpkg --install /tmp/director.deb").run()?;
    root.inside("director --version").run()?;
    for file in FILES {
        root.inside("test -s").arg(file).run()?;
    }
    for example in EXAMPLES {
        let file = format!("/usr/share/doc/locum-director/examples/{example}");
        root.inside("director check -c").arg(file).run()?;
    }
    root.inside("getent passwd director").run()?;
    let directory = root.inside("stat --format %U:%G:%a /etc/director").ask()?;
    ensure!(
        directory == "root:director:750",
        "/etc/director is {directory}"
    );
    let unit = "/etc/systemd/system/multi-user.target.wants/director.service";
    root.inside("test ! -e").arg(unit).run()
}

/// It says that it is ready, answers, and ends when it is told to.
fn start(root: &CleanRoot) -> anyhow::Result<String> {
    let shared = Cmd::new("mktemp").args(["-d", "--tmpdir", "locum-notify-XXXXXXXX"]);
    let shared = PathBuf::from(shared.ask()?);
    let started = start_with(root, &shared);
    fs::remove_dir_all(shared)?;
    started
}

fn start_with(root: &CleanRoot, shared: &Path) -> anyhow::Result<String> {
    let configuration = shared.join("director.toml");
    fs::write(&configuration, CONFIGURATION)?;
    root.write("etc/director/director.toml", &configuration)?;
    // As the unit's RuntimeDirectory.
    root.inside("install -d -o director -g director -m 750 /run/director")
        .run()?;
    let manager = shared.join("notify");
    let socket = UnixDatagram::bind(&manager)?;
    // Its user is another one, in there.
    fs::set_permissions(&manager, fs::Permissions::from_mode(0o666))?;
    fs::set_permissions(shared, fs::Permissions::from_mode(0o755))?;
    let run = Cmd::new("unshare")
        .args(["--net", "--mount", "sh", "-c", START, "sh"])
        .arg(&root.path)
        .arg(shared)
        .behind("timeout --kill-after=5 60");
    let mut director = root.as_root(run).spawn()?;
    let ready = wait_until_ready(&socket);
    let answered = ready.and_then(|()| root.inside("director status").run());
    let stop = Cmd::new("kill").args(["-TERM".to_owned(), director.id().to_string()]);
    let told = root.as_root(stop).run();
    let ended = director.wait()?;
    answered.and(told)?;
    ensure!(ended.success(), "director ended with {ended}");
    Ok("installed, ready, answered, stopped, removed".to_owned())
}

fn wait_until_ready(socket: &UnixDatagram) -> anyhow::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut buffer = [0; 4096];
    // It tells a few things at most before it is ready.
    for _ in 0..20 {
        let length = socket.recv(&mut buffer).context("nothing of READY=1")?;
        let told = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
        println!("notified: {told:?}");
        if told.lines().any(|line| line == "READY=1") {
            return Ok(());
        }
    }
    bail!("it never says READY=1")
}

fn remove(root: &CleanRoot) -> anyhow::Result<()> {
    root.inside("dpkg --purge locum-director").run()?;
    root.inside("test ! -e /usr/sbin/director").run()?;
    // The operator's file is not the package's.
    root.inside("test -s /etc/director/director.toml").run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_known_by_its_codename() {
        let release = "NAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(codename(release), Some("bookworm"));
        assert_eq!(codename("ID=debian\n"), None);
    }

    #[test]
    fn readiness_is_heard_among_other_news() {
        let (manager, director) = UnixDatagram::pair().unwrap();
        director.send(b"STATUS=starting").unwrap();
        director.send(b"READY=1\nSTATUS=1 router").unwrap();
        wait_until_ready(&manager).unwrap();
    }
}
