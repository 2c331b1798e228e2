//! Strategies of questions: names that are held or nearly so, sizes about the answer's own, every way to ask.

use std::sync::LazyLock;

use etherparse::{IpHeaders, Ipv4Extensions, Ipv6Extensions, Ipv6FlowLabel};
use hickory_proto::rr::RecordType;
use packets::{
    build::{
        Opt, Tags, dns_at, frame_over, ip_header, ip6_header, message_for, octets, option, with_opt,
    },
    fixture::{ZONES, names},
    model::{Asked, Question, answer},
    wire::{joined, labels, wire},
};
use proptest::{prelude::*, sample::Index};

static NAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let held = names().into_iter().map(|known| known.name);
    let zones = ZONES
        .iter()
        .map(|(zone, _)| wire(&format!("missing.{zone}")));
    held.chain(zones)
        .chain([wire("example.com"), vec![0]])
        .collect()
});

/// What is done to a name.
#[derive(Clone, Debug)]
enum Change {
    Nothing,
    Octet(Index, Index, u8),
    Drop(Index),
    Insert(Index, Vec<u8>),
    Join(Index),
}

fn any_change() -> impl Strategy<Value = Change> {
    let label = proptest::collection::vec(any::<u8>(), 1..64);
    prop_oneof![
        6 => Just(Change::Nothing),
        2 => any::<(Index, Index, u8)>().prop_map(|(label, at, to)| Change::Octet(label, at, to)),
        2 => any::<Index>().prop_map(Change::Drop),
        2 => (any::<Index>(), label).prop_map(|(at, label)| Change::Insert(at, label)),
        1 => any::<Index>().prop_map(Change::Join),
    ]
}

/// A name in wire form that is held, or nearly so, its letters in any case.
pub(crate) fn near_name() -> impl Strategy<Value = Vec<u8>> {
    (any::<Index>(), any_change(), any::<u64>()).prop_map(|(index, change, cases)| {
        let name = index.get(&NAMES);
        let mut name = changed(name, change).unwrap_or_else(|| name.clone());
        // Length octets are no letters.
        for (at, octet) in name.iter_mut().enumerate() {
            if cases >> (at % 64) & 1 == 1 {
                octet.make_ascii_uppercase();
            }
        }
        name
    })
}

/// The name after the change; `None` if it is none any more.
fn changed(name: &[u8], change: Change) -> Option<Vec<u8>> {
    let mut labels: Vec<Vec<u8>> = labels(name).iter().map(|label| label.to_vec()).collect();
    match change {
        Change::Nothing => {}
        Change::Insert(at, label) => labels.insert(at.index(labels.len() + 1), label),
        _ if labels.is_empty() => return None,
        Change::Octet(label, at, to) => {
            let label = label.index(labels.len());
            let label = &mut labels[label];
            let at = at.index(label.len());
            label[at] = to;
        }
        Change::Drop(at) => {
            labels.remove(at.index(labels.len()));
        }
        // Two labels become one that has the second one's length octet in it.
        Change::Join(at) => {
            let at = at.index(labels.len());
            if at + 1 < labels.len() {
                let second = labels.remove(at + 1);
                let length = u8::try_from(second.len()).expect("at most 63");
                labels[at].push(length);
                labels[at].extend(second);
            }
        }
    }
    let is_name = labels.iter().all(|label| label.len() <= 63)
        && labels.iter().map(|label| label.len() + 1).sum::<usize>() < 255;
    is_name.then(|| joined(labels.iter().map(Vec::as_slice)))
}

/// A type's number, mostly one that something is held for.
pub(crate) fn any_type() -> impl Strategy<Value = u16> {
    prop_oneof![
        8 => Just(1),
        8 => Just(28),
        6 => Just(12),
        4 => proptest::sample::select(vec![2, 5, 6, 16, 33, 43, 65, 255]),
        2 => any::<u16>(),
        1 => 0_u16..300,
    ]
}

/// What a client says that it takes.
#[derive(Clone, Debug)]
enum Size {
    Any(u16),
    /// So many octets more than the answer has.
    Beside(i16),
}

/// An OPT record to come: its size is known when the answer's is.
#[derive(Clone, Debug)]
pub(crate) struct AnyOpt {
    size: Size,
    opt: Opt,
}

pub(crate) fn any_opt() -> impl Strategy<Value = AnyOpt> {
    let size = prop_oneof![
        any::<u16>().prop_map(Size::Any),
        (400_u16..1300).prop_map(Size::Any),
        (-2_i16..=2).prop_map(Size::Beside),
    ];
    let code = any::<u16>().prop_filter("for the server", |code| !matches!(code, 3 | 8));
    let data = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..60),
        1 => proptest::collection::vec(any::<u8>(), 100..508),
    ];
    let options = proptest::collection::vec((code, data), 0..=8);
    (size, any::<(u8, u16)>(), options).prop_map(|(size, (rcode, flags), options)| {
        let mut all = vec![];
        for (code, data) in options {
            let option = option(code, &data);
            if all.len() + option.len() <= 512 {
                all.extend(option);
            }
        }
        let opt = Opt {
            rcode,
            flags,
            options: all,
            ..Opt::default()
        };
        AnyOpt { size, opt }
    })
}

/// The question with its OPT record, and the message that asks it.
pub(crate) fn payload(
    mut question: Question,
    id: u16,
    opt: Option<&AnyOpt>,
) -> (Question, Vec<u8>) {
    let mut query = message_for(&question.name, RecordType::from(question.qtype));
    query.metadata.id = id;
    query.metadata.recursion_desired = id & 1 == 1;
    query.metadata.checking_disabled = id & 2 == 2;
    query.metadata.authentic_data = id & 4 == 4;
    let payload = octets(&query);
    let Some(AnyOpt { size, opt }) = opt else {
        return (question, payload);
    };
    let mut asked = Asked {
        size: 1232,
        dnssec_ok: opt.flags >> 15 == 1,
    };
    question.edns = Some(asked);
    asked.size = match *size {
        Size::Any(size) => size,
        Size::Beside(difference) => {
            let len = answer(&question).map_or(512, |expected| expected.len);
            u16::try_from(len)
                .expect("messages are short")
                .saturating_add_signed(difference)
        }
    };
    let opt = Opt {
        size: asked.size,
        ..opt.clone()
    };
    // Less than 512 means 512, and an independent reader says so.
    asked.size = asked.size.max(512);
    question.edns = Some(asked);
    (question, with_opt(payload, &opt))
}

/// The headers below DNS, and what stands behind it.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    tags: Tags,
    is_ip6: bool,
    class: u8,
    hops: u8,
    flow: u32,
    has_checksum: bool,
    padding: Vec<u8>,
}

impl Arbitrary for Way {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let padding = prop_oneof![
            3 => Just(vec![]),
            1 => proptest::collection::vec(any::<u8>(), 0..80),
            1 => proptest::collection::vec(any::<u8>(), 0..1300),
        ];
        (
            0_u8..5,
            0_u16..4096,
            0_u16..4096,
            any::<(bool, u8, u8, u32, bool)>(),
            padding,
        )
            .prop_map(
                |(form, outer, inner, (is_ip6, class, hops, flow, has_checksum), padding)| {
                    let tags = match form {
                        0 => Tags::None,
                        1 => Tags::One(outer),
                        2 => Tags::Service(outer),
                        3 => Tags::Two(outer, inner),
                        _ => Tags::ServiceAndOne(outer, inner),
                    };
                    Self {
                        tags,
                        is_ip6,
                        class,
                        hops,
                        flow,
                        has_checksum,
                        padding,
                    }
                },
            )
            .boxed()
    }
}

impl Way {
    /// The packet with this message.
    pub(crate) fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let ip = if self.is_ip6 {
            let mut ip = ip6_header();
            ip.traffic_class = self.class;
            ip.hop_limit = self.hops;
            ip.flow_label = Ipv6FlowLabel::try_new(self.flow & 0xf_ffff).expect("twenty bits");
            IpHeaders::Ipv6(ip, Ipv6Extensions::default())
        } else {
            let mut ip = ip_header();
            ip.dscp = (self.class >> 2).try_into().expect("six bits");
            ip.ecn = (self.class & 3).try_into().expect("two bits");
            ip.time_to_live = self.hops;
            let [high, low, ..] = self.flow.to_be_bytes();
            ip.identification = u16::from_be_bytes([high, low]);
            ip.dont_fragment = self.flow & 1 == 1;
            IpHeaders::Ipv4(ip, Ipv4Extensions::default())
        };
        let mut packet = frame_over(self.tags, ip, payload);
        if !self.is_ip6 && !self.has_checksum {
            let dns = dns_at(self.tags, false);
            packet[dns - 2..dns].copy_from_slice(&[0, 0]);
        }
        packet.extend(&self.padding);
        packet
    }
}
