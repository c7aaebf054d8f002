//! `authentication` of a virtual router.

use locum_vrrp::{
    AhKey, HmacFreshness, HmacKeys, HmacMode, HmacWindow, Password, RouterConfig,
    RouterConfigError, Version,
};

use super::router_hmac;
use super::secret::{self, Files};
use super::section::{Entry, Report, Section};

const EXAMPLE: &str =
    "authentication = { type = \"password\", password_file = \"/etc/director/web.password\" }";
const AH_EXAMPLE: &str = "authentication = { type = \"ah\", key_file = \"/etc/director/web.key\" }";

#[derive(Clone, Copy)]
enum Kind {
    Ah,
    Hmac,
    Password,
}

const KINDS: [(&str, Kind); 3] = [
    ("password", Kind::Password),
    ("ah", Kind::Ah),
    ("hmac", Kind::Hmac),
];

/// How a router shows that it belongs to its group.
#[derive(Debug)]
pub(super) enum Security {
    Header(AhKey),
    Password(Password),
    Trailer {
        keys: HmacKeys,
        mode: HmacMode,
        replay: Replay,
    },
}

/// What keeps old advertisements from being believed again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Replay {
    Monotonic,
    /// `None`: what fits the interval.
    Time(Option<HmacWindow>),
}

impl Security {
    pub(super) fn add_to(self, router: RouterConfig) -> Result<RouterConfig, RouterConfigError> {
        match self {
            Self::Header(key) => router.header(key, None),
            Self::Password(password) => router.password(password),
            Self::Trailer { keys, mode, replay } => {
                let freshness = match replay {
                    Replay::Monotonic => HmacFreshness::Monotonic,
                    Replay::Time(Some(window)) => HmacFreshness::Window(window),
                    Replay::Time(None) => {
                        let interval = router.election().interval().duration();
                        HmacFreshness::Window(HmacWindow::for_interval(interval))
                    }
                };
                router.trailer(keys, mode, freshness)
            }
        }
    }
}

/// What is read, and the files that it is read from.
pub(super) struct Reader<'a> {
    pub(super) version: Version,
    pub(super) ipv6: Option<bool>,
    pub(super) files: Files<'a>,
}

impl Reader<'_> {
    pub(super) fn read(
        &mut self,
        section: &mut Section<'_>,
        report: &mut Report,
    ) -> Option<Security> {
        let entry = section.take("authentication")?;
        let mut section = Section::of("`authentication`", EXAMPLE, &entry, report)?;
        let kind_entry = section.require("type", "\"password\"", report);
        let kind = kind_entry
            .as_ref()
            .and_then(|entry| entry.choice(&KINDS, report));
        let Some((kind_entry, kind)) = kind_entry.zip(kind) else {
            // Whatever belongs to the kind that was meant.
            for key in [
                "password",
                "password_file",
                "key_file",
                "credential",
                "keys",
            ] {
                section.take_quietly(key);
            }
            section.finish(report);
            return None;
        };
        let possible = self.is_possible(kind, &kind_entry, report);
        let security = match kind {
            Kind::Password => self.password(&mut section, &entry, report),
            Kind::Ah => self.header(&mut section, &entry, report),
            Kind::Hmac => router_hmac::read(self, &mut section, &entry, report),
        };
        section.finish(report);
        security.filter(|_| possible)
    }

    /// Has the version, and the family, this kind of authentication?
    fn is_possible(&self, kind: Kind, entry: &Entry<'_>, report: &mut Report) -> bool {
        let (message, label, help) = match (kind, self.version) {
            (Kind::Password, Version::V3) => (
                "version 3 has no password",
                "version 2 only",
                "remove `authentication`, use type = \"hmac\", or use version = 2 in all routers of the group",
            ),
            (Kind::Ah, _) if self.ipv6 == Some(true) => (
                "there is no authentication header over IPv6",
                "version 2 over IPv4 only",
                "use type = \"hmac\" with version = 3 in all routers of the group",
            ),
            (Kind::Ah, Version::V3) => (
                "version 3 has no authentication header",
                "version 2 only",
                "use version = 2 in all routers of the group, or type = \"hmac\" in all of them",
            ),
            (Kind::Hmac, Version::V2) => (
                "version 2 has no HMAC trailer",
                "version 3 only",
                "use version = 3 in all routers of the group, or type = \"ah\" in all of them",
            ),
            (Kind::Password | Kind::Ah, Version::V2) | (Kind::Hmac, Version::V3) => return true,
        };
        report.add(entry.wrong(message, label).help(help));
        false
    }

    fn password(
        &mut self,
        section: &mut Section<'_>,
        entry: &Entry<'_>,
        report: &mut Report,
    ) -> Option<Security> {
        let found = secret::Places {
            what: "password",
            inline: section.take("password"),
            file: section.take("password_file"),
            credential: section.take("credential"),
            missing: Some("neither `password` nor `password_file`"),
            example: EXAMPLE,
        }
        .read(&mut self.files, entry, report)?;
        match Password::new(&*found.text) {
            Ok(password) => Some(Security::Password(password)),
            Err(error) => {
                let wrong = found
                    .entry
                    .wrong("this cannot be a password", error.to_string());
                report.add(
                    wrong.help("use 1 to 8 bytes; keepalived uses the first 8 of a longer one"),
                );
                None
            }
        }
    }

    fn header(
        &mut self,
        section: &mut Section<'_>,
        entry: &Entry<'_>,
        report: &mut Report,
    ) -> Option<Security> {
        let found = secret::key(&mut self.files, section, entry, AH_EXAMPLE, report)?;
        match AhKey::new(&*found.text) {
            Ok(key) => Some(Security::Header(key)),
            Err(error) => {
                let wrong = found.entry.wrong("this cannot be a key", error.to_string());
                report.add(wrong.help(
                    "put 1 to 8 bytes there, the `auth_pass` of keepalived, which uses the first 8 of a longer one",
                ));
                None
            }
        }
    }
}
