//! `dns-ctl lookup`: what the kernel holds for a name.

use std::{io::Write as _, net::Ipv4Addr, path::Path, process::ExitCode};

use anyhow::Context as _;
use aya::maps::{Map, MapError};
use dns_common::{entry::Entry, maps::map_name};
use hickory_proto::rr::RecordType;
use serde::Serialize;

use super::read_config;
use crate::{
    args::{LookupArgs, Output},
    attach::{kernel::NamesMap, pins},
    zone::name::Domain,
};

/// What the kernel holds for a name.
#[derive(Debug, Serialize)]
struct Held {
    name: String,
    key: String,
    records: Vec<HeldRecord>,
}

/// A record that the kernel answers with.
#[derive(Debug, Serialize)]
struct HeldRecord {
    r#type: &'static str,
    ttl: u32,
    data: String,
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
        held.records
            .retain(|record| record.r#type == kind.to_string());
    }
    if held.records.is_empty() {
        eprintln!("the kernel holds {}, but no record of that type", args.name);
        return Ok(ExitCode::FAILURE);
    }
    print(&held, args.view.output)?;
    Ok(ExitCode::SUCCESS)
}

fn find(bpffs: &Path, name: &Domain) -> anyhow::Result<Option<Held>> {
    let config = read_config(bpffs)?;
    if !pins::is_claimed(bpffs) {
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
    if entry.wire_name() != wire {
        return Ok(None);
    }
    let records = entry.address().map(|(address, ttl)| HeldRecord {
        r#type: "A",
        ttl,
        data: Ipv4Addr::from(address).to_string(),
    });
    Ok(Some(Held {
        name: format!("{name}."),
        key: format!("{:016x}", key.0),
        records: records.into_iter().collect(),
    }))
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
        }
    }
    Ok(())
}
