//! What a server said, in a form in which equal answers are equal.

use std::{collections::BTreeSet, fmt};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{Name, RData, Record, RecordType},
};

/// An answer without what may differ: the order of records, the case of letters, serial numbers, EDNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The response code.
    pub rcode: ResponseCode,
    /// Whether the server speaks for the zone (AA).
    pub authoritative: bool,
    /// The answer section, sorted.
    pub answers: Vec<Line>,
    /// The authority section, sorted.
    pub authorities: Vec<Line>,
    /// The additional section, each record once.
    pub additionals: BTreeSet<Line>,
}

/// A resource record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// The owner, in lower case and with a dot at the end.
    pub owner: String,
    /// In seconds.
    pub ttl: u32,
    /// The type.
    pub record_type: RecordType,
    /// The data as dig prints it, in lower case; a serial number is 0.
    pub data: String,
}

impl Said {
    /// What a message says.
    #[must_use]
    pub fn new(message: &Message) -> Self {
        let lines = |records: &[Record]| {
            let mut lines: Vec<_> = records.iter().map(Line::new).collect();
            lines.sort();
            lines
        };
        Self {
            rcode: message.metadata.response_code,
            authoritative: message.metadata.authoritative,
            answers: lines(&message.answers),
            authorities: lines(&message.authorities),
            additionals: message.additionals.iter().map(Line::new).collect(),
        }
    }

    /// Whether the addresses that come with SRV or NS records are missing; there may have been no room for them
    /// (RFC 2181, section 9).
    #[must_use]
    pub fn is_without_glue(&self) -> bool {
        let leads_on = |it: &Line| matches!(it.record_type, RecordType::SRV | RecordType::NS);
        self.additionals.is_empty() && self.answers.iter().any(leads_on)
    }
}

impl Line {
    /// A record.
    #[must_use]
    pub fn new(record: &Record) -> Self {
        let lower = |name: &Name| name.to_lowercase().to_string();
        let data = match &record.data {
            RData::SOA(soa) => format!(
                "{} {} 0 {} {} {} {}",
                lower(&soa.mname),
                lower(&soa.rname),
                soa.refresh,
                soa.retry,
                soa.expire,
                soa.minimum
            ),
            // The text of a TXT record is no name.
            RData::TXT(text) => text.to_string(),
            data => data.to_string().to_lowercase(),
        };
        Self {
            owner: lower(&record.name),
            ttl: record.ttl,
            record_type: record.record_type(),
            data,
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            owner,
            ttl,
            record_type,
            data,
        } = self;
        write!(f, "{owner}\t{ttl}\tIN\t{record_type}\t{data}")
    }
}

impl fmt::Display for Said {
    /// As dig prints it, more or less.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let aa = if self.authoritative { " aa" } else { "" };
        writeln!(f, ";; status: {:?}; flags: qr{aa}", self.rcode)?;
        let additionals: Vec<_> = self.additionals.iter().cloned().collect();
        for (title, lines) in [
            ("ANSWER", &self.answers),
            ("AUTHORITY", &self.authorities),
            ("ADDITIONAL", &additionals),
        ] {
            if !lines.is_empty() {
                writeln!(f, ";; {title}:")?;
            }
            for line in lines {
                writeln!(f, "{line}")?;
            }
        }
        Ok(())
    }
}
