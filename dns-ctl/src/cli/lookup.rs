//! `dns-ctl lookup`: what the kernel holds for a name.

use std::{
    io::Write as _,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
    process::ExitCode,
};

use anyhow::Context as _;
use aya::maps::{Map, MapError};
use dns_common::{
    entry::Entry,
    hash::NameKey,
    head::{NOT_HELD, Others},
    maps::map_name,
};
use hickory_proto::rr::RecordType;
use serde::Serialize;

use super::read_config;
use crate::{
    args::{LookupArgs, Output},
    attach::{folder::is_claimed, maps::NamesMap, pins},
    zone::name::{Domain, text},
};

/// What the kernel holds for a name.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Held {
    pub(super) name: String,
    /// The cluster domain that the name is in; `None` for the name of an address.
    pub(super) zone: Option<String>,
    /// The name's hash, for one name alone: who has many could work out the secret keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    pub(super) records: Vec<HeldRecord>,
    /// Types that the server answers for.
    pub(super) left_to_server: Vec<&'static str>,
    /// Whether the name has no record of any type that is not listed.
    pub(super) other_types: OtherTypes,
}

/// A record that the kernel answers with.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct HeldRecord {
    pub(super) r#type: &'static str,
    pub(super) ttl: u32,
    pub(super) data: String,
}

/// What is known of types that are neither held nor left to the server by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OtherTypes {
    /// There are none.
    None,
    /// Only the server knows.
    LeftToServer,
}

/// Prints what the kernel holds; the exit code is 1 if that is nothing.
pub fn lookup(args: &LookupArgs) -> anyhow::Result<ExitCode> {
    let Some(mut held) = find(&args.view.bpffs, &args.name)? else {
        eprintln!("the kernel holds nothing for {}", args.name);
        return Ok(ExitCode::FAILURE);
    };
    if let Some(kind) = args.record_type
        && kind != RecordType::ANY
    {
        let kind = kind.to_string();
        held.records.retain(|record| record.r#type == kind);
        if held.records.is_empty() {
            let reason = if held.leaves(&kind) {
                "but leaves that type to the server"
            } else {
                "which has no record of that type"
            };
            eprintln!("the kernel holds {}, {reason}", args.name);
            return Ok(ExitCode::FAILURE);
        }
    }
    print(&held, args.view.output)?;
    Ok(ExitCode::SUCCESS)
}

fn find(bpffs: &Path, name: &Domain) -> anyhow::Result<Option<Held>> {
    let config = read_config(bpffs)?;
    if !is_claimed(bpffs) {
        eprintln!("no dns-ctl is running here; these are the maps that one left behind");
    }
    let names = Map::from_map_data(pins::open(bpffs, map_name::NAMES)?)?;
    let names = NamesMap::try_from(names)?;
    let wire = name.to_wire();
    let key = config.keys.name_key(&wire);
    let entry: Entry = match names.get(&key.0, 0) {
        Ok(words) => bytemuck::cast(words),
        Err(MapError::KeyNotFound) => return Ok(None),
        Err(error) => return Err(error).context("can't read the kernel's map of names"),
    };
    // Another name may lie under the same hash.
    let is_other = entry.wire_name().wire() != wire;
    Ok((!is_other).then(|| Held::read(&entry, Some(key), config.templates.ttl())))
}

impl Held {
    /// What an entry says.
    pub(super) fn read(entry: &Entry, key: Option<NameKey>, ttl: u32) -> Self {
        let head = entry.head();
        let others = head.others();
        let (first, second) = entry.set_octets();
        let is_reverse = others.has(Others::REVERSE);
        let mut records = Vec::new();
        let mut push = |r#type, data| records.push(HeldRecord { r#type, ttl, data });
        if is_reverse {
            if !first.is_empty() {
                push("PTR", format!("{}.", text(first)));
            }
        } else {
            for &address in first.as_chunks::<4>().0 {
                push("A", Ipv4Addr::from(address).to_string());
            }
        }
        for &address in second.as_chunks::<16>().0 {
            push("AAAA", Ipv6Addr::from(address).to_string());
        }
        let left = [
            ("A", !is_reverse && head.first() == NOT_HELD),
            ("AAAA", !is_reverse && head.second() == NOT_HELD),
            ("SRV", others.has(Others::SRV)),
            ("SOA", others.has(Others::APEX)),
            ("NS", others.has(Others::APEX)),
            ("TXT", others.has(Others::TXT)),
        ];
        let left = left
            .into_iter()
            .filter_map(|(name, left)| left.then_some(name));
        let name = entry.wire_name();
        let wire = name.wire();
        let zone = wire
            .len()
            .checked_sub(head.zone_len())
            .and_then(|at| wire.get(at..));
        Self {
            name: format!("{}.", text(wire)),
            zone: zone.filter(|zone| !zone.is_empty()).map(text),
            key: key.map(|NameKey(key)| format!("{key:016x}")),
            records,
            left_to_server: left.collect(),
            other_types: if others.has(Others::ANY) {
                OtherTypes::LeftToServer
            } else {
                OtherTypes::None
            },
        }
    }

    /// Whether the server answers for this type.
    fn leaves(&self, kind: &str) -> bool {
        self.left_to_server.contains(&kind) || self.other_types == OtherTypes::LeftToServer
    }
}

fn print(held: &Held, output: Output) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match output {
        Output::Json => writeln!(out, "{}", serde_json::to_string(held)?)?,
        Output::Table => {
            for record in &held.records {
                writeln!(
                    out,
                    "{}\t{}\tIN\t{}\t{}",
                    held.name, record.ttl, record.r#type, record.data
                )?;
            }
            let others = match (held.other_types, held.left_to_server.as_slice()) {
                (OtherTypes::LeftToServer, _) => "other types are left to the server".to_owned(),
                (OtherTypes::None, []) => "there are no other types".to_owned(),
                (OtherTypes::None, left) => {
                    format!(
                        "{} left to the server; there are no other types",
                        left.join(", ")
                    )
                }
            };
            writeln!(out, "; {others}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use dns_common::{entry::Content, hash::HashKeys};

    use super::*;

    const NAME: &[u8] = b"\x05nginx\x01x\x03svc\x07cluster\x05local\0";

    fn held(wire: &[u8], content: &Content<'_>) -> Held {
        let keys: HashKeys = bytemuck::Zeroable::zeroed();
        Held::read(&Entry::new(&keys, wire, content).unwrap(), None, 30)
    }

    fn owner<'c>(a: &'c [[u8; 4]], aaaa: &'c [[u8; 16]], others: Others) -> Content<'c> {
        Content::Owner {
            zone_len: 15,
            a,
            aaaa,
            others,
        }
    }

    #[test]
    fn addresses_and_what_is_left_are_shown() {
        let a = [[10, 0, 0, 1], [10, 0, 0, 2]];
        let held = held(NAME, &owner(&a, &[[0xfd; 16]], Others::SRV));
        assert_eq!(held.name, "nginx.x.svc.cluster.local.");
        assert_eq!(held.zone.as_deref(), Some("cluster.local"));
        let data: Vec<_> = held
            .records
            .iter()
            .map(|it| (it.r#type, it.data.as_str()))
            .collect();
        let third = Ipv6Addr::from([0xfd; 16]).to_string();
        assert_eq!(
            data,
            [
                ("A", "10.0.0.1"),
                ("A", "10.0.0.2"),
                ("AAAA", third.as_str())
            ]
        );
        assert_eq!(held.records[0].ttl, 30);
        assert!(held.leaves("SRV") && !held.leaves("TXT"));
    }

    #[test]
    fn too_many_addresses_are_left_to_the_server() {
        let held = held(NAME, &owner(&[[1; 4]; 200], &[], Others::NONE));
        assert_eq!(held.records, []);
        assert_eq!(held.left_to_server, ["A"]);
        assert!(!held.leaves("AAAA"));
    }

    #[test]
    fn an_address_points_to_a_name_and_nothing_else_is_known() {
        let held = held(b"\x011\x04arpa\0", &Content::Reverse(NAME));
        assert_eq!(held.records[0].data, "nginx.x.svc.cluster.local.");
        assert_eq!((held.zone.as_ref(), held.leaves("A")), (None, true));
    }
}
