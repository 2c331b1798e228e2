//! A node with its pods, joined by veth pairs as a container network plugin would do it.
//!
//! ```text
//!   pod "frontend"            node                                "the Internet" (optional)
//!   eth0 10.244.0.11 ------- pod-frontend   uplink ------------- eth0 192.0.2.53
//!   eth0 10.244.0.12 ------- pod-logger     lo: the DNS service's addresses
//! ```
//!
//! Pods have host routes only, and the node, which forwards, is their gateway.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result, ensure};

use crate::{Namespace, output};

/// The node's address on all interfaces towards its pods.
const NODE_V4: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
const NODE_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, 1);
/// The last part of the first pod's addresses.
const FIRST_POD: u8 = 11;
/// The one host of the Internet (a documentation address, RFC 5737 and RFC 3849).
const OUTSIDE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
const OUTSIDE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53);
/// The longest interface name the kernel takes.
const LONGEST_INTERFACE_NAME: usize = 15;

/// A node, its pods, and possibly a host outside; all gone when dropped.
#[derive(Debug)]
pub struct Topology {
    /// The node's namespace: here the program under test runs.
    pub node: Namespace,
    pods: Vec<Pod>,
    outside: Option<Pod>,
}

/// One end of a veth pair: a pod, or the host outside.
#[derive(Debug)]
pub struct Pod {
    /// The name given in the plan.
    pub label: String,
    /// Its namespace.
    pub namespace: Namespace,
    /// The node's end of the pair; the pod's end is `eth0`.
    pub node_interface: String,
    /// Its IPv4 address.
    pub ipv4: Ipv4Addr,
    /// Its IPv6 address, if this kernel has IPv6.
    pub ipv6: Option<Ipv6Addr>,
}

impl Topology {
    /// A plan of a node without pods.
    #[must_use]
    pub fn plan() -> Plan {
        Plan::default()
    }

    /// The pod of that label.
    ///
    /// # Panics
    ///
    /// If the plan had none.
    #[must_use]
    pub fn pod(&self, label: &str) -> &Pod {
        self.pods
            .iter()
            .find(|pod| pod.label == label)
            .unwrap_or_else(|| panic!("the plan has no pod `{label}`"))
    }

    /// All pods, in the order of the plan.
    #[must_use]
    pub fn pods(&self) -> &[Pod] {
        &self.pods
    }

    /// The host outside.
    ///
    /// # Panics
    ///
    /// If the plan had none.
    #[must_use]
    pub fn outside(&self) -> &Pod {
        self.outside.as_ref().expect("the plan has a host outside")
    }
}

/// Which end of a veth pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The node's end, where kxdns attaches.
    Node,
    /// The pod's end, `eth0`.
    Pod,
}

/// What a topology shall be.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pods: Vec<String>,
    outside: Option<String>,
    service_ips: Vec<IpAddr>,
    mtu: Option<u32>,
    single_queue: bool,
    offloads: Vec<(Side, String, bool)>,
}

impl Plan {
    /// Adds a pod; the node's end of its pair is `pod-<label>`.
    #[must_use]
    pub fn pod(mut self, label: &str) -> Self {
        self.pods.push(label.to_owned());
        self
    }

    /// Adds a host outside the cluster, reached through the node's interface `uplink`.
    #[must_use]
    pub fn outside(mut self, label: &str) -> Self {
        self.outside = Some(label.to_owned());
        self
    }

    /// Gives the node an address of the DNS service, so that a server can listen there.
    ///
    /// It is on `lo`: a dummy interface would be more usual, but not every kernel has that type.
    #[must_use]
    pub fn service_ip(mut self, address: impl Into<IpAddr>) -> Self {
        self.service_ips.push(address.into());
        self
    }

    /// Sets the MTU of both ends of all pairs.
    #[must_use]
    pub fn mtu(mut self, mtu: u32) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// Gives each end one queue per direction: native XDP on a veth needs as many as its peer has.
    #[must_use]
    pub fn single_queue(mut self) -> Self {
        self.single_queue = true;
        self
    }

    /// Turns an offload on or off at one end of all pairs; `name` is ethtool's, such as `gro` or `tso`.
    #[must_use]
    pub fn offload(mut self, side: Side, name: &str, on: bool) -> Self {
        self.offloads.push((side, name.to_owned(), on));
        self
    }

    /// Makes it; needs root.
    pub fn build(self) -> Result<Topology> {
        let node = Namespace::new("node")?;
        let ipv6 = node.run(ipv6_is_there)?;
        forward(&node, ipv6)?;
        self.add_service_ips(&node, ipv6)?;

        let pods = self
            .pods
            .iter()
            .zip(FIRST_POD..=u8::MAX)
            .map(|(label, number)| {
                let [a, b, c, _] = NODE_V4.octets();
                let mut v6 = NODE_V6.segments();
                v6[7] = number.into();
                self.join(
                    &node,
                    Pod {
                        label: label.clone(),
                        namespace: Namespace::new(label)?,
                        node_interface: format!("pod-{label}"),
                        ipv4: Ipv4Addr::new(a, b, c, number),
                        ipv6: ipv6.then(|| v6.into()),
                    },
                )
            })
            .collect::<Result<Vec<_>>>()?;
        ensure!(
            pods.len() == self.pods.len(),
            "a node has room for 245 pods"
        );

        let outside = self
            .outside
            .as_ref()
            .map(|label| {
                self.join(
                    &node,
                    Pod {
                        label: label.clone(),
                        namespace: Namespace::new(label)?,
                        node_interface: "uplink".to_owned(),
                        ipv4: OUTSIDE_V4,
                        ipv6: ipv6.then_some(OUTSIDE_V6),
                    },
                )
            })
            .transpose()?;
        Ok(Topology {
            node,
            pods,
            outside,
        })
    }

    fn add_service_ips(&self, node: &Namespace, ipv6: bool) -> Result<()> {
        for address in &self.service_ips {
            ensure!(
                address.is_ipv4() || ipv6,
                "this kernel has no IPv6, which the service address {address} needs"
            );
            node.ip(&format!(
                "addr add {} dev lo{}",
                host_prefix(*address),
                nodad(*address)
            ))?;
        }
        Ok(())
    }

    /// Joins a pod to the node: the pair, addresses, routes, options.
    fn join(&self, node: &Namespace, pod: Pod) -> Result<Pod> {
        let (near, inside) = (&pod.node_interface, &pod.namespace);
        ensure!(
            near.len() <= LONGEST_INTERFACE_NAME,
            "the label `{}` is too long: the interface name `{near}` has more than {LONGEST_INTERFACE_NAME} characters",
            pod.label
        );
        let queues = if self.single_queue {
            "numrxqueues 1 numtxqueues 1"
        } else {
            ""
        };
        node.ip(&format!(
            "link add {near} {queues} type veth peer name eth0 netns {} {queues}",
            inside.name()
        ))?;
        if let Some(mtu) = self.mtu {
            node.ip(&format!("link set {near} mtu {mtu}"))?;
            inside.ip(&format!("link set eth0 mtu {mtu}"))?;
        }
        for (side, name, on) in &self.offloads {
            let (namespace, interface) = match side {
                Side::Node => (node, near.as_str()),
                Side::Pod => (inside, "eth0"),
            };
            let value = if *on { "on" } else { "off" };
            output(
                namespace
                    .command("ethtool")
                    .args(["-K", interface, name, value]),
            )
            .with_context(|| format!("can't turn {name} {value} at {interface}"))?;
        }
        node.ip(&format!("link set {near} up"))?;
        inside.ip("link set eth0 up")?;

        address_and_route(node, near, inside, NODE_V4.into(), pod.ipv4.into())?;
        if let Some(address) = pod.ipv6 {
            address_and_route(node, near, inside, NODE_V6.into(), address.into())?;
        }
        Ok(pod)
    }
}

/// Gives both ends their address, each a route to the other, and the pod its default route.
fn address_and_route(
    node: &Namespace,
    near: &str,
    inside: &Namespace,
    gateway: IpAddr,
    address: IpAddr,
) -> Result<()> {
    let (gateway_prefix, prefix) = (host_prefix(gateway), host_prefix(address));
    let nodad = nodad(address);
    let family = if address.is_ipv6() { "-6 " } else { "" };
    node.ip(&format!("addr add {gateway_prefix} dev {near}{nodad}"))?;
    node.ip(&format!("{family}route add {prefix} dev {near}"))?;
    inside.ip(&format!("addr add {prefix} dev eth0{nodad}"))?;
    inside.ip(&format!("{family}route add {gateway_prefix} dev eth0"))?;
    inside.ip(&format!("{family}route add default via {gateway} dev eth0"))?;
    Ok(())
}

/// Lets the node forward packets between its interfaces.
fn forward(node: &Namespace, ipv6: bool) -> Result<()> {
    node.run(|| {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
        if ipv6 {
            std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1")?;
        }
        Ok(())
    })?
    .map_err(|error: std::io::Error| error.into())
}

/// Whether this kernel has IPv6, and it is not turned off in the caller's namespace.
fn ipv6_is_there() -> bool {
    std::fs::read_to_string("/proc/sys/net/ipv6/conf/all/disable_ipv6")
        .is_ok_and(|value| value.trim() == "0")
}

/// An address as a route to this one host.
fn host_prefix(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv6() { 128 } else { 32 })
}

/// IPv6 addresses are used at once, without asking whether another host has them.
fn nodad(address: IpAddr) -> &'static str {
    if address.is_ipv6() { " nodad" } else { "" }
}
