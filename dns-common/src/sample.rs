//! Samples of the queries that the kernel programs see: whether one is wanted, and what it holds.

use bytemuck::{Pod, Zeroable};

use crate::{
    Frame, Hit, Outcome,
    cell::Cell,
    headers::{
        Dns, ETHERTYPE_SERVICE_VLAN, ETHERTYPE_VLAN, Ethernet, Ipv4, Ipv6, QuestionTail, Udp,
        VERSION_IHL, VlanTag,
    },
    maps::ServiceKey,
    name::MAX_NAME,
    verifier::forget_range,
};

/// Words that hold the longest question: a name, a type and a class.
pub const QUESTION_WORDS: usize = (MAX_NAME + size_of::<QuestionTail>()).div_ceil(8);
/// Octets of the longest question.
const QUESTION: usize = QUESTION_WORDS * 8;
/// Octets of the ring buffer `SAMPLES`: about 800 samples, a power of two of the largest pages there are.
pub const RING: u32 = 256 * 1024;
/// The rarest sample: one in 2^20.
pub const MAX_SHIFT: u32 = 20;

/// Whether samples are wanted, and how many; all zero, as it is until somebody asks, says that none are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Watch {
    /// Until when, in ticks of the kernel's clock (`jiffies64`). At that tick, and past it, none are taken: so it
    /// ends by itself when nobody puts it off any more.
    pub until: u64,
    /// One query in 2^`shift` is taken, at random.
    pub shift: u64,
    /// Samples for which the ring buffer had no room. The programs count them.
    pub lost: u64,
}

/// A [`Watch`] as the kernel sees it: words that may change at any time.
#[derive(Debug)]
#[repr(transparent)]
pub struct WatchCells([Cell; 3]);

const UNTIL: usize = 0;
const SHIFT: usize = 1;
const LOST: usize = 2;

/// What is known of one query. It is written word by word, to memory that userspace maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Sample {
    /// What became of it, and how it was taken, as [`Taken::word`] puts them.
    taken: u64,
    /// The client's IPv6 address, or its mapped IPv4 address.
    client: [u8; 16],
    /// The question as it was asked and what follows it, lower octets first.
    question: [u64; QUESTION_WORDS],
}

/// Words of a sample.
pub const SAMPLE_WORDS: usize = size_of::<Sample>() / 8;
const CLIENT: usize = 1;
const START: usize = 3;

/// A [`Sample`] as the kernel writes it.
#[derive(Debug)]
#[repr(transparent)]
pub struct SampleCells([Cell; SAMPLE_WORDS]);

/// What a sample says beside the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Index of the [`Outcome`].
    pub outcome: usize,
    /// It stands for 2^`shift` queries.
    pub shift: u32,
    /// The interface that it came in by.
    pub interface: u32,
}

const _: () = {
    assert!(size_of::<Watch>() == size_of::<WatchCells>());
    assert!(core::mem::offset_of!(Watch, until) == UNTIL * 8);
    assert!(core::mem::offset_of!(Watch, shift) == SHIFT * 8);
    assert!(core::mem::offset_of!(Watch, lost) == LOST * 8);
    assert!(core::mem::offset_of!(Sample, client) == CLIENT * 8);
    assert!(core::mem::offset_of!(Sample, question) == START * 8);
    // Otherwise the length has no place in its bits.
    assert!(QUESTION < 1 << 10);
};

impl From<Watch> for WatchCells {
    fn from(watch: Watch) -> Self {
        Self([watch.until, watch.shift, watch.lost].map(Cell::new))
    }
}

impl WatchCells {
    /// Whether samples are wanted at `now`, in ticks of the kernel's clock.
    #[inline(always)]
    #[must_use]
    pub fn is_on(&self, now: u64) -> bool {
        now < self.0[UNTIL].get()
    }

    /// How rare samples are to be.
    #[inline(always)]
    #[must_use]
    pub fn shift(&self) -> u32 {
        self.0[SHIFT].get().min(MAX_SHIFT.into()) as u32
    }

    /// Counts a sample for which there was no room. Two CPUs that do so at once may count one.
    #[inline(always)]
    pub fn count_lost(&self) {
        self.0[LOST].set(self.0[LOST].get().wrapping_add(1));
    }
}

/// Whether this of `random` numbers is the one in 2^`shift`.
#[inline(always)]
#[must_use]
pub const fn is_chosen(random: u32, shift: u32) -> bool {
    random & ((1 << (shift & 31)) - 1) == 0
}

impl Default for SampleCells {
    fn default() -> Self {
        Self([const { Cell::new(0) }; SAMPLE_WORDS])
    }
}

impl SampleCells {
    /// What has been written.
    #[must_use]
    pub fn sample(&self) -> Sample {
        Sample::of(self.0.each_ref().map(Cell::get))
    }

    #[inline(always)]
    fn put(&self, index: usize, word: u64) {
        if let Some(cell) = self.0.get(index) {
            cell.set(word);
        }
    }
}

impl Taken {
    #[inline(always)]
    const fn word(self, len: usize) -> u64 {
        self.outcome as u64
            | (self.shift as u64) << 8
            | (len as u64) << 16
            | (self.interface as u64) << 32
    }
}

/// Takes a sample of a query after it has been dealt with.
///
/// `None` if the packet ends before a question; what has been written then is no sample.
#[inline(always)]
pub fn take(frame: &Frame<'_>, taken: Taken, to: &SampleCells) -> Option<()> {
    let ip = forget_range(ip_at(frame)?);
    let ([low, high], udp) = client(frame, ip, taken.outcome < Hit::ALL.len())?;
    to.put(CLIENT, low);
    to.put(CLIENT + 1, high);
    let at = forget_range(udp) + size_of::<Udp>() + size_of::<Dns>();
    let left = frame.len().checked_sub(at)?;
    let len = left.min(QUESTION);
    to.put(0, taken.word(len));
    let whole = forget_range(len / 8);
    for index in 0..QUESTION_WORDS {
        if index == whole {
            break;
        }
        to.put(START + index, frame.word(at + 8 * index)?);
    }
    let rest = len % 8;
    if rest > 0 && whole < QUESTION_WORDS {
        // Read together with the octets before, as what follows may lie past the packet's end.
        let word = frame.word(at + len - 8)?;
        to.put(START + whole, word >> (64 - 8 * rest));
    }
    Some(())
}

/// The client's address as two words, and the offset of the UDP header.
#[inline(always)]
fn client(frame: &Frame<'_>, ip: usize, is_answered: bool) -> Option<([u64; 2], usize)> {
    // An answer goes to the client.
    if *frame.get::<u8>(ip)? == VERSION_IHL {
        let header: &Ipv4 = frame.get(ip)?;
        let [first, second, third, fourth] = ServiceKey::mapped(if is_answered {
            header.destination
        } else {
            header.source
        })
        .map(u64::from);
        let address = [first | second << 32, third | fourth << 32];
        return Some((address, ip + size_of::<Ipv4>()));
    }
    let header: &Ipv6 = frame.get(ip)?;
    let address = if is_answered {
        header.destination
    } else {
        header.source
    };
    Some((bytemuck::cast(address), ip + size_of::<Ipv6>()))
}

/// Offset of the IP header.
#[inline(always)]
fn ip_at(frame: &Frame<'_>) -> Option<usize> {
    let is_tag = |ethertype| matches!(ethertype, ETHERTYPE_VLAN | ETHERTYPE_SERVICE_VLAN);
    let ethernet: &Ethernet = frame.get(0)?;
    let first = size_of::<Ethernet>();
    if !is_tag(ethernet.ethertype) {
        return Some(first);
    }
    let tag: &VlanTag = frame.get(first)?;
    let tags = if is_tag(tag.ethertype) { 2 } else { 1 };
    Some(first + tags * size_of::<VlanTag>())
}

impl Sample {
    /// The sample with these words.
    #[must_use]
    pub fn of(words: [u64; SAMPLE_WORDS]) -> Self {
        bytemuck::cast(words)
    }

    /// What is said beside the packet.
    #[must_use]
    pub const fn taken(&self) -> Taken {
        Taken {
            outcome: (self.taken & 0xff) as usize,
            shift: (self.taken >> 8 & 0xff) as u32,
            interface: (self.taken >> 32) as u32,
        }
    }

    /// What became of the query; `None` if these are no words of a sample.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        Outcome::all().nth(self.taken().outcome)
    }

    /// The client's IPv6 address, or its mapped IPv4 address.
    #[must_use]
    pub const fn client(&self) -> [u8; 16] {
        self.client
    }

    /// The octets from the question on, as far as they were taken.
    #[must_use]
    pub fn question(&self) -> &[u8] {
        let octets: &[u8] = bytemuck::cast_slice(&self.question);
        let len = (self.taken >> 16 & 0x3ff) as usize;
        octets.get(..len).unwrap_or(octets)
    }
}
