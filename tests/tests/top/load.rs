//! A load of which it is known who asks what.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Result, anyhow};
use hickory_proto::rr::RecordType;
use kxdns_tests::node::{Node, POD, SERVICE};
use testbed::{UdpClient, query};

/// The name that three of five queries are for.
pub(crate) const BUSY: &str = "busy.default.svc.cluster.local.";
/// The name that one of five is for, by the same pod.
pub(crate) const QUIET: &str = "quiet.default.svc.cluster.local.";
/// The pod that asks for one of five, outside of the cluster.
pub(crate) const OTHER_POD: &str = "other";
/// Between two rounds: some hundred rounds a second at most.
const PAUSE: Duration = Duration::from_millis(2);

/// Rounds of five queries, until it is stopped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64>>,
}

impl Load {
    pub(crate) fn start(node: &Node) -> Result<Self> {
        let any: SocketAddr = (Ipv4Addr::UNSPECIFIED, 0).into();
        let client = UdpClient::bind(&node.bed.pod(POD).namespace, any)?;
        let other = UdpClient::bind(&node.bed.pod(OTHER_POD).namespace, any)?;
        let query = |name: &str| query(7, name, RecordType::A);
        // Nobody cares for the letter case.
        let (busy, loud) = (query(BUSY)?, query(&BUSY.to_uppercase())?);
        let (quiet, outside) = (query(QUIET)?, query("www.example.com")?);
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut rounds = 0;
            while !is_stopped.load(Ordering::Relaxed) {
                for octets in [&busy, &loud, &busy, &quiet] {
                    client.send(SERVICE, octets)?;
                }
                other.send(SERVICE, &outside)?;
                rounds += 1;
                thread::sleep(PAUSE);
            }
            Ok(rounds)
        });
        Ok(Self { stop, thread })
    }

    /// Ends it; the number of rounds.
    pub(crate) fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow!("the load panicked"))?
    }
}
