//! What is attached to an interface, by us and by others; and whether there is a trace of us.

use anyhow::{Result, ensure};
use aya::programs::{SchedClassifier, TcAttachType};
use testbed::Namespace;

use crate::node::POD_INTERFACE;

/// What is attached to the pod's interface: tcx programs, XDP programs, qdiscs, filters.
pub fn attached(node: &Namespace) -> Result<String> {
    let tcx = tcx(node)?;
    let link = node.ip(&format!("-details link show dev {POD_INTERFACE}"))?;
    let xdp = link
        .lines()
        .filter(|line| line.contains("prog/xdp"))
        .collect::<String>();
    let qdiscs = tc(node, &format!("qdisc show dev {POD_INTERFACE}"))?;
    let filters = if qdiscs.contains("clsact") {
        tc(node, &format!("filter show dev {POD_INTERFACE} ingress"))?
    } else {
        String::new()
    };
    Ok(format!("tcx {tcx:?}\n{xdp}\n{qdiscs}{filters}"))
}

/// The names of the tcx programs of the pod's interface, in their order.
pub fn tcx(node: &Namespace) -> Result<Vec<String>> {
    node.run(|| {
        let (_, programs) = SchedClassifier::query_tcx(POD_INTERFACE, TcAttachType::Ingress)?;
        let names = programs.iter().filter_map(|program| program.name_as_str());
        Ok(names.map(str::to_owned).collect())
    })?
}

/// Checks that nothing of us is on the pod's interface, and no qdisc that could be for us.
pub fn is_clean(node: &Namespace) -> Result<()> {
    let attached = attached(node)?;
    for trace in ["kxdns", "prog/xdp", "clsact"] {
        ensure!(!attached.contains(trace), "{attached}");
    }
    Ok(())
}

/// Runs `tc` in a namespace, with arguments given as one line.
pub fn tc(node: &Namespace, arguments: &str) -> Result<String> {
    testbed::output(node.command("tc").args(arguments.split(' ')))
}
