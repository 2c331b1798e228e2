//! The kinds of packets that are measured, and what has to become of each.

use std::net::Ipv4Addr;

use dns_common::{Hit, Miss, Outcome, query::QUESTION};
use hickory_proto::{op::Edns, rr::RecordType};
use packets::{
    build::{IP, a_query, frame, frame_to, message, octets, patched},
    fixture::SERVICE,
};

use super::names::{self, Length};

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
    /// The length of its name.
    pub(crate) length: Length,
    held: bool,
    build: fn(&str) -> Vec<u8>,
}

/// All kinds; the reflector is the first.
pub(crate) const KINDS: [Kind; 11] = [
    Kind {
        label: "reflector",
        subject: Subject::Reflector,
        ..hit("", Length::Middle)
    },
    hit("A, name of 24 octets", Length::Short),
    hit("A, name of 40 octets", Length::Middle),
    hit("A, name of 100 octets", Length::Long),
    miss("IPv6", Miss::NotIpv4, |name| {
        patched(a_query(name), 12, &[0x86, 0xdd])
    }),
    miss("TCP", Miss::NotUdp, |name| {
        patched(a_query(name), IP + 9, &[6])
    }),
    miss("another port", Miss::OtherPort, |name| {
        frame_to(SERVICE, 443, &octets(&message(name, RecordType::A)))
    }),
    miss("another address, port 53", Miss::OtherAddress, |name| {
        let elsewhere = Ipv4Addr::new(8, 8, 8, 8);
        frame_to(elsewhere, 53, &octets(&message(name, RecordType::A)))
    }),
    miss("A with EDNS", Miss::Additional, |name| {
        let mut query = message(name, RecordType::A);
        query.set_edns(Edns::new());
        frame(&octets(&query))
    }),
    miss("AAAA", Miss::TypeNotServed, |name| {
        frame(&octets(&message(name, RecordType::AAAA)))
    }),
    Kind {
        held: false,
        ..miss("A, unknown name", Miss::UnknownName, a_query)
    },
];

const fn hit(label: &'static str, length: Length) -> Kind {
    Kind {
        label,
        subject: Subject::Kxdns(Outcome::Hit(Hit::A)),
        length,
        held: true,
        build: a_query,
    }
}

const fn miss(label: &'static str, miss: Miss, build: fn(&str) -> Vec<u8>) -> Kind {
    Kind {
        label,
        subject: Subject::Kxdns(Outcome::Miss(miss)),
        length: Length::Middle,
        held: true,
        build,
    }
}

impl Subject {
    /// Whether the packet is sent back.
    pub(crate) fn answers(self) -> bool {
        !matches!(self, Self::Kxdns(Outcome::Miss(_)))
    }
}

impl Kind {
    /// Whether the packet leaves the program as it came.
    pub(crate) fn is_unchanged(&self) -> bool {
        !self.subject.answers()
    }

    /// Packets of this kind, their names drawn at random, each from `population` names.
    pub(crate) fn draw(&self, population: usize, count: usize) -> Vec<Vec<u8>> {
        let template = (self.build)(&self.length.held(0));
        (0..count)
            .map(|_| {
                let number = rand::random_range(0..population);
                let name = if self.held {
                    self.length.held(number)
                } else {
                    self.length.unknown(number)
                };
                patched(template.clone(), QUESTION, &names::wire(&name))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_fit_their_slots_and_are_of_their_length() {
        for kind in KINDS {
            for packet in kind.draw(10, 3) {
                assert!(
                    packet.len() <= bench_ebpf::MAX_PACKET - 16,
                    "{}",
                    kind.label
                );
                assert_eq!(packet[QUESTION + kind.length.octets() - 1], 0);
                assert_eq!(packet[QUESTION + kind.length.octets() + 3], 1);
            }
        }
    }
}
