//! What the maps hold, as lines: fields with tabs between them, or JSON objects.

use serde::Serialize;

use super::super::lookup::{Held, OtherTypes};
use crate::args::Output;

/// Something that a map holds.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Row {
    /// What the programs go by; the secret keys are no part of it.
    Config(ConfigRow),
    /// What may be answered and denied at the moment.
    State(StateRow),
    /// A name in which names are denied, or exist by a rule.
    Zone(ZoneRow),
    /// An address at which clients reach DNS.
    Service {
        /// Address and port.
        address: String,
    },
    /// An interface that a program is attached to.
    Interface {
        /// Its name.
        name: String,
        /// Its index.
        index: u32,
        /// The hook in use.
        hook: &'static str,
    },
    /// How many packets came to an outcome.
    Packets {
        /// The kind of program.
        hook: &'static str,
        /// `hit` or `miss`.
        result: &'static str,
        /// The outcome.
        outcome: &'static str,
        /// How many.
        count: u64,
    },
    /// A name and what is answered for it.
    Name(Held),
}

/// What the programs go by.
#[derive(Debug, Serialize)]
pub(super) struct ConfigRow {
    /// Version of the maps.
    pub(super) version: u64,
    /// TTL of all records, in seconds.
    pub(super) ttl: u32,
    /// Whether names and types may be denied at all.
    pub(super) denies: bool,
    /// Whether answers say that recursion is available.
    pub(super) recursion: bool,
    /// Whether devices complete checksums.
    pub(super) checksum_offload: bool,
    /// Queries a second that one client may ask; 0: as many as it likes.
    pub(super) client_rate: u64,
    /// Names that there is room for.
    pub(super) capacity: u32,
}

/// What may be answered and denied.
#[derive(Debug, Serialize)]
pub(super) struct StateRow {
    /// Whether the map holds every name there is.
    pub(super) complete: bool,
    /// Whether entries tell of all types.
    pub(super) listed: bool,
    /// Serial number of the zones.
    pub(super) serial: u64,
    /// For how many seconds answers are given without an instance.
    pub(super) lease_seconds: f64,
    /// For how many seconds names and types are denied without an instance.
    pub(super) denials_seconds: f64,
}

/// A zone, or a part of one.
#[derive(Debug, Serialize)]
pub(super) struct ZoneRow {
    /// Its name.
    pub(super) name: String,
    /// Whether names inside exist by a rule that only the server knows.
    pub(super) by_rule: bool,
}

impl Row {
    /// The line or lines, each with its end.
    pub(super) fn text(&self, output: Output) -> serde_json::Result<String> {
        match output {
            Output::Json => Ok(serde_json::to_string(self)? + "\n"),
            Output::Table => Ok(self.table()),
        }
    }

    fn table(&self) -> String {
        match self {
            Self::Config(it) => lines(
                "config",
                &[
                    ("version", it.version.to_string()),
                    ("ttl", it.ttl.to_string()),
                    ("denies", it.denies.to_string()),
                    ("recursion", it.recursion.to_string()),
                    ("checksum_offload", it.checksum_offload.to_string()),
                    ("client_rate", it.client_rate.to_string()),
                    ("capacity", it.capacity.to_string()),
                ],
            ),
            Self::State(it) => lines(
                "state",
                &[
                    ("complete", it.complete.to_string()),
                    ("listed", it.listed.to_string()),
                    ("serial", it.serial.to_string()),
                    ("lease_seconds", format!("{:.0}", it.lease_seconds)),
                    ("denials_seconds", format!("{:.0}", it.denials_seconds)),
                ],
            ),
            Self::Zone(ZoneRow { name, by_rule }) => {
                let what = if *by_rule { "by_rule" } else { "listed" };
                format!("zone\t{name}\t{what}\n")
            }
            Self::Service { address } => format!("service\t{address}\n"),
            Self::Interface { name, index, hook } => {
                format!("interface\t{name}\t{index}\t{hook}\n")
            }
            Self::Packets {
                hook,
                result,
                outcome,
                count,
            } => format!("packets\t{hook}\t{result}\t{outcome}\t{count}\n"),
            Self::Name(held) => names(held),
        }
    }
}

fn lines(kind: &str, fields: &[(&str, String)]) -> String {
    let lines = fields
        .iter()
        .map(|(name, value)| format!("{kind}\t{name}\t{value}\n"));
    lines.collect()
}

/// A line for each record, and for each type that is left to the server.
fn names(held: &Held) -> String {
    let name = &held.name;
    let records = held
        .records
        .iter()
        .map(|it| format!("name\t{name}\t{}\tIN\t{}\t{}\n", it.ttl, it.r#type, it.data));
    let others = (held.other_types == OtherTypes::LeftToServer).then_some("*");
    let left = held.left_to_server.iter().copied().chain(others);
    let left = left.map(|kind| format!("name\t{name}\t-\tIN\t{kind}\t(left to the server)\n"));
    let text: String = records.chain(left).collect();
    if text.is_empty() {
        format!("name\t{name}\t-\tIN\t-\t(no records)\n")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::lookup::HeldRecord, *};

    fn held(records: Vec<HeldRecord>, left: &[&'static str], other_types: OtherTypes) -> Row {
        Row::Name(Held {
            name: "a.b.".to_owned(),
            zone: Some("b".to_owned()),
            key: None,
            records,
            left_to_server: left.to_vec(),
            other_types,
        })
    }

    #[test]
    fn each_record_has_a_line_that_names_its_owner() {
        let a = HeldRecord {
            r#type: "A",
            ttl: 5,
            data: "10.0.0.1".to_owned(),
        };
        for (row, expected) in [
            (
                held(vec![a], &["SRV"], OtherTypes::None),
                "name\ta.b.\t5\tIN\tA\t10.0.0.1\nname\ta.b.\t-\tIN\tSRV\t(left to the server)\n",
            ),
            (
                held(vec![], &[], OtherTypes::None),
                "name\ta.b.\t-\tIN\t-\t(no records)\n",
            ),
            (
                held(vec![], &[], OtherTypes::LeftToServer),
                "name\ta.b.\t-\tIN\t*\t(left to the server)\n",
            ),
        ] {
            assert_eq!(row.text(Output::Table).unwrap(), expected);
        }
    }

    #[test]
    fn a_json_line_says_what_it_is_of() {
        let row = held(vec![], &["SRV"], OtherTypes::None);
        let json: serde_json::Value =
            serde_json::from_str(&row.text(Output::Json).unwrap()).unwrap();
        assert_eq!(json["kind"], "name");
        assert_eq!(json["name"], "a.b.");
        assert_eq!(json["left_to_server"][0], "SRV");
        let zone = Row::Zone(ZoneRow {
            name: "b.".to_owned(),
            by_rule: true,
        });
        assert_eq!(
            zone.text(Output::Json).unwrap(),
            "{\"kind\":\"zone\",\"name\":\"b.\",\"by_rule\":true}\n"
        );
        assert_eq!(zone.text(Output::Table).unwrap(), "zone\tb.\tby_rule\n");
    }
}
