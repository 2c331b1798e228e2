//! The DNS message of an answer, decoded.

use std::fmt::Write as _;

use hickory_proto::{
    op::{Edns, Message, ResponseCode},
    rr::{Record, RecordType},
};
use serde::Serialize;

use super::show::line;

/// The DNS message of an answer.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    rcode: String,
    flags: Vec<&'static str>,
    /// Octets of the largest query that the OPT record says is taken, if there is one.
    edns: Option<u16>,
    octets: usize,
    answers: Vec<Entry>,
    authorities: Vec<Entry>,
    additionals: Vec<Entry>,
}

/// A record.
#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    ttl: u32,
    class: String,
    r#type: String,
    data: String,
}

impl Answer {
    pub(super) fn new(message: &Message, octets: usize) -> Self {
        let about = &message.metadata;
        let flags = [
            ("qr", true),
            ("aa", about.authoritative),
            ("tc", about.truncation),
            ("rd", about.recursion_desired),
            ("ra", about.recursion_available),
            ("ad", about.authentic_data),
            ("cd", about.checking_disabled),
        ];
        let section = |records: &[Record]| records.iter().map(Entry::new).collect();
        Self {
            rcode: match about.response_code {
                ResponseCode::NoError => "NOERROR".to_owned(),
                ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
                other => format!("RCODE{}", u16::from(other)),
            },
            flags: flags
                .into_iter()
                .filter_map(|(flag, set)| set.then_some(flag))
                .collect(),
            edns: message.edns.as_ref().map(Edns::max_payload),
            octets,
            answers: section(&message.answers),
            authorities: section(&message.authorities),
            additionals: section(&message.additionals),
        }
    }

    /// Writes the records as dig does, section by section.
    pub(super) fn write(&self, text: &mut String) {
        let edns = self
            .edns
            .map_or_else(String::new, |size| format!(", EDNS for {size} octets"));
        let about = format!(
            "{}, flags {}{edns}, {} octets",
            self.rcode,
            self.flags.join(" "),
            self.octets
        );
        line(text, "Answer", &about);
        for (title, records) in [
            ("ANSWER", &self.answers),
            ("AUTHORITY", &self.authorities),
            ("ADDITIONAL", &self.additionals),
        ] {
            if records.is_empty() {
                continue;
            }
            // Writing to a `String` can't fail.
            let _infallible = writeln!(text, "\n;; {title} SECTION:");
            for it in records {
                let _infallible = writeln!(
                    text,
                    "{}\t{}\t{}\t{}\t{}",
                    it.name, it.ttl, it.class, it.r#type, it.data
                );
            }
        }
    }
}

impl Entry {
    fn new(record: &Record) -> Self {
        Self {
            name: record.name.to_ascii(),
            ttl: record.ttl,
            class: record.dns_class.to_string(),
            r#type: type_text(record.record_type()),
            data: record.data.to_string(),
        }
    }
}

/// A type as it is written, also one without a name.
pub(super) fn type_text(record_type: RecordType) -> String {
    match record_type {
        RecordType::Unknown(number) => format!("TYPE{number}"),
        named => named.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_written_as_dig_writes_it() {
        let wire = b"\x12\x34\x85\x80\0\x01\0\x01\0\0\0\x01\x05Nginx\x01x\0\0\x01\0\x01\
            \xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\x0a\0\0\x01\
            \0\0\x29\x04\xd0\0\0\0\0\0\0";
        let answer = Answer::new(&Message::from_vec(wire).unwrap(), wire.len());
        let mut text = String::new();
        answer.write(&mut text);
        assert!(
            text.contains("NOERROR, flags qr aa rd ra, EDNS for 1232 octets, 52 octets"),
            "{text}"
        );
        assert!(
            text.contains(";; ANSWER SECTION:\nNginx.x.\t5\tIN\tA\t10.0.0.1\n"),
            "{text}"
        );
        assert!(!text.contains("AUTHORITY"), "{text}");
    }
}
