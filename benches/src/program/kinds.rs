//! The kinds of packets that are measured, and what has to become of each.

use std::net::Ipv4Addr;

use clap::ValueEnum;
use dns_common::{
    Dropped, Hit, Miss, Outcome,
    limit::{Limit, Over},
};
use hickory_proto::rr::RecordType;
use packets::{
    build::{self, IP, Tags, dns_at, frame, frame_to, message, octets, over_ip6, patched},
    fixture::SERVICE,
};

use serde::Serialize;

use super::names::{self, Sort};

/// The program that gets a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The program of kxdns, which has to come to this outcome.
    Kxdns(Outcome),
    /// The one that sends everything back, which is the least that an answer can cost.
    Reflector,
}

/// A kind of packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// What is special about it.
    pub(crate) label: &'static str,
    /// Who gets it.
    pub(crate) subject: Subject,
    name: Asked,
    /// How often the client may ask.
    pub(crate) limit: Limit,
    /// Offset of the DNS message.
    dns: usize,
    build: fn(&str) -> Vec<u8>,
}

/// The names that are asked for.
#[derive(Clone, Copy, Debug)]
enum Asked {
    /// Held ones of this sort.
    Held(Sort),
    /// Ones that are not held.
    Unknown,
    /// Always this one.
    Only(&'static str),
}

/// How the names are drawn that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Draw {
    /// Each as likely as any other: the worst for caches
    Equal,
    /// The nth most popular one n times more rarely than the first (Zipf's law), as caches of DNS see it
    Zipf,
}

/// Offset of the question in the DNS message.
const QUESTION: usize = 12;
/// Payload that clients take with EDNS.
const UDP_SIZE: u16 = 1232;

/// All kinds; the reflector is the first.
pub(crate) const KINDS: [Kind; 25] = [
    Kind {
        label: "reflector",
        subject: Subject::Reflector,
        ..hit("", Hit::A, Sort::Middle, a)
    },
    hit("A, name of 24 octets", Hit::A, Sort::Short, a),
    hit("A, name of 40 octets", Hit::A, Sort::Middle, a),
    hit("A, name of 100 octets", Hit::A, Sort::Long, a),
    hit("A with EDNS", Hit::A, Sort::Middle, |name| {
        let query = message(name, RecordType::A);
        frame(&octets(&build::edns(query, UDP_SIZE, false, &[])))
    }),
    Kind {
        dns: dns_at(Tags::None, true),
        ..hit("A over IPv6", Hit::A, Sort::Middle, a_over_ip6)
    },
    Kind {
        dns: dns_at(Tags::One(1), false),
        ..hit("A with a VLAN tag", Hit::A, Sort::Middle, |name| {
            Tags::One(1).over_ip4(&octets(&message(name, RecordType::A)))
        })
    },
    hit("A, 3 addresses", Hit::A, Sort::FewFour, a),
    hit("A, 27 addresses", Hit::A, Sort::ManyFour, a),
    hit("AAAA", Hit::Aaaa, Sort::Six, aaaa),
    hit("AAAA, 8 addresses", Hit::Aaaa, Sort::ManySix, aaaa),
    hit("PTR", Hit::Ptr, Sort::Reverse, |name| {
        query(name, RecordType::PTR)
    }),
    hit(
        "AAAA of an IPv4 name: NODATA",
        Hit::NoData,
        Sort::Middle,
        aaaa,
    ),
    Kind {
        name: Asked::Unknown,
        ..hit("A, unknown name: NXDOMAIN", Hit::NxDomain, Sort::Middle, a)
    },
    miss("TCP over IPv4", Miss::NotUdp, |name| {
        patched(a(name), IP + 9, &[6])
    }),
    Kind {
        dns: dns_at(Tags::None, true),
        ..miss("TCP over IPv6", Miss::NotUdp, |name| {
            patched(a_over_ip6(name), IP + 6, &[6])
        })
    },
    miss("another port", Miss::OtherPort, |name| {
        frame_to(SERVICE, 443, &octets(&message(name, RecordType::A)))
    }),
    miss("another address, port 53", Miss::OtherAddress, |name| {
        let elsewhere = Ipv4Addr::new(8, 8, 8, 8);
        frame_to(elsewhere, 53, &octets(&message(name, RecordType::A)))
    }),
    Kind {
        name: Asked::Only("www.example.com"),
        ..miss("A of www.example.com", Miss::OutsideZones, a)
    },
    miss("SRV, left to the server", Miss::TypeNotHeld, |name| {
        query(name, RecordType::SRV)
    }),
    miss("AXFR", Miss::TypeNotServed, |name| {
        query(name, RecordType::AXFR)
    }),
    Kind {
        limit: FAR,
        ..hit("A, 40 octets, within a limit", Hit::A, Sort::Middle, a)
    },
    Kind {
        limit: used_up(Over::Truncate),
        ..hit("over the limit: TC", Hit::Truncated, Sort::Middle, a)
    },
    Kind {
        limit: used_up(Over::Pass),
        ..miss("over the limit: passed on", Miss::RateLimited, a)
    },
    Kind {
        subject: Subject::Kxdns(Outcome::Dropped(Dropped::RateLimited)),
        limit: used_up(Over::Drop),
        ..miss("over the limit: dropped", Miss::RateLimited, a)
    },
];

/// A limit that is never reached.
const FAR: Limit = Limit {
    cost: 1,
    ahead: u64::MAX,
    over: Over::Pass as u64,
};

/// A limit that one query uses up for longer than a bench runs.
const fn used_up(over: Over) -> Limit {
    Limit {
        cost: 1 << 50,
        ahead: 0,
        over: over as u64,
    }
}

/// As often as it likes.
const FREE: Limit = Limit {
    cost: 0,
    ahead: 0,
    over: Over::Pass as u64,
};

fn query(name: &str, kind: RecordType) -> Vec<u8> {
    frame(&octets(&message(name, kind)))
}

fn a(name: &str) -> Vec<u8> {
    query(name, RecordType::A)
}

fn aaaa(name: &str) -> Vec<u8> {
    query(name, RecordType::AAAA)
}

fn a_over_ip6(name: &str) -> Vec<u8> {
    over_ip6(&octets(&message(name, RecordType::A)))
}

const fn hit(label: &'static str, hit: Hit, sort: Sort, build: fn(&str) -> Vec<u8>) -> Kind {
    Kind {
        label,
        subject: Subject::Kxdns(Outcome::Hit(hit)),
        name: Asked::Held(sort),
        limit: FREE,
        dns: build::DNS,
        build,
    }
}

const fn miss(label: &'static str, miss: Miss, build: fn(&str) -> Vec<u8>) -> Kind {
    Kind {
        label,
        subject: Subject::Kxdns(Outcome::Miss(miss)),
        name: Asked::Held(Sort::Middle),
        limit: FREE,
        dns: build::DNS,
        build,
    }
}

impl Subject {
    /// Whether the packet is sent back.
    pub(crate) fn answers(self) -> bool {
        !matches!(self, Self::Kxdns(Outcome::Miss(_) | Outcome::Dropped(_)))
    }
}

impl Kind {
    /// Whether the packet leaves the program as it came.
    pub(crate) fn is_unchanged(&self) -> bool {
        !self.subject.answers()
    }

    /// Packets of this kind, their names drawn at random, each from `population` names; so are the
    /// identifiers, by which the addresses of a set take turns.
    pub(crate) fn draw(&self, population: usize, count: usize, draw: Draw) -> Vec<Vec<u8>> {
        let template = (self.build)(&self.name.numbered(0));
        let mut numbers = draw.numbers(population);
        (0..count)
            .map(|_| {
                let name = self.name.numbered(numbers());
                let id: [u8; 2] = rand::random();
                let packet = patched(template.clone(), self.dns, &id);
                patched(packet, self.dns + QUESTION, &names::wire(&name))
            })
            .collect()
    }
}

impl Draw {
    /// Draws numbers below `population`, which is at least one.
    fn numbers(self, population: usize) -> impl FnMut() -> usize {
        // Harmonic sums: a number's place among them is as likely as it is to be drawn.
        let mut sum = 0.0;
        let mut sums = Vec::new();
        if self == Self::Zipf {
            let ranks = (0..population).map(|_| {
                sum += 1.0;
                1.0 / sum
            });
            let mut total = 0.0;
            sums = ranks
                .map(|share: f64| {
                    total += share;
                    total
                })
                .collect();
        }
        move || match sums.last() {
            Some(&total) => {
                let place = rand::random_range(0.0..total);
                sums.partition_point(|&sum| sum <= place)
                    .min(population - 1)
            }
            None => rand::random_range(0..population),
        }
    }
}

impl Asked {
    fn numbered(self, number: usize) -> String {
        match self {
            Self::Held(sort) => sort.held(number),
            Self::Unknown => Sort::unknown(number),
            Self::Only(name) => name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use dns_common::maps::Config;

    use super::{super::population::tests::host_maps, *};

    #[test]
    fn few_names_are_asked_for_often() {
        let mut numbers = Draw::Zipf.numbers(1000);
        let drawn: Vec<usize> = (0..20_000).map(|_| numbers()).collect();
        let count = |wanted: std::ops::Range<usize>| {
            drawn
                .iter()
                .filter(|number| wanted.contains(number))
                .count()
        };
        // Of the sum of all shares, 7.485, the first has 1, and the first ten have 2.929.
        assert!((2000..3500).contains(&count(0..1)), "{}", count(0..1));
        assert!((7000..8700).contains(&count(0..10)), "{}", count(0..10));
        assert_eq!(count(0..1000), drawn.len());
    }

    #[test]
    fn packets_fit_their_slots_and_come_to_their_outcome() {
        let mut maps = host_maps(10);
        for kind in KINDS {
            for packet in kind.draw(10, 3, Draw::Equal) {
                let label = kind.label;
                assert!(packet.len() <= bench_ebpf::MAX_PACKET, "{label}");
                maps.config = Some(
                    Config {
                        limit: kind.limit,
                        ..packets::fixture::config()
                    }
                    .into(),
                );
                // The first packet of a client is within any limit.
                maps.run(&packet);
                let (outcome, answer) = maps.run(&packet);
                match kind.subject {
                    Subject::Kxdns(wanted) => {
                        assert_eq!(outcome, wanted, "{label}");
                        assert_eq!(answer == packet, kind.is_unchanged(), "{label}");
                    }
                    Subject::Reflector => assert_eq!(outcome, Outcome::Hit(Hit::A)),
                }
            }
        }
    }
}
