//! Messages and streams to break a DNS server with: random octets, and good queries that were damaged.
//!
//! Pure: the same seed makes the same garbage. What a server owes such a message, [`due`] says.

mod draft;
pub mod due;

use rand::{
    RngExt as _, SeedableRng as _,
    rngs::StdRng,
    seq::{IndexedMutRandom as _, IndexedRandom as _},
};

use draft::{Draft, EDGES, HEADER};

/// The largest message over UDP; servers need not read a longer query whole.
const LARGEST_DATAGRAM: usize = 4096;
/// Most messages of a stream.
const MOST_MESSAGES: usize = 30;
/// How many damages a message has at most.
const MOST_DAMAGES: usize = 3;

/// A source of garbage.
#[derive(Debug)]
pub struct Garbage {
    rng: StdRng,
    next_id: u16,
}

/// What a TCP client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The octets, as they are given to the socket.
    pub segments: Vec<Vec<u8>>,
    /// What the client does then.
    pub ending: Ending,
}

/// How a TCP client ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It closes its sending side and reads to the end.
    HalfClose,
    /// It goes away.
    Close,
    /// It stays and says nothing.
    Idle,
}

impl Garbage {
    /// The garbage of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            next_id: 0,
        }
    }

    /// A message, good or bad; the first two octets, if there are, are the number of messages before it.
    pub fn message(&mut self) -> Vec<u8> {
        let mut bytes = if self.rng.random_bool(0.1) {
            self.noise()
        } else {
            self.damaged()
        };
        bytes.truncate(LARGEST_DATAGRAM);
        let id = self.next_id.to_be_bytes();
        self.next_id = self.next_id.wrapping_add(1);
        for (octet, id) in bytes.iter_mut().zip(id) {
            *octet = id;
        }
        bytes
    }

    /// A stream of messages, most of them with the right length before them.
    pub fn stream(&mut self) -> Stream {
        let mut bytes = Vec::new();
        for _ in 0..self.rng.random_range(0..=MOST_MESSAGES) {
            let message = self.message();
            let right = u16::try_from(message.len()).unwrap_or(u16::MAX);
            let length = match self.rng.random_range(0..40) {
                0 => self.rng.random(),
                1 => right
                    .wrapping_add(self.rng.random_range(0..9))
                    .wrapping_sub(4),
                2 => *EDGES.choose(&mut self.rng).unwrap_or(&0),
                _ => right,
            };
            bytes.extend(length.to_be_bytes());
            bytes.extend(message);
        }
        Stream {
            segments: self.segments(&bytes),
            ending: match self.rng.random_range(0..100) {
                0..2 => Ending::Idle,
                2..12 => Ending::Close,
                _ => Ending::HalfClose,
            },
        }
    }

    fn segments(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut rest = bytes;
        let mut segments = Vec::new();
        for _ in 0..self.rng.random_range(0..5) {
            let (segment, after) = rest.split_at(self.rng.random_range(0..=rest.len()));
            segments.push(segment.to_vec());
            rest = after;
        }
        segments.push(rest.to_vec());
        segments
    }

    /// Random octets: with a header or without, sometimes one that says that a query follows.
    fn noise(&mut self) -> Vec<u8> {
        let length = match self.rng.random_range(0..3) {
            0 => self.rng.random_range(0..=HEADER),
            1 => self.rng.random_range(HEADER..80),
            _ => self.rng.random_range(0..600),
        };
        let mut bytes = vec![0; length];
        self.rng.fill(&mut bytes[..]);
        if self.rng.random() {
            let query = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            for (octet, query) in bytes.iter_mut().zip(query) {
                *octet = query;
            }
        }
        bytes
    }

    fn damaged(&mut self) -> Vec<u8> {
        let mut draft = Draft::random(&mut self.rng);
        let damages = self.rng.random_range(0..=MOST_DAMAGES);
        for _ in 0..damages {
            if self.rng.random() {
                draft.damage(&mut self.rng);
            }
        }
        let mut bytes = draft.bytes();
        for _ in 0..damages {
            if self.rng.random_bool(0.3) {
                self.damage_octets(&mut bytes);
            }
        }
        bytes
    }

    /// Damage that knows nothing of the message's parts.
    fn damage_octets(&mut self, bytes: &mut Vec<u8>) {
        let rng = &mut self.rng;
        let at = rng.random_range(0..=bytes.len());
        match rng.random_range(0..5) {
            0 => {
                for _ in 0..rng.random_range(1..=4) {
                    if let Some(octet) = bytes.choose_mut(rng) {
                        *octet ^= 1 << rng.random_range(0..8);
                    }
                }
            }
            1 => bytes.truncate(at),
            2 => {
                let more = rng.random_range(1..40);
                bytes.extend((0..more).map(|_| rng.random::<u8>()));
            }
            3 => bytes.splice(at..at, [rng.random()]).for_each(drop),
            _ => {
                if let Some(octet) = bytes.choose_mut(rng) {
                    *octet = rng.random();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Message;

    use super::*;

    #[test]
    fn a_seed_is_enough_to_repeat_it() {
        let make = |seed| {
            let mut garbage = Garbage::new(seed);
            let messages: Vec<_> = (0..200).map(|_| garbage.message()).collect();
            (messages, garbage.stream())
        };
        assert_eq!(make(7), make(7));
        assert_ne!(make(7), make(8));
    }

    #[test]
    fn messages_are_numbered() {
        let mut garbage = Garbage::new(1);
        for number in 0..1000_u16 {
            let message = garbage.message();
            assert!(message.len() <= LARGEST_DATAGRAM);
            if let Some(id) = message.first_chunk() {
                assert_eq!(u16::from_be_bytes(*id), number);
            }
        }
    }

    /// Every fate that [`due`] knows is met often enough to mean something.
    #[test]
    fn there_is_some_of_everything() {
        let mut garbage = Garbage::new(2);
        let messages: Vec<_> = (0..5000).map(|_| garbage.message()).collect();
        let count = |what: &dyn Fn(&[u8]) -> bool| messages.iter().filter(|m| what(m)).count();
        let rcode = |rcode: u16| {
            count(
                &|message| matches!(due::due(message), due::Due::Reply(rcodes) if rcodes.starts_with(&[rcode])),
            )
        };
        for (what, found) in [
            ("silence", count(&|m| due::due(m) == due::Due::Nothing)),
            ("answers", rcode(0)),
            ("FORMERR", rcode(1)),
            ("NOTIMP", rcode(4)),
            ("REFUSED", rcode(5)),
            ("BADVERS", rcode(16)),
            ("readable", count(&|m| Message::from_vec(m).is_ok())),
        ] {
            assert!(found >= 100, "{what}: {found}");
        }
    }
}
