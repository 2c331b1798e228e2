//! Where things are in an upstream's message; a message that contradicts itself is refused.
//!
//! Messages are kept and passed on as octets, so that records of every type, known or not, arrive as
//! they were sent. That asks for care: a compression loop or a count that lies would be handed to the
//! client. So every name is walked, those inside the data of well-known types included.

use std::ops::Range;

use super::question::{HEADER, question_end};
use crate::zone::name::MAX_NAME;

/// Record types that are looked at.
pub(super) const TYPE_CNAME: u16 = 5;
pub(super) const TYPE_SOA: u16 = 6;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const TYPE_OPT: u16 = 41;
const TYPE_TSIG: u16 = 250;
pub(super) const TYPE_ANY: u16 = 255;
const CLASS_IN: u16 = 1;

/// More pointers than labels that a name can have: no honest name needs them.
const MAX_POINTERS: usize = 127;

/// Why a message is not readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("it ends too early")]
    Cut,
    #[error("its question section can't be read")]
    Question,
    #[error("a name has a label of unknown form")]
    Label,
    #[error("a name is longer than 255 octets")]
    LongName,
    #[error("a compressed name leads forwards or in circles")]
    Pointer,
    #[error("a record's data has the wrong length")]
    Data,
    #[error("an OPT record is where none may be")]
    Opt,
    #[error("it is marked as truncated where it need not be")]
    Truncated,
}

/// A section of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Answer,
    Authority,
    Additional,
}

/// A record's place in its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordAt {
    pub(super) section: Section,
    pub(super) record_type: u16,
    /// Offset of the four octets of the TTL.
    pub(super) ttl_at: usize,
    pub(super) data: Range<usize>,
}

/// Where things are in a message.
///
/// Records behind the OPT record are left out, together with it: names further on may point to what is
/// before them, so nothing can be cut out of the middle; and additional records are extras, which a
/// server may always leave out. Senders put OPT last, or nearly so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// End of the question section.
    pub(super) question_end: usize,
    pub(super) records: Vec<RecordAt>,
    /// Where the additional section begins.
    pub(super) additional_at: usize,
    /// Where what is kept ends.
    pub(super) end: usize,
    /// Records of the additional section that are kept.
    pub(super) additional_count: u16,
    /// The upper eight bits of the response code, from the OPT record; `None` without one.
    pub(super) opt: Option<u8>,
    /// Whether the records that follow are left out.
    closed: bool,
}

impl Layout {
    /// Reads a whole message.
    pub(super) fn read(message: &[u8]) -> Result<Self, Malformed> {
        let header = message.get(..HEADER).ok_or(Malformed::Cut)?;
        let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let question_end = match count(4) {
            // A server that can't read a query may leave the question out.
            0 => HEADER,
            _ => question_end(message).ok_or(Malformed::Question)?,
        };
        let mut layout = Self {
            question_end,
            records: Vec::new(),
            additional_at: question_end,
            end: question_end,
            additional_count: 0,
            opt: None,
            closed: false,
        };
        let mut at = question_end;
        for (section, records) in [
            (Section::Answer, count(6)),
            (Section::Authority, count(8)),
            (Section::Additional, count(10)),
        ] {
            if section == Section::Additional {
                layout.additional_at = at;
            }
            for _ in 0..records {
                at = layout.read_record(message, at, section)?;
            }
        }
        Ok(layout)
    }

    /// Reads the record at `at`: the offset behind it.
    fn read_record(
        &mut self,
        message: &[u8],
        at: usize,
        section: Section,
    ) -> Result<usize, Malformed> {
        let fixed_at = self.name_end(message, at)?;
        let fixed: &[u8; 10] = array(message, fixed_at)?;
        let record_type = u16::from_be_bytes([fixed[0], fixed[1]]);
        let class = u16::from_be_bytes([fixed[2], fixed[3]]);
        let length = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        let data = fixed_at + 10..fixed_at + 10 + length;
        if data.end > message.len() {
            return Err(Malformed::Cut);
        }
        match record_type {
            TYPE_OPT => {
                let is_root = message[at] == 0;
                if section != Section::Additional || self.opt.is_some() || !is_root {
                    return Err(Malformed::Opt);
                }
                self.opt = Some(fixed[4]);
                self.closed = true;
            }
            // A signature of the message as it was, and for this server only (RFC 8945, section 5.3).
            TYPE_TSIG if section == Section::Additional => self.closed = true,
            _ if self.closed => {}
            _ => {
                self.end = data.end;
                self.additional_count += u16::from(section == Section::Additional);
                self.records.push(RecordAt {
                    section,
                    record_type,
                    ttl_at: fixed_at + 4,
                    data: data.clone(),
                });
                if class == CLASS_IN {
                    self.check_data(message, record_type, &data)?;
                }
            }
        }
        Ok(data.end)
    }

    /// The records of one section.
    pub(super) fn section(&self, section: Section) -> impl Iterator<Item = &RecordAt> {
        self.records
            .iter()
            .filter(move |record| record.section == section)
    }
    /// Checks the data of the types whose names may be compressed (RFC 3597, section 4), and of addresses.
    fn check_data(
        &self,
        message: &[u8],
        record_type: u16,
        data: &Range<usize>,
    ) -> Result<(), Malformed> {
        // Octets before the names, how many names, octets behind them.
        let (before, names, behind) = match record_type {
            TYPE_A => (4, 0, 0),
            TYPE_AAAA => (16, 0, 0),
            // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME.
            2..=TYPE_CNAME | 7..=9 | 12 | 39 => (0, 1, 0),
            TYPE_SOA => (0, 2, 20),
            // MINFO, RP.
            14 | 17 => (0, 2, 0),
            // MX, AFSDB, RT, KX.
            15 | 18 | 21 | 36 => (2, 1, 0),
            // PX.
            26 => (2, 2, 0),
            // SRV.
            33 => (6, 1, 0),
            _ => return Ok(()),
        };
        let mut at = data.start + before;
        for _ in 0..names {
            if at >= data.end {
                return Err(Malformed::Data);
            }
            at = self.name_end(message, at)?;
        }
        if at + behind == data.end {
            Ok(())
        } else {
            Err(Malformed::Data)
        }
    }

    /// The offset behind the name at `at`, whose pointers are followed and checked.
    fn name_end(&self, message: &[u8], mut at: usize) -> Result<usize, Malformed> {
        let mut end = None;
        // A pointer has to lead to before this, so a walk can't come by twice.
        let mut start = at;
        let mut length = 0;
        let mut pointers = 0;
        loop {
            let octet = *message.get(at).ok_or(Malformed::Cut)?;
            match octet {
                0 => {
                    return if length < MAX_NAME {
                        Ok(end.unwrap_or(at + 1))
                    } else {
                        Err(Malformed::LongName)
                    };
                }
                1..=63 => {
                    let next = at + 1 + usize::from(octet);
                    length += next - at;
                    if length >= MAX_NAME {
                        return Err(Malformed::LongName);
                    }
                    if self.changes_within(at..next) {
                        return Err(Malformed::Pointer);
                    }
                    at = next;
                }
                0xC0.. => {
                    let low = *message.get(at + 1).ok_or(Malformed::Cut)?;
                    end.get_or_insert(at + 2);
                    let target = usize::from(u16::from_be_bytes([octet & 0x3F, low]));
                    pointers += 1;
                    if target >= start || target < HEADER || pointers > MAX_POINTERS {
                        return Err(Malformed::Pointer);
                    }
                    (at, start) = (target, target);
                }
                _ => return Err(Malformed::Label),
            }
        }
    }

    /// Whether these octets hold a part of a TTL, which is not the same in the reply: no name may use it.
    fn changes_within(&self, octets: Range<usize>) -> bool {
        let next = self
            .records
            .partition_point(|record| record.ttl_at + 4 <= octets.start);
        self.records
            .get(next)
            .is_some_and(|record| record.ttl_at < octets.end)
    }
}

/// The 32-bit number at `at`.
pub(super) fn number(message: &[u8], at: usize) -> Option<u32> {
    array(message, at)
        .ok()
        .map(|octets| u32::from_be_bytes(*octets))
}

fn array<const N: usize>(message: &[u8], at: usize) -> Result<&[u8; N], Malformed> {
    message
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .ok_or(Malformed::Cut)
}

#[cfg(test)]
mod tests;
