//! Those who answer, one at a time: started, measured, and taken away again.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf,
    programs::{Xdp, XdpMode, loaded_programs},
};
use bench_ebpf::REFLECT;
use clap::ValueEnum;
use hickory_proto::op::ResponseCode;
use serde::Serialize;
use serde_json::Value;
use testbed::{Child, Scratch, UdpClient, interrupt};

use super::{bed::Bed, names::Kind, verify};
use crate::{process::processor_time, program::BENCH_OBJECT};

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Who {
    /// A program that sends every packet back as it is, addresses swapped
    Reflector,
    /// dns-ctl with its program on native XDP
    Kxdns,
    /// Knot on `AF_XDP`
    Knot,
}

/// One of them, at its end of the wire; gone when dropped.
pub(super) struct Subject<'a> {
    who: Who,
    bed: &'a Bed,
    child: Option<Child>,
    /// The reflector is attached for as long as this is here.
    _program: Option<Ebpf>,
    /// Knot's, which goes after Knot.
    _folder: Option<Scratch>,
}

/// What the interface's program has cost since its statistics are on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// The time in it.
    pub(super) time: Duration,
    /// How often it ran.
    pub(super) runs: u64,
}

impl Who {
    /// What it is called in reports.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Reflector => "reflector",
            Self::Kxdns => "kxdns",
            Self::Knot => "Knot",
        }
    }
}

impl<'a> Subject<'a> {
    /// Starts it, and waits until it answers.
    pub(super) fn start(bed: &'a Bed, who: Who) -> Result<Self> {
        let (mut child, mut program, mut folder) = (None, None, None);
        match who {
            Who::Reflector => program = Some(reflector(bed)?),
            Who::Kxdns => child = Some(bed.start_dns_ctl()?),
            Who::Knot => {
                let (knot, its_folder) = bed.start_knot()?;
                (child, folder) = (Some(knot), Some(its_folder));
            }
        }
        Ok(Self {
            who,
            bed,
            child,
            _program: program,
            _folder: folder,
        })
    }

    /// Ends it; an error unless it ended well.
    pub(super) fn stop(self) -> Result<()> {
        if let Some(child) = self.child {
            let status = child.stop()?;
            ensure!(status.success(), "it ended with {status}");
        }
        if self.who == Who::Knot {
            // It leaves its program on the interface.
            let interface = self.bed.interface();
            self.bed
                .node()
                .ip(&format!("link set {interface} xdp off"))?;
        }
        Ok(())
    }

    /// Looks at the answers to all questions of a sort; gives the octets of one, all having as many.
    pub(super) fn verify(&self, kind: Kind, services: u32) -> Result<u64> {
        if self.who == Who::Reflector {
            return verify::question_size(kind);
        }
        let client = UdpClient::bind(self.bed.client(), (Ipv4Addr::UNSPECIFIED, 0).into())?;
        let mut size = None;
        for number in 0..services {
            interrupt::check()?;
            let octets = verify::ask(&client, kind, number)?;
            ensure!(
                *size.get_or_insert(octets) == octets,
                "answers have {size:?} or {octets} octets"
            );
        }
        size.context("there is no question")
    }

    /// The response code that kxdpgun is to see.
    pub(super) const fn code(&self, kind: Kind) -> ResponseCode {
        match self.who {
            // A question has none, which is as if it had that of success.
            Who::Reflector => ResponseCode::NoError,
            Who::Kxdns | Who::Knot => kind.code(),
        }
    }

    /// The processor time until now of all that works at this end of the wire.
    pub(super) fn processor_time(&self) -> Result<Duration> {
        let own = self.child.as_ref().map(|child| processor_time(child.pid()));
        Ok(own.transpose()?.unwrap_or_default() + processor_time(self.bed.napi)?)
    }

    /// Packets answered until now, by the subject's own count; `None` if it has none.
    pub(super) fn hits(&self) -> Result<Option<u64>> {
        match self.who {
            Who::Kxdns => self.bed.hits().map(Some),
            Who::Reflector | Who::Knot => Ok(None),
        }
    }

    /// What the program on the interface has cost, whoever has put it there.
    pub(super) fn program_cost(&self) -> Result<Cost> {
        let interface = self.bed.interface();
        let shown = self
            .bed
            .node()
            .ip(&format!("-json link show {interface}"))?;
        let shown: Value = serde_json::from_str(&shown)?;
        let id = shown[0]["xdp"]["prog"]["id"].as_u64();
        let id = id.with_context(|| format!("no XDP program is on {interface}: {shown}"))?;
        for program in loaded_programs() {
            let program = program?;
            if u64::from(program.id()) == id {
                return Ok(Cost {
                    time: program.run_time(),
                    runs: program.run_count(),
                });
            }
        }
        anyhow::bail!("the kernel has no program {id}")
    }
}

fn reflector(bed: &Bed) -> Result<Ebpf> {
    ensure!(
        !BENCH_OBJECT.is_empty(),
        "this was built without the kernel programs; use `cargo xtask bench`"
    );
    let mut tools = Ebpf::load(BENCH_OBJECT).context("can't load the bench's programs")?;
    let program = tools.program_mut(REFLECT.xdp).context(REFLECT.xdp)?;
    let program: &mut Xdp = program.try_into()?;
    program.load()?;
    let interface = bed.interface();
    bed.node()
        .run(|| program.attach(interface, XdpMode::Driver))?
        .with_context(|| format!("can't attach to {interface}"))?;
    Ok(tools)
}
