//! How much longer an answer can be than its query, whatever a cluster holds: the bound that docs/security.md tells.

use std::collections::HashMap;

use dns_common::{entry::Content, entry::Entry, head::Others};
use hickory_proto::rr::RecordType;
use packets::{
    build::{DNS, Opt, frame, message_for, octets, with_opt},
    fixture,
    host::HostMaps,
    wire::of_length,
};

/// IPv4 and UDP header.
const IP: usize = 28;

/// Tenths by which answers are longer than their queries at most: of the DNS messages, and of the IPv4 packets.
fn most(edns: bool, zone: &str) -> (usize, usize) {
    let keys = fixture::keys();
    let mut maps = HostMaps::fixture();
    let (mut dns, mut ip) = (0, 0);
    let shortest = fixture::wire(zone).len();
    // Longer names have longer queries and no more answers.
    for len in shortest..=shortest + 24 {
        // No name is one octet longer than another: a label has its length before it.
        if len == shortest + 1 {
            continue;
        }
        let name = if len == shortest {
            fixture::wire(zone)
        } else {
            of_length("h", len, zone)
        };
        for count in 1..=110_u8 {
            for kind in [RecordType::A, RecordType::AAAA] {
                let is_a = kind == RecordType::A;
                let a: Vec<[u8; 4]> = (0..count)
                    .filter(|_| is_a)
                    .map(|it| [10, 0, 0, it])
                    .collect();
                let aaaa = (0..count).filter(|_| !is_a).map(|it| [it; 16]);
                let content = Content::Owner {
                    zone_len: shortest,
                    a: &a,
                    aaaa: &aaaa.collect::<Vec<_>>(),
                    others: Others::NONE,
                };
                let Ok(entry) = Entry::new(&keys, &name, &content) else {
                    continue;
                };
                maps.names = HashMap::from([(keys.name_key(&name), entry.into())]);
                let mut query = octets(&message_for(&name, kind));
                if edns {
                    query = with_opt(query, &Opt::default());
                }
                let (outcome, answer) = maps.run(&frame(&query));
                if !outcome.is_hit() {
                    continue;
                }
                let answer = answer.len() - DNS;
                dns = dns.max(10 * answer / query.len());
                ip = ip.max(10 * (answer + IP) / (query.len() + IP));
            }
        }
    }
    (dns, ip)
}

#[test]
fn answers_are_so_many_times_as_long_as_queries_at_most() {
    for (edns, zone, bound) in [
        (false, "k", (262, 112)),
        (true, "k", (410, 216)),
        (false, "cluster.local", (164, 91)),
        (true, "cluster.local", (291, 179)),
    ] {
        println!("{edns} {zone}: {:?}", most(edns, zone));
        assert_eq!(most(edns, zone), bound, "EDNS: {edns}, below {zone}");
    }
}
