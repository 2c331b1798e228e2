//! `dns-ctl dump`: all that the kernel's maps hold but the secret keys, line by line.

pub mod pattern;
mod row;

use std::{net::Ipv6Addr, path::Path};

use anyhow::{Context as _, ensure};
use aya::maps::{Map, MapData, MapError};
use dns_common::{
    entry::Entry,
    hash::NameKey,
    limit::{FRACTION, Limit},
    maps::{Attachment, Config, ServiceKey, map_name},
    state::State,
};

use nix::{
    sys::time::TimeValLike as _,
    time::{ClockId, clock_getres},
};

use self::row::{ConfigRow, Row, StateRow, ZoneRow};
use super::{lookup::Held, print, read_config, status::interface_name};
use crate::{
    args::{DumpArgs, Kind},
    attach::{
        clock::denials_until,
        counters::Outcomes,
        folder::is_claimed,
        maps::{self, AttachedMap, NamesMap, OutcomeMap, ServiceMap, StateMap, ZonesMap},
        pins,
        rung::Rung,
    },
    control::kernel::left_until,
    zone::name::text,
};

/// How often an entry is read that is just being replaced.
const TRIES: usize = 8;
/// Names are written to standard output in blocks of so many octets.
const BLOCK: usize = 64 * 1024;

/// Where lines go; what does not fit the choice is left out.
struct Writer<'a> {
    args: &'a DumpArgs,
    block: String,
    /// Whether anybody reads it still.
    is_read: bool,
}

/// Prints what the maps hold.
pub fn dump(args: &DumpArgs) -> anyhow::Result<()> {
    let bpffs = &args.view.bpffs;
    let config = read_config(bpffs)?;
    if !is_claimed(bpffs) {
        eprintln!("no dns-ctl is running here; these are the maps that one left behind");
    }
    let state = StateMap::try_from(open(bpffs, map_name::STATE)?)?;
    let read_state = || -> anyhow::Result<State> { Ok(bytemuck::cast(state.get(&0, 0)?)) };
    let before = read_state()?;
    let names = pins::open(bpffs, map_name::NAMES)?;
    let capacity = names
        .info()
        .context("can't read about a map")?
        .max_entries();
    let names = NamesMap::try_from(Map::from_map_data(names)?)?;

    let mut out = Writer {
        args,
        block: String::new(),
        is_read: true,
    };
    if args.wants(Kind::Config) {
        out.put(&config_row(&config, capacity))?;
    }
    if args.wants(Kind::State) {
        out.put(&state_row(&before)?)?;
    }
    for (kind, rows) in [
        (Kind::Zones, zones as fn(&Path) -> anyhow::Result<Vec<Row>>),
        (Kind::Services, services),
        (Kind::Interfaces, interfaces),
        (Kind::Packets, packets),
    ] {
        if args.wants(kind) {
            for row in rows(bpffs)? {
                out.put(&row)?;
            }
        }
    }
    if args.wants(Kind::Names) {
        put_names(&mut out, &names, &config, capacity)?;
        let after = read_state()?;
        if (after.epoch, after.serial) != (before.epoch, before.serial) {
            eprintln!(
                "names have changed meanwhile: one that was changed may be missing, or be there twice"
            );
        }
    }
    out.flush()
}

/// Prints the names one by one; none of them is kept.
fn put_names(
    out: &mut Writer<'_>,
    names: &NamesMap<MapData>,
    config: &Config,
    capacity: u32,
) -> anyhow::Result<()> {
    // The kernel begins anew when the key that it was asked to go on from is gone. This has to end all the same.
    let most = u64::from(capacity).saturating_mul(4).saturating_add(1000);
    let mut seen = 0_u64;
    for key in names.keys() {
        let key = NameKey(key.context("can't read the kernel's map of names")?);
        seen += 1;
        ensure!(
            seen <= most,
            "names change faster than they can be read; try again"
        );
        let Some(entry) = read_entry(names, config, key)? else {
            continue;
        };
        let held = Held::read(&entry, None, config.templates.ttl());
        if out.args.wants_name(&held.name) {
            out.put(&Row::Name(held))?;
            if !out.is_read {
                break;
            }
        }
    }
    Ok(())
}

/// The entry under a key, whole; `None` if it has gone.
fn read_entry(
    names: &NamesMap<MapData>,
    config: &Config,
    key: NameKey,
) -> anyhow::Result<Option<Entry>> {
    for _ in 0..TRIES {
        let entry: Entry = match names.get(&key.0, 0) {
            Ok(words) => bytemuck::cast(words),
            Err(MapError::KeyNotFound) => return Ok(None),
            Err(error) => return Err(error).context("can't read the kernel's map of names"),
        };
        if entry.is_whole(&config.keys, key) {
            return Ok(Some(entry));
        }
    }
    eprintln!("an entry is not whole: its name or its addresses are not those that were sealed");
    Ok(None)
}

impl Writer<'_> {
    fn put(&mut self, row: &Row) -> anyhow::Result<()> {
        self.block.push_str(&row.text(self.args.view.output)?);
        if self.block.len() < BLOCK {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.is_read = self.is_read && print(&self.block)?;
        self.block.clear();
        Ok(())
    }
}

impl DumpArgs {
    /// Whether lines of this kind are wanted: those chosen; else names if there is a pattern for them; else all.
    fn wants(&self, kind: Kind) -> bool {
        if self.only.is_empty() {
            self.names.is_empty() || kind == Kind::Names
        } else {
            self.only.contains(&kind)
        }
    }

    fn wants_name(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|pattern| pattern.fits(name))
    }
}

fn open(bpffs: &Path, name: &str) -> anyhow::Result<Map> {
    Ok(Map::from_map_data(pins::open(bpffs, name)?)?)
}

fn config_row(config: &Config, capacity: u32) -> Row {
    Row::Config(ConfigRow {
        version: config.version,
        ttl: config.templates.ttl(),
        denies: config.negative != 0,
        recursion: config.recursion != 0,
        checksum_offload: config.offload != 0,
        client_rate: client_rate(&config.limit),
        capacity,
    })
}

/// Queries a second that one client may ask, as the clock's ticks have it; 0 without a limit.
fn client_rate(limit: &Limit) -> u64 {
    let tick =
        clock_getres(ClockId::CLOCK_MONOTONIC_COARSE).map_or(0, |tick| tick.num_nanoseconds());
    let cost = u128::from(limit.cost) * u128::try_from(tick).unwrap_or(0);
    // To the nearest: a cost is rounded down, and a tick's length, too.
    let second = 1_000_000_000_u128 << FRACTION;
    let rate = (second + cost / 2).checked_div(cost).unwrap_or(0);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

fn state_row(state: &State) -> anyhow::Result<Row> {
    Ok(Row::State(StateRow {
        complete: state.epoch != 0,
        listed: state.listed != 0,
        serial: state.serial,
        lease_seconds: left_until(state.until)?.as_secs_f64(),
        denials_seconds: left_until(denials_until(state))?.as_secs_f64(),
    }))
}

fn zones(bpffs: &Path) -> anyhow::Result<Vec<Row>> {
    let zones = maps::zones(&ZonesMap::try_from(open(bpffs, map_name::ZONES)?)?)?;
    let rows = zones.names().map(|zone| {
        Row::Zone(ZoneRow {
            name: format!("{}.", text(zone.wire())),
            by_rule: zone.by_rule,
        })
    });
    Ok(rows.collect())
}

fn services(bpffs: &Path) -> anyhow::Result<Vec<Row>> {
    let services = ServiceMap::try_from(open(bpffs, map_name::SERVICES)?)?;
    let mut addresses = Vec::new();
    for words in services.keys() {
        let key: ServiceKey = bytemuck::cast(words?);
        let (address, port) = key.socket();
        addresses.push((Ipv6Addr::from(address).to_canonical(), port));
    }
    addresses.sort_unstable();
    let rows = addresses.into_iter().map(|address| Row::Service {
        address: std::net::SocketAddr::from(address).to_string(),
    });
    Ok(rows.collect())
}

fn interfaces(bpffs: &Path) -> anyhow::Result<Vec<Row>> {
    let attached = AttachedMap::try_from(open(bpffs, map_name::ATTACHED)?)?;
    let mut entries = attached.iter().collect::<Result<Vec<_>, _>>()?;
    entries.sort_unstable();
    let rows = entries.into_iter().map(|(index, words)| {
        let attachment: Attachment = bytemuck::cast(words);
        Row::Interface {
            name: interface_name(&attachment),
            index,
            hook: Rung::from_number(attachment.rung).map_or("unknown", Rung::name),
        }
    });
    Ok(rows.collect())
}

fn packets(bpffs: &Path) -> anyhow::Result<Vec<Row>> {
    let outcomes = Outcomes::read(&OutcomeMap::try_from(open(bpffs, map_name::OUTCOMES)?)?)?;
    let counted = outcomes.iter().filter(|&(_, _, count)| count > 0);
    let rows = counted.map(|(hook, outcome, count)| {
        let (result, label) = outcome.labels();
        Row::Packets {
            hook: hook.label(),
            result,
            outcome: label,
            count,
        }
    });
    Ok(rows.collect())
}
