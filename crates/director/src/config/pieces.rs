//! Reading a large file in little memory: one virtual service after the other.
//!
//! Read as a whole, a file takes fifty times its size, and touching so much memory takes longer than all the rest of a
//! start. What makes a file large is virtual services. So the text is cut before each line that begins one, and what
//! is read of a piece is let go before the next.
//!
//! That a piece is valid TOML shows that it ends where a line of the whole ends, outside of all strings and arrays: a
//! cut in the wrong place does not go unnoticed. And a virtual service has nothing to do with the tables before it.

use toml::de::DeTable;

use super::document::{self, Named, ReadFile};
use super::section::{Report, Section};
use super::{Config, service};

const KEY: &str = "virtual_service";
/// What has warnings that tell their places: of files of secrets, and of trackers.
const WITH_WARNINGS: [&str; 6] = [
    "mail",
    "track_file",
    "track_process",
    "track_script",
    "virtual_router",
    "webhook",
];
const HEADER: &str = "[[virtual_service]]";

/// The configuration `text`, unless there is a mistake in it or it is written in another way. What is wrong, and where,
/// shows when it is read as a whole: places in pieces would mean nothing.
pub(super) fn read(named: Named<'_>, file: ReadFile<'_>) -> Option<Config> {
    let mut others = DeTable::new();
    let mut services = Vec::new();
    let mut shared = service::Shared::default();
    let mut report = Report::default();
    for (number, piece) in pieces(named.text).enumerate() {
        let document = DeTable::parse(piece).ok()?.into_inner();
        if piece.starts_with(HEADER) {
            let mut top = Section::new("the configuration", &document, 0..0);
            let sections = document::sections(&mut top, KEY, HEADER, &mut report);
            let sections = sections.into_iter();
            services.extend(sections.map(|one| service::read(one, &mut shared, &mut report)));
        } else if document.contains_key(KEY) {
            return None;
        }
        // Warnings of these tell their places.
        if number > 0 && WITH_WARNINGS.iter().any(|key| document.contains_key(*key)) {
            return None;
        }
        if !report.0.is_empty() {
            return None;
        }
        for (key, value) in document {
            let name: &str = key.get_ref();
            if name == KEY {
                continue;
            }
            if others.contains_key(name) {
                return None;
            }
            others.insert(key, value);
        }
    }
    document::interpret(named, &others, |_, _| services, file, report).ok()
}

/// The text before the first virtual service, and each of them with what comes before the next.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let begins = text
        .match_indices(HEADER)
        .map(|(begin, _)| begin)
        .filter(|begin| *begin > 0 && text.as_bytes().get(begin - 1) == Some(&b'\n'));
    let mut from = 0;
    begins.chain([text.len()]).filter_map(move |to| {
        let piece = text.get(from..to);
        from = to;
        piece
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use proptest::prelude::*;

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

    fn both_ways(text: &str) -> (Option<String>, Option<String>) {
        let shown = |config: Config| format!("{config:?}");
        let named = Named { name: "a", text };
        (
            read(named, &no_file).map(shown),
            document::whole(named, &no_file).ok().map(shown),
        )
    }

    #[test]
    fn a_file_with_services_is_read_in_pieces() {
        let check = "[virtual_service.check]\ntype = \"tcp\"\n\n";
        let text = [
            "[director]\nname = \"a\"\n",
            &service(1, ""),
            &service(2, check),
            "[ipvs]\nreconcile_interval = \"5s\"\n",
            &service(3, check),
        ];
        assert_eq!(pieces(&text.concat()).count(), 4);
        let (pieces, whole) = both_ways(&text.concat());
        assert!(pieces.is_some());
        assert_eq!(pieces, whole);
        let (pieces, whole) = both_ways(&text.concat().replace('\n', "\r\n"));
        assert!(pieces.is_some());
        assert_eq!(pieces, whole);
    }

    #[test]
    fn the_text_is_all_there() {
        let text = format!("# {HEADER}\n{HEADER}\n {HEADER}\n\n{HEADER}{HEADER}\n");
        let all: Vec<&str> = pieces(&text).collect();
        assert_eq!(all.concat(), text);
        assert_eq!(all.len(), 3);
        let all: Vec<&str> = pieces(HEADER).collect();
        assert_eq!(all, [HEADER]);
        assert_eq!(pieces("").collect::<Vec<_>>(), [""]);
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

    proptest! {
        #[test]
        fn pieces_say_what_the_whole_says(fragments in prop::collection::vec(fragment(), 0..8)) {
            let (pieces, whole) = both_ways(&fragments.concat());
            if pieces.is_some() {
                prop_assert_eq!(pieces, whole);
            }
        }
    }
}
