//! The kernel programs in the hand: loaded with the fixture of `packets`, run on single packets.

use anyhow::{Context as _, Result};
use aya::programs::{TestRun as _, TestRunOptions};
use dns_common::{
    Hook, Outcome,
    entry::{ENTRY_WORDS, Entry},
    hash::NameKey,
    maps::ServiceKey,
    state::State,
};
use dns_ctl::attach::{
    counters::Outcomes,
    kernel::{Kernel, OBJECT, Room},
    maps::KernelMaps,
};
use packets::fixture;

/// Names that the map has room for in tests.
pub const MAX_NAMES: u32 = 4096;

/// More octets than any answer has.
const LONGEST_ANSWER: usize = 1500;

/// Loaded programs and their maps.
pub struct Bench {
    /// The programs.
    pub kernel: Kernel,
    /// The maps.
    pub maps: KernelMaps,
}

/// What a program made of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The program's return code.
    pub verdict: u32,
    /// The outcome that was counted; `None` unless it was exactly one.
    pub outcome: Option<Outcome>,
    /// The packet afterwards.
    pub octets: Vec<u8>,
}

impl Bench {
    /// The programs with empty maps.
    pub fn empty() -> Result<Self> {
        let room = Room {
            names: MAX_NAMES,
            clients: 64,
        };
        let mut kernel = Kernel::load(OBJECT, room)?;
        let maps = kernel.take_maps()?;
        Ok(Self { kernel, maps })
    }

    /// The programs with the maps of [`fixture`].
    pub fn with_fixture() -> Result<Self> {
        let mut bench = Self::empty()?;
        for service in fixture::services() {
            bench.add_service(service)?;
        }
        bench.fill(fixture::entries())?;
        bench.set_state(fixture::state())?;
        bench.maps.configure(fixture::config(), &fixture::zones())?;
        Ok(bench)
    }

    /// Makes packets to this address and port looked at.
    pub fn add_service(&mut self, service: ServiceKey) -> Result<()> {
        let words: [u32; 5] = bytemuck::cast(service);
        Ok(self.maps.services.insert(words, 1, 0)?)
    }

    /// Adds names.
    pub fn fill(&mut self, entries: impl IntoIterator<Item = (NameKey, Entry)>) -> Result<()> {
        for (key, entry) in entries {
            let words: [u64; ENTRY_WORDS] = bytemuck::cast(entry);
            self.maps.names.insert(key.0, words, 0)?;
        }
        Ok(())
    }

    /// Removes all names.
    pub fn clear(&mut self) -> Result<()> {
        let keys: Vec<u64> = self.maps.names.keys().collect::<Result<_, _>>()?;
        for key in keys {
            self.maps.names.remove(&key)?;
        }
        Ok(())
    }

    /// States what may be denied.
    pub fn set_state(&mut self, state: State) -> Result<()> {
        let words: [u64; size_of::<State>() / 8] = bytemuck::cast(state);
        Ok(self.maps.state.set(0, words, 0)?)
    }

    /// Runs the program of `hook` on one packet.
    pub fn run(&mut self, hook: Hook, frame: &[u8]) -> Result<Run> {
        let before = Outcomes::read(&self.maps.outcomes)?;
        let mut octets = vec![0; frame.len() + LONGEST_ANSWER];
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut octets),
            ..TestRunOptions::default()
        };
        let result = match hook {
            Hook::Xdp => self.kernel.xdp()?.test_run(options),
            Hook::Tc => self.kernel.tc()?.test_run(options),
        }
        .context("the kernel can't run the packet")?;
        octets.truncate(usize::try_from(result.data_size_out)?);
        let after = Outcomes::read(&self.maps.outcomes)?;
        let mut counted = after
            .iter()
            .zip(before.iter())
            .filter(|((counted_by, _, now), (_, _, then))| *counted_by == hook && now > then)
            .map(|((_, outcome, now), (_, _, then))| (outcome, now - then));
        let outcome = match (counted.next(), counted.next()) {
            (Some((outcome, 1)), None) => Some(outcome),
            _ => None,
        };
        Ok(Run {
            verdict: result.return_value,
            outcome,
            octets,
        })
    }
}
