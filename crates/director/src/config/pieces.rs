//! Reading a large file in little memory and in little time: one virtual service after the other, and none that was read
//! before.
//!
//! Read as a whole, a file takes fifty times its size, and touching so much memory takes longer than all the rest of a
//! start. What makes a file large is virtual services. So the text is cut before each line that begins one, and before
//! each that ends one since it begins something else. What is read of a piece is let go before the next. The rest is
//! read at once, as if there were blanks where the services are: places in it are places in the whole.
//!
//! That each piece is valid TOML shows that it ends where a line of the whole ends, outside of all strings and arrays: a
//! cut in the wrong place does not go unnoticed. And a virtual service has nothing to do with the tables around it.

use std::sync::Arc;

use locum_ipvs::Service;
use toml::de::DeTable;

use crate::site::VirtualService;

use super::document::{self, Named, ReadFile};
use super::memory::{Known, Memory};
use super::section::{Report, Section};
use super::service::Services;
use super::{Config, service};

const KEY: &str = "virtual_service";
const HEADER: &str = "[[virtual_service]]";

/// A part of the text that ends where a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'t> {
    Rest(&'t str),
    Service(&'t str),
}

impl<'t> Piece<'t> {
    const fn text(self) -> &'t str {
        match self {
            Self::Rest(text) | Self::Service(text) => text,
        }
    }
}

/// The configuration `text`, unless there is a mistake in it or it is written in another way. What is wrong, and where,
/// shows when it is read as a whole: places in pieces would mean nothing.
pub(super) fn read(named: Named<'_>, file: ReadFile<'_>, before: &Memory) -> Option<Config> {
    let pieces = pieces(named.text);
    let mut shared = service::Shared::default();
    let mut services = Vec::with_capacity(pieces.len());
    let mut memory = Vec::with_capacity(pieces.len());
    let mut mixed = false;
    let mut end = 0;
    for piece in &pieces {
        let begin = end;
        end += piece.text().len();
        if let Piece::Service(text) = piece {
            let known = match before.get(text) {
                Some(known) => {
                    known.again(&mut shared)?;
                    known.clone()
                }
                None => known(text, &mut shared)?,
            };
            services.push(Arc::clone(&known.service));
            mixed |= known.mixed;
            if known.is_lasting() {
                memory.push((begin..end, known));
            }
        }
    }
    fit_together(&services).then_some(())?;
    let services = Services {
        located: Vec::new(),
        valid: services,
    };
    let (text, of_lines) = (rest(&pieces, Blank::Places)?, rest(&pieces, Blank::Lines)?);
    let document = DeTable::parse(&text).ok()?.into_inner();
    if document.contains_key(KEY) {
        return None;
    }
    let report = Report::default();
    let config = document::interpret(named, &document, |_, _| services, file, report);
    let mut config = config.ok()?;
    if mixed && config.site.ipvs.sync.is_some() {
        return None;
    }
    config.memory = Memory::new(named.text, memory);
    config.rest = Some(Arc::new(of_lines));
    Some(config)
}

/// What a piece says that is one virtual service; `None` if there is a mistake or something else in it.
fn known(piece: &str, shared: &mut service::Shared) -> Option<Known> {
    let document = DeTable::parse(piece).ok()?.into_inner();
    if document.len() > 1 {
        return None;
    }
    let (room, mut report) = (shared.left, Report::default());
    let mut top = Section::new("the configuration", &document, 0..0);
    let mut sections = document::sections(&mut top, KEY, HEADER, &mut report).into_iter();
    let (Some(section), None) = (sections.next(), sections.next()) else {
        return None;
    };
    let (located, service) = service::read(section, shared, &mut report);
    report.0.is_empty().then_some(())?;
    Known::new(service?, located.mixed.is_some(), room, shared)
}

/// Whether no two of them are called the same, or have an address or a mark in common.
fn fit_together(services: &[Arc<VirtualService>]) -> bool {
    let names = services.iter().map(|service| service.name.as_str());
    let kernel = services.iter().flat_map(|service| &service.kernel);
    are_distinct(names) && are_distinct(kernel.map(Service::key))
}

fn are_distinct<K: Ord>(all: impl Iterator<Item = K>) -> bool {
    let mut all: Vec<K> = all.collect();
    all.sort_unstable();
    all.is_sorted_by(|one, next| one < next)
}

/// What is there in place of services, so that the rest is where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blank {
    /// Lines stay where they are.
    Lines,
    /// Each byte does.
    Places,
}

/// The text without the services, up to the last piece that is none; `None`: it was cut in a wrong place.
fn rest(pieces: &[Piece<'_>], blank: Blank) -> Option<String> {
    let is_rest = |piece: &Piece<'_>| matches!(piece, Piece::Rest(_));
    let count = pieces.iter().filter(|piece| is_rest(piece)).count();
    let end = pieces.iter().rposition(is_rest).map_or(0, |last| last + 1);
    let mut text = String::new();
    for piece in pieces.iter().take(end) {
        match (piece, blank) {
            (Piece::Rest(piece), _) => {
                if count > 1 {
                    DeTable::parse(piece).ok()?;
                }
                text.push_str(piece);
            }
            (Piece::Service(piece), Blank::Lines) => {
                text.extend(piece.chars().filter(|c| *c == '\n'));
            }
            (Piece::Service(piece), Blank::Places) => {
                let blank = |byte| if byte == b'\n' { '\n' } else { ' ' };
                text.extend(piece.bytes().map(blank));
            }
        }
    }
    Some(text)
}

/// All of the text, cut.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let lines = text.match_indices("\n[").map(|(newline, _)| newline + 1);
    let (mut from, mut of) = (0, Begins::of(text).unwrap_or(Begins::Other));
    for to in lines {
        let Some(begins) = text.get(to..).and_then(Begins::of) else {
            continue;
        };
        if (of, begins) == (Begins::Other, Begins::Other) {
            continue;
        }
        pieces.extend(text.get(from..to).map(|piece| of.piece(piece)));
        (from, of) = (to, begins);
    }
    pieces.extend(text.get(from..).map(|piece| of.piece(piece)));
    pieces
}

/// What a line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    Other,
    Service,
}

impl Begins {
    /// `None` if it goes on with what was before.
    fn of(line: &str) -> Option<Self> {
        if line.starts_with(HEADER) {
            return Some(Self::Service);
        }
        let name = line.strip_prefix("[[").or_else(|| line.strip_prefix('['))?;
        let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let (key, end) = name.split_at(name.find(|c| !is_key(c))?);
        (end.starts_with([']', '.']) && key != KEY).then_some(Self::Other)
    }

    const fn piece(self, text: &str) -> Piece<'_> {
        match self {
            Self::Other => Piece::Rest(text),
            Self::Service => Piece::Service(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use proptest::prelude::*;

    use super::super::source::Part;
    use super::*;

    fn no_file(_: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    /// A service on a line of its own each, at a port of its own so that they fit together.
    fn service(port: u16, more: &str) -> String {
        format!(
            "[[virtual_service]]\nname = \"s{port}\"\naddress = \"192.0.2.1:{port}\"\nprotocol = \"tcp\"\n\
             server = [{{ address = \"10.0.0.1\" }}]\n{more}"
        )
    }

    /// The same whether it was read again or not.
    fn shown(mut config: Config) -> String {
        (config.memory, config.rest) = Default::default();
        format!("{config:?}")
    }

    fn named(text: &str) -> Named<'static> {
        let (name, part) = ("a", Part::Whole);
        let text = Box::leak(Box::new(Arc::new(text.to_owned())));
        Named { name, text, part }
    }

    fn both_ways(text: &str, before: &Memory) -> (Option<String>, Option<String>) {
        (
            read(named(text), &no_file, before).map(shown),
            document::whole(named(text), &no_file).ok().map(shown),
        )
    }

    fn is_read(text: &str) -> Config {
        let (pieces, whole) = both_ways(text, &Memory::default());
        assert!(pieces.is_some());
        assert_eq!(pieces, whole);
        read(named(text), &no_file, &Memory::default()).unwrap()
    }

    #[test]
    fn a_file_with_services_is_read_in_pieces() {
        let check = "[virtual_service.check]\ntype = \"tcp\"\n\n";
        let router = "[[virtual_router]]\nname = \"r\"\ninterface = \"eth0\"\nvrid = 1\naddresses = [\"192.0.2.7/24\"]\n";
        let text = [
            "[director]\nname = \"a\"\n",
            &service(1, ""),
            &service(2, check),
            "[ipvs]\nreconcile_interval = \"5s\"\n",
            &service(3, check),
            router,
        ];
        assert_eq!(pieces(&text.concat()).len(), 6);
        is_read(&text.concat());
        is_read(&text.concat().replace('\n', "\r\n"));
    }

    #[test]
    fn the_text_is_all_there() {
        let text =
            format!("# {HEADER}\n{HEADER}\n {HEADER}\n\n{HEADER}{HEADER}\n[x]\n[[y.z]]\n[1]\n");
        let all = pieces(&text);
        let texts = all.iter().map(|piece| piece.text());
        assert_eq!(texts.collect::<String>(), text);
        assert_eq!(all.len(), 4);
        assert_eq!(pieces(HEADER), [Piece::Service(HEADER)]);
        assert_eq!(pieces(""), [Piece::Rest("")]);
    }

    #[test]
    fn the_rest_is_where_it_was() {
        let tracker = "[[track_file]]\nname = \"t\"\npath = \"/t\"\n";
        let text = ["# é\n", &service(1, ""), tracker, &service(2, "")].concat();
        let config = is_read(&text);
        assert!(!config.warnings.is_empty(), "nobody tracks it");
        let rest = config.rest.unwrap();
        let lines = |text: &str| text.lines().position(|line| line.starts_with("[[track"));
        assert_eq!(lines(&rest), lines(&text));
        assert!(!rest.contains(HEADER));
    }

    #[test]
    fn what_does_not_fit_together_is_told_with_places() {
        let twice = |name: &str, port: u16| service(1, "") + &service(port, "").replace("s2", name);
        is_read(&twice("s2", 2));
        let mixed = service(1, "forward = \"tunnel\"\n").replace("10.0.0.1", "fd00::1");
        is_read(&mixed);
        let router = "[[virtual_router]]\nname = \"r\"\ninterface = \"eth0\"\nvrid = 1\naddresses = [\"192.0.2.7/24\"]\n";
        let sync = format!("[ipvs]\nsync = {{ id = 1, interface = \"eth0\" }}\n{router}");
        is_read(&(service(1, "") + &sync));
        for text in [twice("s1", 2), twice("s2", 1), mixed + &sync] {
            assert!(read(named(&text), &no_file, &Memory::default()).is_none());
            let mistakes = document::read(named(&text), &no_file, &Memory::default());
            assert!(!mistakes.unwrap_err().is_empty());
        }
    }

    #[test]
    fn what_has_not_changed_is_the_same() {
        let text = |weight: u8| {
            let more =
                format!("[[virtual_service.server]]\naddress = \"10.0.0.2\"\nweight = {weight}\n");
            let last = service(2, "").replace("server = [{ address = \"10.0.0.1\" }]\n", &more);
            [service(1, ""), last].concat()
        };
        let old = is_read(&text(1));
        assert_eq!(old.memory.len(), 2);
        let new = read(named(&text(2)), &no_file, &old.memory).unwrap();
        let same =
            |number: usize| Arc::ptr_eq(&old.site.services[number], &new.site.services[number]);
        assert_eq!([same(0), same(1)], [true, false]);
        assert_eq!(new.memory.len(), 2, "the old one is forgotten");
    }

    #[test]
    fn what_the_machine_decides_is_looked_at_again() {
        let directory = tempfile::tempdir().unwrap();
        let authority = directory.path().join("ca.pem");
        let certificate = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
        std::fs::write(&authority, certificate.cert.pem()).unwrap();
        let check = format!("check = {{ type = \"https\", ca_file = {authority:?} }}\n");
        let told = "notify = { up = [\"/bin/true\"] }\n";
        let script = "check = { type = \"exec\", program = [\"/bin/true\"] }\n";
        let text = [service(1, &check), service(2, told), service(3, script)].concat();
        let old = is_read(&text);
        assert_eq!(old.memory.len(), 1, "programs may be gone next time");
        assert!(read(named(&text), &no_file, &old.memory).is_some());
        std::fs::remove_file(&authority).unwrap();
        let again = document::read(named(&text), &no_file, &old.memory);
        assert_eq!(again.unwrap_err().len(), 1);
    }

    #[test]
    fn there_is_no_more_room_for_what_was_read_before() {
        let many = |mark: u8, count: usize| {
            let servers =
                (0..count).map(|n| format!("{{ address = \"10.0.{}.{}\" }}", n / 250, n % 250 + 1));
            let servers = servers.collect::<Vec<_>>().join(", ");
            let addresses = format!("addresses = [\"10.{mark}.0.0/20:80\"]\n");
            format!("{HEADER}\nname = \"m{mark}\"\n{addresses}server = [{servers}]\n")
        };
        let old = [many(1, 250), service(1, "")].concat();
        let Ok(old) = document::read(named(&old), &no_file, &Memory::default()) else {
            panic!("too many already");
        };
        assert_eq!(old.memory.len(), 2);
        let new = [many(1, 250), many(2, 250)].concat();
        assert!(read(named(&new), &no_file, &old.memory).is_none());
    }

    /// Whatever may stand between services, sense or nonsense.
    fn fragment() -> impl Strategy<Value = String> {
        let port = 1_u16..4;
        let words = prop::sample::select(vec![
            "[director]\n",
            "[director.x]\n",
            "[ipvs]\n",
            "name = \"a\"\n",
            "name = \"\"\"\n",
            "\"\"\"\n",
            "name = '''\n",
            "'''\n",
            "initial = \"up\"\n",
            "server = [\n",
            "{ address = \"10.0.0.2\" },\n",
            "]\n",
            "quorum = {\n",
            "}\n",
            "virtual_service = []\n",
            "virtual_service.x = 1\n",
            "[virtual_service]\n",
            "[virtual_service.check]\ntype = \"tcp\"\n",
            "[[virtual_service.server]]\naddress = \"10.0.0.3\"\n",
            "[[virtual_service]]\n",
            "[[\"virtual_service\"]]\n",
            "[[virtual_service]] # more\n",
            "# [[virtual_service]]\n",
            "\n",
        ]);
        prop_oneof![
            3 => port.prop_map(|port| service(port, "")),
            2 => words.prop_map(str::to_owned),
        ]
    }

    /// What most files consist of.
    fn fragments() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec(fragment(), 0..8)
    }

    /// Another text: some fragments are gone, some are others.
    fn edited(fragments: Vec<String>) -> impl Strategy<Value = (String, String)> {
        let old = fragments.concat();
        let one = move |kept: String| {
            prop_oneof![
                4 => Just(kept),
                1 => Just(String::new()),
                1 => fragment(),
            ]
        };
        let new: Vec<_> = fragments.into_iter().map(one).collect();
        new.prop_map(move |new| (old.clone(), new.concat()))
    }

    proptest! {
        #[test]
        fn pieces_say_what_the_whole_says(fragments in fragments()) {
            let (pieces, whole) = both_ways(&fragments.concat(), &Memory::default());
            if pieces.is_some() {
                prop_assert_eq!(pieces, whole);
            }
        }

        #[test]
        fn what_is_remembered_says_what_the_whole_says((old, new) in fragments().prop_flat_map(edited)) {
            let old = read(named(&old), &no_file, &Memory::default());
            let memory = old.map(|config| config.memory).unwrap_or_default();
            let fresh = both_ways(&new, &Memory::default());
            prop_assert_eq!(&both_ways(&new, &memory), &fresh);
            if fresh.0.is_some() {
                prop_assert_eq!(&fresh.0, &fresh.1);
            }
            // With every mistake in its place.
            let mistakes = |memory| document::read(named(&new), &no_file, memory).err();
            prop_assert_eq!(mistakes(&memory), document::whole(named(&new), &no_file).err());
        }

        #[test]
        fn a_character_may_be_anything(
            services in prop::collection::vec(1_u16..4, 1..4),
            at in any::<prop::sample::Index>(),
            by in prop::sample::select(vec!["", "\"", "[", "]", "\n", "#", "1", " ", "é", "\"\"\"\n"]),
        ) {
            let old: String = services.into_iter().map(|port| service(port, "")).collect();
            let place = at.index(old.len());
            let new = [&old[..place], by, &old[place + 1..]].concat();
            let memory = read(named(&old), &no_file, &Memory::default());
            let memory = memory.map(|config| config.memory).unwrap_or_default();
            let read = document::read(named(&new), &no_file, &memory).map(shown);
            prop_assert_eq!(read, document::whole(named(&new), &no_file).map(shown));
        }
    }
}
