//! The least that an answer can cost: a program that sends each packet back, at the hook where kxdns would be.

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf,
    programs::{
        SchedClassifier, TcAttachType, Xdp, XdpMode,
        tc::{self, NlOptions, TcAttachOptions},
    },
};
use bench_ebpf::REFLECT;
use testbed::Namespace;

use crate::{neighbours::Hook, program::BENCH_OBJECT};

/// The program at an interface; it goes when this is dropped, or with the interface.
pub(super) struct Reflector {
    _kernel: Ebpf,
    /// The program's id.
    pub(super) program: u32,
}

impl Reflector {
    /// Puts it at an interface of a namespace.
    pub(super) fn attach(namespace: &Namespace, interface: &str, hook: Hook) -> Result<Self> {
        ensure!(
            !BENCH_OBJECT.is_empty(),
            "this was built without the kernel programs; use `cargo xtask bench`"
        );
        let mut kernel = Ebpf::load(BENCH_OBJECT).context("can't load the bench's programs")?;
        let program = namespace.run(|| match hook {
            Hook::Tcx | Hook::Tc => attach_tc(&mut kernel, interface, hook),
            Hook::XdpGeneric => attach_xdp(&mut kernel, interface),
        })??;
        Ok(Self {
            _kernel: kernel,
            program,
        })
    }
}

fn attach_tc(kernel: &mut Ebpf, interface: &str, hook: Hook) -> Result<u32> {
    let program = kernel.program_mut(REFLECT.tc).context(REFLECT.tc)?;
    let program: &mut SchedClassifier = program.try_into()?;
    program.load()?;
    let options = if hook == Hook::Tcx {
        TcAttachOptions::TcxOrder(aya::programs::LinkOrder::default())
    } else {
        tc::qdisc_add_clsact(interface)?;
        TcAttachOptions::Netlink(NlOptions::default())
    };
    program.attach_with_options(interface, TcAttachType::Ingress, options)?;
    Ok(program.info()?.id())
}

fn attach_xdp(kernel: &mut Ebpf, interface: &str) -> Result<u32> {
    let program = kernel.program_mut(REFLECT.xdp).context(REFLECT.xdp)?;
    let program: &mut Xdp = program.try_into()?;
    program.load()?;
    program.attach(interface, XdpMode::Skb)?;
    Ok(program.info()?.id())
}
