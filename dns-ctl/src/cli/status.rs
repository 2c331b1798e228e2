//! `dns-ctl status`: interfaces, hooks, names held, and what became of packets.

use std::{collections::BTreeMap, fmt::Write as _, io::Write as _, path::Path, time::Duration};

use anyhow::Context as _;
use aya::maps::Map;
use comfy_table::{CellAlignment, Table, presets};
use dns_common::{
    Hit, Miss,
    maps::{Attachment, map_name},
    state::State,
};
use serde::Serialize;

use super::read_config;
use crate::{
    args::{Output, StatusArgs},
    attach::{
        clock::denials_until,
        counters::Outcomes,
        folder::is_claimed,
        maps::{AttachedMap, NamesMap, OutcomeMap, StateMap},
        pins,
        rung::Rung,
    },
    control::kernel::left_until,
};

/// The state of an instance, as `--output json` shows it.
#[derive(Debug, Serialize)]
struct Status {
    /// Whether the instance lives; if not, its maps are left over.
    running: bool,
    /// Where programs are attached.
    interfaces: Vec<Interface>,
    /// Names held.
    entries: usize,
    /// Names that there is room for.
    capacity: u32,
    /// Whether names of the cluster domains that are not held are denied in the kernel.
    denies: bool,
    /// For how many seconds the kernel goes on answering without an instance; 0: it answers nothing.
    lease_seconds: f64,
    /// Packets answered, by kind.
    hits: BTreeMap<&'static str, u64>,
    /// Packets passed on, by reason.
    misses: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct Interface {
    name: String,
    ifindex: u32,
    hook: &'static str,
}

/// Prints the state of the instance that has its maps in `--bpffs`.
pub fn status(args: &StatusArgs) -> anyhow::Result<()> {
    let status = read(&args.view.bpffs)?;
    let mut out = std::io::stdout().lock();
    match args.view.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string(&status)?)?,
        Output::Table => write!(out, "{}", text(&status))?,
    }
    Ok(())
}

fn read(bpffs: &Path) -> anyhow::Result<Status> {
    read_config(bpffs)?;
    let open = |name| -> anyhow::Result<(Map, u32)> {
        let map = pins::open(bpffs, name)?;
        let capacity = map.info().context("can't read about a map")?.max_entries();
        Ok((Map::from_map_data(map)?, capacity))
    };
    let (names, capacity) = open(map_name::NAMES)?;
    let names = NamesMap::try_from(names)?;
    let outcomes = Outcomes::read(&OutcomeMap::try_from(open(map_name::OUTCOMES)?.0)?)?;
    let attached = AttachedMap::try_from(open(map_name::ATTACHED)?.0)?;
    let mut interfaces = Vec::new();
    for entry in &attached {
        let (ifindex, words) = entry?;
        interfaces.push(interface(ifindex, bytemuck::cast(words)));
    }
    let state = StateMap::try_from(open(map_name::STATE)?.0)?.get(&0, 0)?;
    let state: State = bytemuck::cast(state);
    interfaces.sort_by_key(|interface| interface.ifindex);
    Ok(Status {
        running: is_claimed(bpffs),
        interfaces,
        entries: names.keys().flatten().count(),
        capacity,
        denies: state.epoch != 0 && !left_until(denials_until(&state))?.is_zero(),
        lease_seconds: left_until(state.until)?.as_secs_f64(),
        hits: outcomes
            .hits()
            .map(|(hit, count)| (hit.label(), count))
            .collect(),
        misses: outcomes
            .misses()
            .map(|(miss, count)| (miss.label(), count))
            .collect(),
    })
}

fn interface(ifindex: u32, attachment: Attachment) -> Interface {
    let name = attachment
        .name
        .iter()
        .take_while(|&&octet| octet != 0)
        .copied()
        .collect();
    Interface {
        name: String::from_utf8(name).unwrap_or_default(),
        ifindex,
        hook: Rung::from_number(attachment.rung).map_or("unknown", Rung::name),
    }
}

fn text(status: &Status) -> String {
    let mut text = String::new();
    if !status.running {
        text.push_str("No dns-ctl is running here; these are the maps that one left behind.\n\n");
    }
    let mut interfaces = table(&["INTERFACE", "INDEX", "HOOK"]);
    for interface in &status.interfaces {
        interfaces.add_row([
            interface.name.clone(),
            interface.ifindex.to_string(),
            interface.hook.to_owned(),
        ]);
    }
    let mut outcomes = table(&["PACKETS", "COUNT", "MEANING"]);
    let hits = Hit::ALL
        .iter()
        .map(|hit| ("hit", hit.label(), hit.text(), status.hits[hit.label()]));
    let misses = Miss::ALL.iter().map(|miss| {
        (
            "miss",
            miss.label(),
            miss.text(),
            status.misses[miss.label()],
        )
    });
    for (result, label, meaning, count) in hits.chain(misses) {
        if count > 0 || result == "hit" {
            outcomes.add_row([
                format!("{result} {label}"),
                count.to_string(),
                meaning.to_owned(),
            ]);
        }
    }
    if let Some(column) = outcomes.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    // Writing to a `String` can't fail.
    let _infallible = write!(
        text,
        "Lease: {}\nNames held: {} of {}; {}\n\n{interfaces}\n\n{outcomes}\n",
        lease(Duration::from_secs_f64(status.lease_seconds)),
        status.entries,
        status.capacity,
        if status.denies {
            "others of the cluster are denied"
        } else {
            "others are passed on"
        }
    );
    text
}

/// For how long the kernel goes on answering by itself.
fn lease(left: Duration) -> String {
    if left.is_zero() {
        return "expired; all queries are passed on".to_owned();
    }
    // A part of a second is a time in which it answers.
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s left"),
        (minutes, 0) => format!("{minutes} min left"),
        (minutes, seconds) => format!("{minutes} min {seconds} s left"),
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Status {
        Status {
            running: true,
            interfaces: vec![Interface {
                name: "veth0".to_owned(),
                ifindex: 3,
                hook: "tcx",
            }],
            entries: 12,
            capacity: 131_072,
            denies: true,
            lease_seconds: 594.5,
            hits: Hit::ALL.iter().map(|hit| (hit.label(), 5)).collect(),
            misses: Miss::ALL
                .iter()
                .map(|miss| (miss.label(), u64::from(*miss == Miss::Torn)))
                .collect(),
        }
    }

    #[test]
    fn json_has_the_fields_that_scripts_rely_on() {
        let json = serde_json::to_value(sample()).unwrap();
        assert_eq!(json["running"], true);
        assert_eq!(json["interfaces"][0]["name"], "veth0");
        assert_eq!(json["interfaces"][0]["ifindex"], 3);
        assert_eq!(json["interfaces"][0]["hook"], "tcx");
        assert_eq!(json["entries"], 12);
        assert_eq!(json["capacity"], 131_072);
        assert_eq!(json["denies"], true);
        assert_eq!(json["lease_seconds"], 594.5);
        assert_eq!(json["hits"]["a"], 5);
        assert_eq!(json["misses"]["torn"], 1);
        assert_eq!(json["misses"]["outside_zones"], 0);
    }

    #[test]
    fn the_lease_is_told_as_people_say_it() {
        for (milliseconds, expected) in [
            (0, "expired; all queries are passed on"),
            (1, "1 s left"),
            (59_000, "59 s left"),
            (59_001, "1 min left"),
            (594_500, "9 min 55 s left"),
            (86_400_000, "1440 min left"),
        ] {
            assert_eq!(lease(Duration::from_millis(milliseconds)), expected);
        }
    }

    #[test]
    fn the_table_shows_what_happened_and_what_it_means() {
        let text = text(&sample());
        assert!(
            text.contains("Names held: 12 of 131072; others of the cluster are denied"),
            "{text}"
        );
        assert!(text.contains("Lease: 9 min 55 s left\n"), "{text}");
        assert!(text.contains("veth0"), "{text}");
        assert!(
            text.contains("miss torn") && text.contains(Miss::Torn.text()),
            "{text}"
        );
        assert!(
            !text.contains("miss class"),
            "reasons that never happened are left out: {text}"
        );
    }
}
