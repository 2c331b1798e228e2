//! An upstream's message in the form in which it is kept: ready to be copied into a reply.

use hickory_proto::op::ResponseCode;

use super::{
    lifetime::{TtlLimits, Word, lifetime, word},
    message::{Layout, Section, number},
    question::{HEADER, Question},
};

/// A message without its OPT record, its TTLs limited, and where they are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stored {
    bytes: Box<[u8]>,
    /// Offsets of the TTLs.
    ttls: Box<[u16]>,
    question_end: u16,
    additional_at: u16,
    /// For how many seconds the message may be kept; 0: not at all.
    pub(super) lifetime: u32,
    /// What kind of word it is.
    pub(super) word: Word,
}

impl Stored {
    /// Takes the reply `message` to `question`, of which `layout` was read.
    pub(super) fn new(
        message: &[u8],
        layout: &Layout,
        question: &Question,
        limits: TtlLimits,
    ) -> Self {
        let word = word(message, layout, question);
        let lifetime = lifetime(message, layout, word, limits);
        if layout.question_end == HEADER {
            return Self::bare(message[3] & 0x0F, question, lifetime, word);
        }
        let mut bytes = Vec::with_capacity(layout.end);
        bytes.extend_from_slice(&message[..layout.end]);
        bytes[10..HEADER].copy_from_slice(&layout.additional_count.to_be_bytes());
        for record in &layout.records {
            let limit = match record.section {
                // A client keeps a denial as long as this record says (RFC 2308, section 5).
                Section::Authority if word == Word::Negative => limits.negative,
                _ => u32::MAX,
            };
            let ttl = number(message, record.ttl_at).unwrap_or(0);
            let ttl = ttl.min(limit).min(limits.positive);
            bytes[record.ttl_at..record.ttl_at + 4].copy_from_slice(&ttl.to_be_bytes());
        }
        Self {
            bytes: bytes.into(),
            ttls: layout
                .records
                .iter()
                .map(|record| offset(record.ttl_at))
                .collect(),
            question_end: offset(layout.question_end),
            additional_at: offset(layout.additional_at),
            lifetime,
            word,
        }
    }

    /// An error that came without its question.
    fn bare(rcode: u8, question: &Question, lifetime: u32, word: Word) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[2] = 0x80;
        bytes[3] = rcode;
        bytes[5] = 1;
        question.write(&mut bytes);
        let end = offset(bytes.len());
        Self {
            bytes: bytes.into(),
            ttls: Box::default(),
            question_end: end,
            additional_at: end,
            lifetime,
            word,
        }
    }

    /// Header, question and records.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Offsets of the TTLs, in order.
    pub(super) fn ttls(&self) -> impl Iterator<Item = usize> {
        self.ttls.iter().map(|&at| at.into())
    }

    /// Where the question section ends.
    pub(super) fn question_end(&self) -> usize {
        self.question_end.into()
    }

    /// Where the additional section begins.
    pub(super) fn additional_at(&self) -> usize {
        self.additional_at.into()
    }

    /// The response code. Codes above 15 don't occur: they speak about EDNS, and are taken for a failure.
    pub(super) fn rcode(&self) -> ResponseCode {
        ResponseCode::from_low(self.bytes[3] & 0x0F)
    }

    /// Octets that keeping this takes, without what each entry takes.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + 2 * self.ttls.len()
    }
}

/// A message has at most 65,535 octets, so every offset in it fits.
fn offset(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}
