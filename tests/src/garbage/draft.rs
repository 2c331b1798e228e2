//! A query in its parts, so that single parts can be damaged: header, counts, question, records.

use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};

/// Length of a message's header (RFC 1035, section 4.1.1).
pub(super) const HEADER: usize = 12;
/// Numbers at which programs stumble.
pub(super) const EDGES: [u16; 8] = [0, 1, 2, 12, 255, 512, 0x7FFF, 0xFFFF];
/// Names of a cluster, and others; a star in front stands for many labels, as many as a name may have.
const NAMES: [&str; 14] = [
    "web.default.svc.cluster.local",
    "wEB.dEFAULT.sVC.cLUSTER.lOCAL",
    "_http._tcp.web.default.svc.cluster.local",
    "missing.default.svc.cluster.local",
    "10-1-2-3.default.pod.cluster.local",
    "cluster.local",
    "default.svc.cluster.local",
    "dns-version.cluster.local",
    "1.1.96.10.in-addr.arpa",
    "1.0.0.127.in-addr.arpa",
    "www.example.com",
    "",
    "*.cluster.local",
    "*.example",
];
/// A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, OPT, HTTPS, TSIG, IXFR, AXFR, ANY, and two that mean nothing.
const TYPES: [u16; 17] = [
    1, 2, 5, 6, 12, 15, 16, 28, 33, 41, 65, 250, 251, 252, 255, 0, 65_535,
];
/// CH, HS, NONE, ANY, and two that mean nothing.
const OTHER_CLASSES: [u16; 6] = [3, 4, 254, 255, 0, 65_535];

/// A message in its parts.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    flags: [u8; 2],
    /// What the header counts, where it lies.
    counts: [Option<u16>; 4],
    questions: Vec<Vec<u8>>,
    /// Answers, authorities, additional records.
    sections: [Vec<Vec<u8>>; 3],
}

impl Draft {
    /// A good query for a name and type of the tables.
    pub(super) fn random(rng: &mut StdRng) -> Self {
        let pick = |rng: &mut StdRng| NAMES.choose(rng).copied().unwrap_or_default();
        let mut question = name(pick(rng));
        let record_type = if rng.random_bool(0.5) {
            1
        } else {
            TYPES.choose(rng).copied().unwrap_or(1)
        };
        question.extend(record_type.to_be_bytes());
        question.extend([0, 1]);
        let mut sections = [const { Vec::new() }; 3];
        if rng.random() {
            sections[2].push(opt(rng));
        }
        Self {
            flags: [u8::from(rng.random::<bool>()), 0],
            counts: [None; 4],
            questions: vec![question],
            sections,
        }
    }

    /// The octets; the id is zero.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = [&[0, 0], &self.flags[..]].concat();
        let lengths =
            std::iter::once(self.questions.len()).chain(self.sections.iter().map(Vec::len));
        for (said, length) in self.counts.iter().zip(lengths) {
            let truth = u16::try_from(length).unwrap_or(u16::MAX);
            bytes.extend(said.unwrap_or(truth).to_be_bytes());
        }
        bytes.extend(self.questions.concat());
        bytes.extend(self.sections.iter().flatten().flatten());
        bytes
    }

    /// Damages one part.
    pub(super) fn damage(&mut self, rng: &mut StdRng) {
        match rng.random_range(0..12) {
            0 => self.flags[0] ^= 0x80,
            1 => self.flags[0] = (self.flags[0] & 0x87) | rng.random_range(0..16_u8) << 3,
            2 => rng.fill(&mut self.flags),
            3 => {
                let count = rng.random_range(0..4);
                self.counts[count] = Some(*EDGES.choose(rng).unwrap_or(&0));
            }
            4 => self.set_class(*OTHER_CLASSES.choose(rng).unwrap_or(&3)),
            5 => self.questions.extend(self.questions.first().cloned()),
            6 => self.questions.clear(),
            7 => self.sections[2].push(opt(rng)),
            8 => {
                let mut opt = opt(rng);
                // The version is the second octet of what elsewhere is the TTL.
                opt[6] = rng.random_range(1..=255);
                self.sections[2] = vec![opt];
            }
            9 => {
                let section = rng.random_range(0..3);
                let record = record(rng);
                self.sections[section].push(record);
            }
            10 => {
                let section = rng.random_range(0..3);
                let again = self.sections[section].clone();
                self.sections[section].extend(again);
            }
            _ => self.damage_name(rng),
        }
    }

    fn set_class(&mut self, class: u16) {
        for question in &mut self.questions {
            let at = question.len() - 2;
            question[at..].copy_from_slice(&class.to_be_bytes());
        }
    }

    /// Puts a pointer, or a label of a type that does not exist, where a label begins.
    fn damage_name(&mut self, rng: &mut StdRng) {
        let Some(question) = self.questions.first_mut() else {
            return;
        };
        let next = |at: &usize| Some(at + 1 + usize::from(*question.get(*at).filter(|l| **l > 0)?));
        let starts = std::iter::successors(Some(0), next);
        // A name that is damaged already may lead beyond its end.
        let starts: Vec<_> = starts.take_while(|at| *at < question.len()).collect();
        let at = starts.choose(rng).copied().unwrap_or(0);
        match rng.random_range(0..4) {
            // To itself, into the header, onwards, or anywhere.
            0 => {
                let own = u8::try_from(HEADER + at).unwrap_or(u8::MAX);
                let target = [own, 0, own.wrapping_add(2), rng.random()];
                let target = target.choose(rng).copied().unwrap_or(own);
                question.splice(at..=at, [0xC0, target]);
            }
            1 => question[at] |= 0x40,
            2 => question[at] |= 0x80,
            _ => question[at] = rng.random(),
        }
    }
}

/// A name in wire form.
fn name(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    if let Some(after) = text.strip_prefix("*.") {
        rest = after;
        // 255 octets are the most for a name (RFC 1035, section 2.3.4), the root's and the rest's included.
        let room = 255 - (rest.len() + 2);
        bytes.extend([1, b'x'].repeat(room / 2));
    }
    for label in rest.split('.').filter(|label| !label.is_empty()) {
        bytes.extend(u8::try_from(label.len()));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// An OPT record of version 0, with some options or none (RFC 6891, section 6.1.2).
fn opt(rng: &mut StdRng) -> Vec<u8> {
    let size: u16 = *[0, 511, 512, 1232, 4096, 65_535].choose(rng).unwrap_or(&0);
    let flags: u16 = if rng.random() { 0x8000 } else { 0 };
    let mut options = Vec::new();
    for _ in 0..rng.random_range(0..3) {
        // Client subnet, cookie, padding, one that is not assigned.
        let code: u16 = *[8, 10, 12, 65_001].choose(rng).unwrap_or(&12);
        let length: u16 = rng.random_range(0..40);
        options.extend(code.to_be_bytes());
        options.extend(length.to_be_bytes());
        options.extend((0..length).map(|_| rng.random::<u8>()));
    }
    let length = u16::try_from(options.len()).unwrap_or(u16::MAX);
    let mut bytes = vec![0, 0, 41];
    bytes.extend(size.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(flags.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(options);
    bytes
}

/// A record of any type, owned by the question's name, whose data may be anything.
fn record(rng: &mut StdRng) -> Vec<u8> {
    let record_type = TYPES.choose(rng).copied().unwrap_or(1);
    let length: u16 = *[0, 1, 3, 4, 5, 16, 60].choose(rng).unwrap_or(&4);
    let mut bytes = vec![0xC0, 12];
    bytes.extend(record_type.to_be_bytes());
    bytes.extend([0, 1, 0, 0, 0, 5]);
    bytes.extend(length.to_be_bytes());
    bytes.extend((0..length).map(|_| rng.random::<u8>()));
    bytes
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Message;
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn a_draft_without_damage_is_a_good_query() {
        let mut rng = StdRng::seed_from_u64(3);
        for _ in 0..500 {
            let bytes = Draft::random(&mut rng).bytes();
            match Message::from_vec(&bytes) {
                Ok(message) => assert_eq!(message.queries.len(), 1),
                // The data of an option may not be what its code says.
                Err(error) => assert_eq!(bytes[11], 1, "{error}: {bytes:x?}"),
            }
        }
    }

    #[test]
    fn the_longest_names_are_as_long_as_names_may_be() {
        assert_eq!(name("*.example").len(), 255);
        assert_eq!(name("*.cluster.local").len(), 254 + 1);
        assert_eq!(name("").len(), 1);
    }
}
