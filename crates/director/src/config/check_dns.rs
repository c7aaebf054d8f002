//! Checks of type `dns`.

use locum_health::SocketOptions;
use locum_health::dns::{Answer, DnsConfig, Record, Transport};

use super::check_kinds::Places;
use super::section::{Entry, Report, Section};

const RECORDS: [(&str, Record); 11] = [
    ("A", Record::A),
    ("AAAA", Record::AAAA),
    ("CNAME", Record::CNAME),
    ("DNSKEY", Record::DNSKEY),
    ("MX", Record::MX),
    ("NS", Record::NS),
    ("PTR", Record::PTR),
    ("RRSIG", Record::RRSIG),
    ("SOA", Record::SOA),
    ("SRV", Record::SRV),
    ("TXT", Record::TXT),
];

/// RFC 1035 §4.1.1.
const CODES: [(&str, u8); 6] = [
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
];

pub(super) fn read(
    section: &mut Section<'_>,
    socket: SocketOptions,
    places: &mut Places,
    report: &mut Report,
) -> DnsConfig {
    let mut dns = DnsConfig::default();
    dns.socket = socket;
    if let Some(entry) = section.take("name")
        && let Some(name) = entry.string("www.example.com", report)
    {
        places.add(name, &entry);
        name.clone_into(&mut dns.name);
    }
    if let Some(entry) = section.take("record")
        && let Some(record) = record(&entry, report)
    {
        dns.record = record;
    }
    if let Some(entry) = section.take("transport") {
        let choices = [("udp", Transport::Udp), ("tcp", Transport::Tcp)];
        dns.transport = entry.choice(&choices, report).unwrap_or_default();
    }
    if let Some(entry) = section.take("codes") {
        dns.codes = codes(&entry, report);
    }
    if let Some(entry) = section.take("answer") {
        let choices = [
            ("optional", Answer::Optional),
            ("required", Answer::Required),
        ];
        dns.answer = entry.choice(&choices, report).unwrap_or_default();
    }
    dns
}

fn record(entry: &Entry<'_>, report: &mut Report) -> Option<Record> {
    if entry.value.is_integer() {
        return entry.number(1..=u16::MAX, report).map(Record::new);
    }
    entry.choice(&RECORDS, report)
}

fn codes(entry: &Entry<'_>, report: &mut Report) -> Vec<u8> {
    let Some(elements) = entry.elements("\"NOERROR\"", report) else {
        return Vec::new();
    };
    if elements.is_empty() {
        let wrong = entry.wrong("no answer would pass", "empty");
        report.add(wrong.help("write codes = [\"NOERROR\"], or remove the line"));
    }
    let code = |element: &Entry<'_>| {
        if element.value.is_integer() {
            element.number(0..=15, report)
        } else {
            element.choice(&CODES, report)
        }
    };
    elements.iter().filter_map(code).collect()
}
