//! Answers that just fit what the client takes, and those that just do not.

use std::collections::BTreeSet;

use dns_common::{Hit, Miss};
use hickory_proto::rr::RecordType;

use super::{Case, hit, miss};
use crate::{
    build::{Opt, frame, message_for, octets, over_ip6, with_opt},
    wire::of_length,
};

const CLUSTER: &str = "cluster.local";
const SHORT: &str = "k";

/// Octets of the name, its zone, the type, the answer's octets without OPT record.
const BOUNDS: &[(usize, &str, RecordType, usize)] = &[
    (64, CLUSTER, RecordType::A, 12 + 64 + 4 + 27 * 16),
    (65, CLUSTER, RecordType::A, 12 + 65 + 4 + 27 * 16),
    (48, CLUSTER, RecordType::A, 12 + 48 + 4 + 28 * 16),
    (49, CLUSTER, RecordType::A, 12 + 49 + 4 + 28 * 16),
    (47, CLUSTER, RecordType::AAAA, 12 + 47 + 4 + 16 * 28),
    (45, CLUSTER, RecordType::AAAA, 12 + 45 + 4 + 17 * 28),
    (20, SHORT, RecordType::AAAA, 12 + 20 + 4 + 17 * 28),
    (7, SHORT, RecordType::AAAA, 12 + 7 + 4 + 25 * 28),
    (32, CLUSTER, RecordType::AAAA, 12 + 32 + 4 + 24 * 28),
    (40, CLUSTER, RecordType::A, 12 + 40 + 4 + 26 * 16),
    (40, CLUSTER, RecordType::AAAA, 12 + 40 + 4 + 17 * 28),
    (255, CLUSTER, RecordType::A, 12 + 255 + 4 + 40 * 16),
    (53, CLUSTER, RecordType::A, 12 + 53 + 4 + 72 * 16),
    (54, CLUSTER, RecordType::A, 12 + 54 + 4 + 72 * 16),
    (21, CLUSTER, RecordType::A, 12 + 21 + 4 + 74 * 16),
    (22, CLUSTER, RecordType::A, 12 + 22 + 4 + 74 * 16),
    (5, SHORT, RecordType::A, 12 + 5 + 4 + 75 * 16),
    (6, SHORT, RecordType::A, 12 + 6 + 4 + 75 * 16),
    (8, SHORT, RecordType::A, 12 + 8 + 4 + 102 * 16),
];

pub(super) fn sizes() -> Vec<Case> {
    let mut cases = vec![];
    for &(len, zone, kind, plain) in BOUNDS {
        let query = octets(&message_for(&of_length("headless", len, zone), kind));
        let answer = match kind {
            RecordType::A => Hit::A,
            _ => Hit::Aaaa,
        };
        let mut put = |title: String, frame, fits| {
            let title = format!("{kind} of a name of {len} octets, {title}");
            cases.push(if fits {
                hit(title, frame, answer)
            } else {
                miss(title, frame, Miss::TooLong)
            });
        };
        put(format!("{plain} for 512"), frame(&query), plain <= 512);
        put(
            format!("{plain} for 512 over IPv6"),
            over_ip6(&query),
            plain <= 512,
        );
        let with_edns = plain + 11;
        let exact = u16::try_from(with_edns).expect("messages are short");
        let bounds = [0, 512, exact - 1, exact, 1231, 1232, 1233, 4096, u16::MAX];
        for size in BTreeSet::from(bounds) {
            let opt = Opt {
                size,
                ..Opt::default()
            };
            let fits = with_edns <= usize::from(size).clamp(512, 1232);
            let payload = with_opt(query.clone(), &opt);
            put(format!("{with_edns} for {size}"), frame(&payload), fits);
        }
    }
    cases
}
