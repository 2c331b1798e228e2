//! Writes the records of an answer behind the question.

use crate::{
    Frame, Hit,
    answer::{Answer, Stock},
    checksum::Sum,
    entry::AREA_WORDS,
    headers::{Dns, rr_type},
    query::Query,
    record::{A_LEN, AAAA_LEN, HEAD_LEN, SOA_LEN, SOA_WORDS, head, soa_data, with_owner},
    scratch::{Handover, ScratchCells},
};

/// Most IPv4 addresses that an entry can hold.
const MAX_A: usize = 2 * AREA_WORDS;
/// Most IPv6 addresses that an entry can hold.
const MAX_AAAA: usize = AREA_WORDS / 2;

/// What was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// Sum of the octets, as if they began at an even offset.
    pub(crate) sum: Sum,
    /// Whether their number is odd.
    pub(crate) is_odd: bool,
    /// Number of records in the answer section.
    pub(crate) answers: u8,
}

/// Octets that [`write_records`] writes.
#[inline(always)]
pub(crate) const fn records_len(answer: &Answer) -> usize {
    match answer.hit {
        Hit::A => answer.number * A_LEN,
        Hit::Aaaa => answer.number * AAAA_LEN,
        Hit::Ptr => HEAD_LEN + answer.number,
        Hit::NoData | Hit::NxDomain => SOA_LEN,
        Hit::Truncated => 0,
    }
}

/// Writes the records at offset `at` of the frame.
///
/// `None` if the frame ends before.
#[inline(always)]
pub(crate) fn write_records(
    frame: &mut Frame<'_>,
    at: usize,
    query: &Query,
    answer: &Answer,
    stock: &Stock<'_>,
) -> Option<Written> {
    let template = [stock.config.record(0), stock.config.record(1)];
    let number = answer.number;
    match answer.hit {
        Hit::A => {
            let head = head(template, rr_type::A, 4);
            let mut sum = sum_of(head).times(number as u8);
            let turn = Turn::new(query, number)?;
            for index in 0..MAX_A {
                if index == number {
                    break;
                }
                let number = turn.nth(index);
                // Hidden, or the compiler folds the halving into a bound that the verifier can't see.
                let word = stock.scratch.get(core::hint::black_box(number / 2))?;
                let address = (word >> (32 * (number % 2))) as u32;
                write_a(frame, at + A_LEN * index, head, address)?;
                sum = sum.add4(address.to_le_bytes());
            }
            Some(Written::new(sum, number))
        }
        Hit::Aaaa => {
            let head = head(template, rr_type::AAAA, 16);
            let mut sum = sum_of(head).times(number as u8);
            let turn = Turn::new(query, number)?;
            for index in 0..MAX_AAAA {
                if index == number {
                    break;
                }
                let address = stock.scratch.get_two(2 * turn.nth(index))?;
                write_aaaa(frame, at + AAAA_LEN * index, head, address)?;
                sum = sum.add_word(address[0]).add_word(address[1]);
            }
            Some(Written::new(sum, number))
        }
        Hit::Ptr => {
            let head = head(template, rr_type::PTR, number);
            write_head(frame, at, head)?;
            let target = write_octets(frame, at + HEAD_LEN, number, stock.scratch)?;
            Some(Written {
                is_odd: !number.is_multiple_of(2),
                ..Written::new(sum_of(head).add_sum(target), 1)
            })
        }
        Hit::NoData | Hit::NxDomain => {
            let zone = (size_of::<Dns>() + query.name.len).wrapping_sub(number);
            let data: [u64; SOA_WORDS] = core::array::from_fn(|index| stock.config.soa(index));
            let data = soa_data(data, zone, stock.state.serial());
            let head = head(template, rr_type::SOA, SOA_LEN - HEAD_LEN);
            let sum = write_soa(frame, at, with_owner(head, zone), data)?;
            Some(Written::new(sum, 0))
        }
        Hit::Truncated => Some(Written::new(Sum::new(), 0)),
    }
}

impl Written {
    #[inline(always)]
    const fn new(sum: Sum, answers: usize) -> Self {
        Self {
            sum,
            is_odd: false,
            answers: answers as u8,
        }
    }
}

impl Handover<2> for Written {
    #[inline(always)]
    fn to_words(&self) -> [u64; 2] {
        [
            self.sum.word(),
            u64::from(self.answers) | u64::from(self.is_odd) << 8,
        ]
    }

    #[inline(always)]
    fn from_words([sum, word]: [u64; 2]) -> Self {
        Self {
            sum: Sum::of(sum),
            is_odd: word >> 8 & 1 == 1,
            answers: word as u8,
        }
    }
}

/// The numbers below a count, each time beginning elsewhere, so that clients that take the first address
/// share the load. The server begins at the same one.
struct Turn {
    start: u32,
    count: u32,
}

impl Turn {
    /// `None` if there are none.
    #[inline(always)]
    fn new(query: &Query, count: usize) -> Option<Self> {
        let id = u32::from(u16::from_be_bytes(query.id));
        let count = count as u32;
        Some(Self {
            start: id.checked_rem(count)?,
            count,
        })
    }

    /// The one at `index`, which is below the count; without a comparison, as two ways in each round are more than the
    /// verifier can follow.
    #[inline(always)]
    fn nth(&self, index: usize) -> usize {
        let past = (self.start + index as u32).wrapping_sub(self.count);
        // All bits if it is below zero; hidden, or the compiler makes a comparison of it.
        let below = core::hint::black_box(0_u32.wrapping_sub(past >> 31));
        past.wrapping_add(below & self.count) as usize
    }
}

#[inline(always)]
fn write_head(frame: &mut Frame<'_>, at: usize, head: [u64; 2]) -> Option<()> {
    *frame.get_mut(at)? = head[0].to_le_bytes();
    *frame.get_mut(at + 8)? = (head[1] as u32).to_le_bytes();
    Some(())
}

#[inline(always)]
fn write_a(frame: &mut Frame<'_>, at: usize, head: [u64; 2], address: u32) -> Option<()> {
    let second = head[1] | u64::from(address) << 32;
    let record: &mut [u8; A_LEN] = frame.get_mut(at)?;
    *record = bytemuck::cast([head[0], second]);
    Some(())
}

#[inline(always)]
fn write_aaaa(frame: &mut Frame<'_>, at: usize, head: [u64; 2], address: [u64; 2]) -> Option<()> {
    let [low, high] = address;
    let record: &mut [[u8; 4]; AAAA_LEN / 4] = frame.get_mut(at)?;
    let words = [
        head[0],
        head[1] | low << 32,
        low >> 32 | high << 32,
        high >> 32,
    ];
    for (to, word) in record.chunks_mut(2).zip(words) {
        for (to, half) in to.iter_mut().zip([word as u32, (word >> 32) as u32]) {
            *to = half.to_le_bytes();
        }
    }
    Some(())
}

/// Writes the SOA record; gives its sum.
#[inline(always)]
fn write_soa(
    frame: &mut Frame<'_>,
    at: usize,
    head: [u64; 2],
    data: [u64; SOA_WORDS],
) -> Option<Sum> {
    write_head(frame, at, head)?;
    let mut sum = sum_of(head);
    let [first, second, third, fourth, fifth, last] = data;
    let whole: &mut [[u8; 8]; SOA_WORDS - 1] = frame.get_mut(at + HEAD_LEN)?;
    *whole = [first, second, third, fourth, fifth].map(u64::to_le_bytes);
    *frame.get_mut(at + HEAD_LEN + 8 * (SOA_WORDS - 1))? = (last as u16).to_le_bytes();
    for word in data {
        sum = sum.add_word(word);
    }
    Some(sum)
}

/// Writes `len` octets out of the scratch space; gives their sum.
#[inline(always)]
fn write_octets(
    frame: &mut Frame<'_>,
    at: usize,
    len: usize,
    scratch: &ScratchCells,
) -> Option<Sum> {
    let mut sum = Sum::new();
    let whole = len / 8;
    for index in 0..AREA_WORDS {
        if index == whole {
            break;
        }
        let word = scratch.get(index)?;
        *frame.get_mut(at + 8 * index)? = word.to_le_bytes();
        sum = sum.add_word(word);
    }
    // The last word is padded with zeros, which add nothing to the sum.
    if !len.is_multiple_of(8) {
        let mut word = scratch.get(whole)?;
        sum = sum.add_word(word);
        for index in 0..8 {
            if index == len % 8 {
                break;
            }
            *frame.get_mut(at + 8 * whole + index)? = word as u8;
            word >>= 8;
        }
    }
    Some(sum)
}

/// Sum of a head's twelve octets.
#[inline(always)]
const fn sum_of(head: [u64; 2]) -> Sum {
    Sum::new().add_word(head[0]).add_word(head[1] & 0xffff_ffff)
}
