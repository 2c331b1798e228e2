//! What became of packets: the kernel's counters, summed over CPUs.

use std::borrow::Borrow;

use aya::maps::MapData;
use dns_common::{
    Dropped, Hit, Hook, Miss, Outcome, maps::Counters, maps::map_name, outcome::OUTCOMES,
};

use super::{
    kernel::KernelError,
    maps::{OutcomeMap, access},
};

/// Packets by hook and outcome since the maps were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    hooks: Vec<(Hook, Counters)>,
}

impl Outcomes {
    /// These counters.
    pub fn of(hooks: impl IntoIterator<Item = (Hook, Counters)>) -> Self {
        let hooks = hooks.into_iter().collect();
        Self { hooks }
    }

    /// Reads the kernel's counters.
    pub fn read<T: Borrow<MapData>>(map: &OutcomeMap<T>) -> Result<Self, KernelError> {
        let mut hooks = Vec::with_capacity(Hook::ALL.len());
        for &hook in Hook::ALL {
            let cpus = map
                .get(&(hook as u32), 0)
                .map_err(access(map_name::OUTCOMES))?;
            let sum = cpus.iter().fold([0; OUTCOMES], |sum: Counters, cpu| {
                std::array::from_fn(|at| sum[at].wrapping_add(cpu[at]))
            });
            hooks.push((hook, sum));
        }
        Ok(Self { hooks })
    }

    /// No packet has come yet.
    #[cfg(test)]
    pub(crate) fn zero() -> Self {
        let hooks = Hook::ALL.iter().map(|&hook| (hook, [0; OUTCOMES]));
        Self {
            hooks: hooks.collect(),
        }
    }

    /// Every counter.
    pub fn iter(&self) -> impl Iterator<Item = (Hook, Outcome, u64)> {
        self.hooks.iter().flat_map(|&(hook, counters)| {
            Outcome::all().map(move |outcome| (hook, outcome, counters[outcome.index()]))
        })
    }

    /// Packets that came to this outcome, on any hook.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.hooks
            .iter()
            .map(|(_, counters)| counters[outcome.index()])
            .sum()
    }

    /// Packets answered, by kind.
    pub fn hits(&self) -> impl Iterator<Item = (Hit, u64)> {
        let hits = Hit::ALL.iter().copied();
        hits.map(|hit| (hit, self.count(Outcome::Hit(hit))))
    }

    /// Packets passed on, by reason.
    pub fn misses(&self) -> impl Iterator<Item = (Miss, u64)> {
        let misses = Miss::ALL.iter().copied();
        misses.map(|miss| (miss, self.count(Outcome::Miss(miss))))
    }

    /// Packets dropped, by reason.
    pub fn drops(&self) -> impl Iterator<Item = (Dropped, u64)> {
        let drops = Dropped::ALL.iter().copied();
        drops.map(|dropped| (dropped, self.count(Outcome::Dropped(dropped))))
    }
}
