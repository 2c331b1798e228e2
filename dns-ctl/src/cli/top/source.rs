//! Where `top` looks: the counters, the state and the names of an instance, all pinned.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use aya::maps::{Map, MapData};
use dns_common::{
    Outcome,
    maps::{Attachment, map_name},
    state::State,
};

use super::{
    super::{read_config, status::interface_name},
    figures,
};
use crate::{
    attach::{
        clock::denials_until,
        counters::Outcomes,
        folder::is_claimed,
        maps::{AttachedMap, NamesMap, OutcomeMap, StateMap},
        pins,
    },
    control::kernel::left_until,
};

/// The names are counted at most so often: each takes a system call.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);

/// The maps of an instance.
pub(super) struct Source {
    bpffs: PathBuf,
    /// Which folder it was when the maps were opened.
    inode: u64,
    outcomes: OutcomeMap<MapData>,
    state: StateMap<MapData>,
    attached: AttachedMap<MapData>,
    names: NamesMap<MapData>,
    capacity: u32,
    counted: Option<Counted>,
}

/// How many names there were, and when.
struct Counted {
    at: Instant,
    version: (u64, u64),
    held: usize,
}

/// All that was read at a moment.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// When.
    pub(super) at: Instant,
    /// What became of packets, since the maps were made.
    pub(super) outcomes: Outcomes,
    /// Whether the instance lives.
    pub(super) running: bool,
    /// Names held, at the latest count.
    pub(super) held: usize,
    /// Names that there is room for.
    pub(super) capacity: u32,
    /// Whether names that are not held are denied.
    pub(super) denies: bool,
    /// For how long answers are given without an instance.
    pub(super) lease: Duration,
    /// Names of the interfaces that programs are attached to.
    pub(super) interfaces: BTreeMap<u32, String>,
}

impl Source {
    /// Opens the maps of the instance at `bpffs`.
    pub(super) fn open(bpffs: &Path) -> anyhow::Result<Self> {
        read_config(bpffs)?;
        let open =
            |name| -> anyhow::Result<Map> { Ok(Map::from_map_data(pins::open(bpffs, name)?)?) };
        let names = pins::open(bpffs, map_name::NAMES)?;
        let capacity = names
            .info()
            .context("can't read about a map")?
            .max_entries();
        Ok(Self {
            bpffs: bpffs.to_owned(),
            inode: inode(bpffs)?,
            outcomes: OutcomeMap::try_from(open(map_name::OUTCOMES)?)?,
            state: StateMap::try_from(open(map_name::STATE)?)?,
            attached: AttachedMap::try_from(open(map_name::ATTACHED)?)?,
            names: NamesMap::try_from(Map::from_map_data(names)?)?,
            capacity,
            counted: None,
        })
    }

    /// Whether the maps are still those that the programs use: an upgrade may have exchanged them.
    pub(super) fn is_current(&self) -> bool {
        inode(&self.bpffs).is_ok_and(|inode| inode == self.inode)
    }

    /// Reads everything.
    pub(super) fn read(&mut self) -> anyhow::Result<Reading> {
        let outcomes = Outcomes::read(&self.outcomes)?;
        let at = Instant::now();
        let state: State = bytemuck::cast(self.state.get(&0, 0)?);
        let mut interfaces = BTreeMap::new();
        // One that goes meanwhile is left out.
        for (index, words) in self.attached.iter().flatten() {
            let attachment: Attachment = bytemuck::cast(words);
            interfaces.insert(index, interface_name(&attachment));
        }
        Ok(Reading {
            at,
            outcomes,
            running: is_claimed(&self.bpffs),
            held: self.held(&state),
            capacity: self.capacity,
            denies: state.epoch != 0 && !left_until(denials_until(&state))?.is_zero(),
            lease: left_until(state.until)?,
            interfaces,
        })
    }

    fn held(&mut self, state: &State) -> usize {
        let version = (state.epoch, state.serial);
        if let Some(counted) = &self.counted
            && (counted.version == version || counted.at.elapsed() < COUNT_INTERVAL)
        {
            return counted.held;
        }
        let held = self.names.keys().flatten().count();
        self.counted = Some(Counted {
            at: Instant::now(),
            version,
            held,
        });
        held
    }
}

impl Reading {
    /// Queries to the cluster's DNS in each second since the reading before.
    pub(super) fn queries_per_second_since(&self, before: &Self) -> f64 {
        let queries = Outcome::all().filter(|outcome| outcome.is_query());
        let new = queries.map(|it| {
            self.outcomes
                .count(it)
                .wrapping_sub(before.outcomes.count(it))
        });
        let seconds = (self.at - before.at).as_secs_f64();
        figures::float(new.sum()) / seconds.max(f64::EPSILON)
    }
}

fn inode(bpffs: &Path) -> io::Result<u64> {
    Ok(fs::metadata(pins::maps_folder(bpffs))?.ino())
}
