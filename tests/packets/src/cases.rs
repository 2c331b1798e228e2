//! The table: a packet of each kind, and what has to become of it.

mod misses;

use dns_common::{Hit, Miss, Outcome};
use hickory_proto::rr::RecordType;

use crate::{
    build::{IP, UDP, a_query, frame, frame_with_ip, ip_header, message, octets, patched},
    fixture::{HELD, longest_name, most_labels},
};

/// A packet and what has to become of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is special about it.
    pub name: String,
    /// The packet from its Ethernet header on.
    pub frame: Vec<u8>,
    /// What has to become of it, with the maps of [`crate::fixture`].
    pub outcome: Outcome,
}

const NGINX: &str = "nginx.default.svc.cluster.local";

/// The whole table; every outcome but those that depend on the maps' state ([`Miss::NotConfigured`]) or on
/// the packet's memory ([`Miss::NoRoom`]) is in it.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = hits();
    cases.extend(misses::link_and_network());
    cases.extend(misses::transport());
    cases.extend(misses::header());
    cases.extend(misses::question());
    cases.extend(misses::lookup());
    cases
}

fn hit(name: impl Into<String>, frame: Vec<u8>) -> Case {
    Case {
        name: name.into(),
        frame,
        outcome: Outcome::Hit(Hit::A),
    }
}

fn miss(name: impl Into<String>, frame: Vec<u8>, miss: Miss) -> Case {
    Case {
        name: name.into(),
        frame,
        outcome: Outcome::Miss(miss),
    }
}

fn hits() -> Vec<Case> {
    let mut cases: Vec<_> = HELD
        .iter()
        .map(|(name, _)| hit(format!("A of {name}"), a_query(name)))
        .collect();
    let query = message(NGINX, RecordType::A);
    let mut plain = query.clone();
    plain.metadata.recursion_desired = false;
    let mut flagged = query.clone();
    flagged.metadata.authentic_data = true;
    flagged.metadata.checking_disabled = true;
    let mut ecn = ip_header();
    ecn.ecn = etherparse::IpEcn::CongestionExperienced;
    ecn.dscp = etherparse::IpDscp::try_new(46).expect("expedited forwarding");
    let mut padded = a_query("a");
    padded.extend_from_slice(&[0xaa; 40]);
    cases.extend([
        hit("the longest name", a_query(&longest_name())),
        hit("the most labels", a_query(&most_labels())),
        hit("upper case", a_query("NGINX.Default.sVC.cLuStEr.LOCAL")),
        hit("without RD", frame(&octets(&plain))),
        hit("with AD and CD", frame(&octets(&flagged))),
        hit(
            "without a UDP checksum",
            patched(a_query(NGINX), UDP + 6, &[0, 0]),
        ),
        hit(
            "with a UDP checksum only begun",
            patched(a_query(NGINX), UDP + 6, &[0x12, 0x34]),
        ),
        hit("with DSCP and ECN", frame_with_ip(ecn, &octets(&query))),
        hit("with padding behind the datagram", padded),
        hit(
            "with don't-fragment",
            patched(a_query(NGINX), IP + 6, &[0x40, 0]),
        ),
    ]);
    cases
}
