//! The programs in the kernel, their maps filled, and single or fed runs of them.

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf,
    maps::{Array, MapData, ProgramArray},
    programs::{ProgramFd, SchedClassifier, TestRun, TestRunOptions, TestRunResult, Xdp},
};
use bench_ebpf::{EMPTY, FEED, PACKETS, Programs, REFLECT, SLOTS, Slot, TC_SUBJECT, XDP_SUBJECT};
use dns_common::{Hook, Outcome, limit::Limit, maps::Config, sample::Watch};
use dns_ctl::attach::{
    counters::Outcomes,
    kernel::{Kernel, Room},
    maps::KernelMaps,
};

use super::{kinds::Subject, names::Sort, population::fill};

/// The bench's own programs; nothing, if this was built without the eBPF tool chain.
pub(crate) static BENCH_OBJECT: &[u8] = aya::include_bytes_aligned!(env!("KXDNS_BENCH_OBJECT"));

/// What a program is given in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who {
    /// The subject of a kind of packet.
    Subject(Subject),
    /// The program that does nothing.
    Empty,
}

/// Everything that is in the kernel; it goes when this is dropped.
pub(crate) struct Loaded {
    kernel: Kernel,
    maps: KernelMaps,
    tools: Ebpf,
    packets: Array<MapData, Slot>,
    xdp_subject: ProgramArray<MapData>,
    tc_subject: ProgramArray<MapData>,
}

impl Loaded {
    /// Loads the programs, those of kxdns from `object`, with `population` names of each sort in the map.
    pub(crate) fn new(object: &[u8], population: usize) -> Result<Self> {
        ensure!(
            !BENCH_OBJECT.is_empty(),
            "this was built without the kernel programs; use `cargo xtask bench`"
        );
        let names = u32::try_from(population * Sort::ALL.len())?;
        let room = Room {
            names,
            clients: 1024,
        };
        let mut kernel = Kernel::load(object, room)?;
        let mut maps = kernel.take_maps()?;
        fill(&mut maps, population)?;
        let mut tools = Ebpf::load(BENCH_OBJECT).context("can't load the bench's programs")?;
        for programs in [FEED, REFLECT, EMPTY] {
            xdp(&mut tools, programs)?.load()?;
            tc(&mut tools, programs)?.load()?;
        }
        let mut take = |name| tools.take_map(name).context("a map is missing");
        Ok(Self {
            packets: take(PACKETS)?.try_into()?,
            xdp_subject: take(XDP_SUBJECT)?.try_into()?,
            tc_subject: take(TC_SUBJECT)?.try_into()?,
            kernel,
            maps,
            tools,
        })
    }

    /// Has the programs hold clients to this from now on.
    pub(crate) fn set_limit(&mut self, limit: Limit) -> Result<()> {
        let mut config: Config = bytemuck::cast(self.maps.config.get(&0, 0)?);
        config.limit = limit;
        let words: [u64; size_of::<Config>() / 8] = bytemuck::cast(config);
        Ok(self.maps.config.set(0, words, 0)?)
    }

    /// Has the programs take samples of one query in 2^`shift` from now on.
    pub(crate) fn take_samples(&mut self, shift: u32) -> Result<()> {
        let watch = Watch {
            until: u64::MAX,
            shift: shift.into(),
            lost: 0,
        };
        let words: [u64; size_of::<Watch>() / 8] = bytemuck::cast(watch);
        Ok(self.maps.watch.set(0, words, 0)?)
    }

    /// Packets that came to `outcome` so far.
    pub(crate) fn count(&self, hook: Hook, outcome: Outcome) -> Result<u64> {
        let outcomes = Outcomes::read(&self.maps.outcomes)?;
        let count = outcomes
            .iter()
            .find_map(|(by, what, count)| ((by, what) == (hook, outcome)).then_some(count));
        Ok(count.unwrap_or(0))
    }

    /// Puts the packets where the feeder takes them from; there are [`SLOTS`] of them.
    pub(crate) fn set_packets(&mut self, packets: &[Vec<u8>]) -> Result<()> {
        for (number, packet) in (0..SLOTS).zip(packets) {
            let mut slot: Slot = bytemuck::Zeroable::zeroed();
            slot[0] = u32::try_from(packet.len())?;
            bytemuck::cast_slice_mut(&mut slot[1..])[..packet.len()].copy_from_slice(packet);
            self.packets.set(number, slot, 0)?;
        }
        Ok(())
    }

    /// Feeds every packet once; gives the nanoseconds that a packet took on average, feeding included.
    pub(crate) fn feed(&mut self, hook: Hook, who: Who) -> Result<f64> {
        let frame = [0; 64];
        // There is to be room for those that are taken now.
        while self.maps.samples.next().is_some() {}
        let run = match hook {
            Hook::Xdp => {
                let subject = self.xdp_fd(who)?;
                self.xdp_subject.set(0, &subject, 0)?;
                run(xdp(&mut self.tools, FEED)?, &frame, SLOTS)?
            }
            Hook::Tc => {
                let subject = self.tc_fd(who)?;
                self.tc_subject.set(0, &subject, 0)?;
                run(tc(&mut self.tools, FEED)?, &frame, SLOTS)?
            }
        };
        run.nanoseconds(hook, who)
    }

    /// Gives one packet to a program `repeat` times, as the program leaves it; nanoseconds for each.
    pub(crate) fn give(&mut self, hook: Hook, who: Who, frame: &[u8], repeat: u32) -> Result<f64> {
        let run = match hook {
            Hook::Xdp => run(self.xdp_program(who)?, frame, repeat)?,
            Hook::Tc => run(self.tc_program(who)?, frame, repeat)?,
        };
        run.nanoseconds(hook, who)
    }

    fn xdp_program(&mut self, who: Who) -> Result<&mut Xdp> {
        match who {
            Who::Subject(Subject::Kxdns(_)) => Ok(self.kernel.xdp()?),
            Who::Subject(Subject::Reflector) => xdp(&mut self.tools, REFLECT),
            Who::Empty => xdp(&mut self.tools, EMPTY),
        }
    }

    fn tc_program(&mut self, who: Who) -> Result<&mut SchedClassifier> {
        match who {
            Who::Subject(Subject::Kxdns(_)) => Ok(self.kernel.tc()?),
            Who::Subject(Subject::Reflector) => tc(&mut self.tools, REFLECT),
            Who::Empty => tc(&mut self.tools, EMPTY),
        }
    }

    fn xdp_fd(&mut self, who: Who) -> Result<ProgramFd> {
        Ok(self.xdp_program(who)?.fd()?.try_clone()?)
    }

    fn tc_fd(&mut self, who: Who) -> Result<ProgramFd> {
        Ok(self.tc_program(who)?.fd()?.try_clone()?)
    }
}

/// What the kernel says of a run.
struct Run {
    verdict: u32,
    nanoseconds: f64,
}

impl Run {
    /// The duration, if the last packet's verdict was the right one.
    fn nanoseconds(&self, hook: Hook, who: Who) -> Result<f64> {
        let wanted = match (hook, who) {
            (Hook::Xdp, Who::Subject(Subject::Kxdns(Outcome::Dropped(_)))) => XDP_DROP,
            (Hook::Tc, Who::Subject(Subject::Kxdns(Outcome::Dropped(_)))) => TC_ACT_SHOT,
            (Hook::Xdp, Who::Subject(subject)) if subject.answers() => XDP_TX,
            (Hook::Xdp, _) => XDP_PASS,
            (Hook::Tc, Who::Subject(subject)) if subject.answers() => TC_ACT_REDIRECT,
            (Hook::Tc, _) => TC_ACT_UNSPEC,
        };
        ensure!(
            self.verdict == wanted,
            "{who:?} on {} returned {}, not {wanted}",
            hook.label(),
            self.verdict
        );
        Ok(self.nanoseconds)
    }
}

// Return codes of linux/bpf.h and linux/pkt_cls.h.
const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
const XDP_TX: u32 = 3;
const TC_ACT_SHOT: u32 = 2;
const TC_ACT_REDIRECT: u32 = 7;
const TC_ACT_UNSPEC: u32 = u32::MAX;

/// Runs any program that can be run on a packet.
fn run<P>(program: &mut P, frame: &[u8], repeat: u32) -> Result<Run>
where
    P: for<'a> TestRun<Opts<'a> = TestRunOptions<'a>, Result = TestRunResult>,
{
    let result = program
        .test_run(TestRunOptions {
            data_in: Some(frame),
            repeat,
            ..TestRunOptions::default()
        })
        .context("the kernel can't run the packet")?;
    Ok(Run {
        verdict: result.return_value,
        nanoseconds: f64::from(result.duration.subsec_nanos()),
    })
}

fn xdp(tools: &mut Ebpf, programs: Programs) -> Result<&mut Xdp> {
    let program = tools.program_mut(programs.xdp).context(programs.xdp)?;
    Ok(program.try_into()?)
}

fn tc(tools: &mut Ebpf, programs: Programs) -> Result<&mut SchedClassifier> {
    let program = tools.program_mut(programs.tc).context(programs.tc)?;
    Ok(program.try_into()?)
}
