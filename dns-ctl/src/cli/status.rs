//! `dns-ctl status`: whether it is ready and up to date, interfaces, what the maps hold, and what became of packets.

mod live;
mod show;

use std::{
    collections::BTreeMap,
    io::Write as _,
    net::SocketAddr,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use aya::maps::Map;
use dns_common::{
    maps::{Attachment, map_name},
    state::State,
};
use serde::Serialize;

use live::Live;
pub(super) use show::lease;
use show::text;

use super::{read_config, trace::service_addresses};
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
    instance::report,
};

/// The state of an instance, as `--output json` shows it.
#[derive(Debug, Serialize)]
struct Status {
    /// Whether the instance lives; if not, its maps are left over.
    running: bool,
    /// What the instance says of itself; nothing if none lives, or if it does not say.
    instance: Option<Live>,
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
    /// For how many seconds it goes on denying without one.
    denials_seconds: f64,
    /// How many seconds ago what is served last changed; nothing if it never did.
    changed_seconds: Option<u64>,
    /// At which addresses and ports the kernel answers.
    addresses: Vec<SocketAddr>,
    /// Packets answered, by kind.
    hits: BTreeMap<&'static str, u64>,
    /// Packets passed on, by reason.
    misses: BTreeMap<&'static str, u64>,
    /// Packets dropped, by reason.
    drops: BTreeMap<&'static str, u64>,
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
    let running = is_claimed(bpffs);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let denials = left_until(denials_until(&state))?;
    Ok(Status {
        running,
        // It may be starting, or of a version that does not know this question.
        instance: running
            .then(|| report::hear(bpffs).ok())
            .flatten()
            .map(|heard| Live::read(&heard, now)),
        interfaces,
        entries: names.keys().flatten().count(),
        capacity,
        denies: state.epoch != 0 && !denials.is_zero(),
        lease_seconds: left_until(state.until)?.as_secs_f64(),
        denials_seconds: denials.as_secs_f64(),
        changed_seconds: (state.serial != 0).then(|| now.saturating_sub(state.serial)),
        addresses: service_addresses(bpffs)?.into_iter().collect(),
        hits: outcomes
            .hits()
            .map(|(hit, count)| (hit.label(), count))
            .collect(),
        misses: outcomes
            .misses()
            .map(|(miss, count)| (miss.label(), count))
            .collect(),
        drops: outcomes
            .drops()
            .map(|(dropped, count)| (dropped.label(), count))
            .collect(),
    })
}

fn interface(ifindex: u32, attachment: Attachment) -> Interface {
    Interface {
        name: interface_name(&attachment),
        ifindex,
        hook: Rung::from_number(attachment.rung).map_or("unknown", Rung::name),
    }
}

/// The interface's name.
pub(super) fn interface_name(attachment: &Attachment) -> String {
    let name = attachment.name.iter().take_while(|&&octet| octet != 0);
    String::from_utf8(name.copied().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use dns_common::{Dropped, Hit, Miss};

    use super::*;

    pub(super) fn sample() -> Status {
        Status {
            running: true,
            instance: Some(Live {
                who: "version 1, process 2".to_owned(),
                ready: true,
                missing: Vec::new(),
                started_seconds: Some(7300),
                synced: true,
                snapshot_seconds: None,
                sources: vec![live::Source {
                    kind: "service".to_owned(),
                    listed: true,
                    heard_seconds: Some(61),
                    changed_seconds: None,
                    errors: 4,
                    invalid: 0,
                }],
                interfaces_without: 0,
                names_left_out: 0,
                server: live::Server {
                    answers: 9,
                    servfail: 1,
                    malformed: 0,
                    waiting: 0,
                },
                upstreams: vec![live::Upstream {
                    address: "10.0.0.1:53".to_owned(),
                    up: false,
                    looping: false,
                    tries: 8,
                    failures: 7,
                }],
            }),
            interfaces: vec![Interface {
                name: "veth0".to_owned(),
                ifindex: 3,
                hook: "tcx",
            }],
            entries: 12,
            capacity: 131_072,
            denies: true,
            lease_seconds: 594.5,
            denials_seconds: 54.5,
            changed_seconds: Some(125),
            addresses: vec!["10.96.0.10:53".parse().unwrap()],
            hits: Hit::ALL.iter().map(|hit| (hit.label(), 5)).collect(),
            misses: Miss::ALL
                .iter()
                .map(|miss| (miss.label(), u64::from(*miss == Miss::Torn)))
                .collect(),
            drops: Dropped::ALL.iter().map(|it| (it.label(), 6)).collect(),
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
        assert_eq!(json["denials_seconds"], 54.5);
        assert_eq!(json["changed_seconds"], 125);
        assert_eq!(json["addresses"][0], "10.96.0.10:53");
        assert_eq!(json["instance"]["ready"], true);
        assert_eq!(json["instance"]["synced"], true);
        assert_eq!(json["instance"]["sources"][0]["heard_seconds"], 61);
        assert_eq!(json["instance"]["server"]["servfail"], 1);
        assert_eq!(json["instance"]["upstreams"][0]["up"], false);
        assert_eq!(json["hits"]["a"], 5);
        assert_eq!(json["misses"]["torn"], 1);
        assert_eq!(json["drops"]["rate_limited"], 6);
        assert_eq!(json["misses"]["outside_zones"], 0);
    }
}
