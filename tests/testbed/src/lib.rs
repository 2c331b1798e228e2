//! A node, its pods and the Internet on one machine, for the demo, the tests and the benches.
//!
//! Everything is a guard: namespaces, mounts, child processes and temporary folders are gone when their value is
//! dropped, also after a panic. What a killed process left behind is removed by the next one that makes a
//! [`Namespace`].
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use testbed::Topology;
//!
//! let bed = Topology::plan().pod("frontend").service_ip([10, 96, 0, 10]).build()?;
//! let ping = testbed::output(bed.pod("frontend").namespace.command("ping").args(["-c1", "10.96.0.10"]))?;
//! # drop(ping);
//! # Ok(())
//! # }
//! ```

mod bpffs;
mod child;
mod client;
mod ethernet;
mod exposition;
mod hostile;
mod http;
pub mod interrupt;
mod load;
mod namespace;
mod output;
mod pod_files;
mod process;
mod program;
mod relay;
mod scratch;
mod settings;
mod sockets;
mod stale;
mod topology;
mod unpacked;
mod upstream;

pub use bpffs::Bpffs;
pub use child::Child;
pub use client::{Received, UdpClient, query, tcp_query, udp_query};
pub use ethernet::{ethernet_address, send_frame};
pub use exposition::sum;
pub use hostile::{Datagram, Form, Hostile, Script, Source, Stream};
pub use http::{HttpReply, get, get_here};
pub use load::{Answer, Load, Part, Question, Seen, Tally};
pub use namespace::{Namespace, require_root};
pub use nix::sys::signal::Signal;
pub use output::output;
pub use pod_files::{PodFiles, kubelet_resolv_conf};
pub use process::{open_files, resident};
pub use program::{program, program_with};
pub use relay::Relay;
pub use scratch::Scratch;
pub use settings::remove_settings;
pub use sockets::{framed, read_framed};
pub use topology::{Plan, Pod, Side, Topology};
pub use unpacked::{find_unpacked, unpacked, unpacked_folder};
pub use upstream::{Reply, Table, Upstream};
