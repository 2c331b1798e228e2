//! What the maps hold, told in plain Rust: both the maps and the model are made of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::wire::{of_labels, wire};

/// TTL of all records in seconds.
pub(crate) const TTL: u32 = 0x0102_0304;
/// Where clients reach DNS.
pub(crate) const SERVICES: [(IpAddr, u16); 3] = [
    (IpAddr::V4(Ipv4Addr::new(10, 96, 0, 10)), 53),
    (
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 10)),
        53,
    ),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 20, 10)), 9053),
];
/// The zones, and whether names inside exist by a rule of the server; the first that a name lies in decides.
/// Their lengths in wire form leave different remainders of eight.
pub(crate) const ZONES: [(&str, bool); 6] = [
    ("pod.cluster.local", true),
    ("west.cluster.local", false),
    ("cluster.local", false),
    ("pod.k8s.example", true),
    ("k8s.example", false),
    ("b", false),
];

/// What userspace has written beside names and addresses.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// Whether the configuration is there.
    pub ready: bool,
    /// Whether recursion is available.
    pub recursion: bool,
    /// Whether anything may be denied.
    pub negative: bool,
    /// Not zero while names may be denied.
    pub epoch: u64,
    /// Not zero while types may be denied.
    pub listed: u64,
    /// The serial number of the zones.
    pub serial: u32,
    /// Until when answers are given.
    pub lease: u64,
    /// Until when names and types are denied.
    pub denials: u64,
}

/// When every packet comes, in ticks of the kernel's clock.
pub(crate) const NOW: u64 = 1 << 40;

/// All is known, and may be denied.
const COMPLETE: Stage = Stage {
    ready: true,
    recursion: true,
    negative: true,
    epoch: 7,
    listed: 1,
    serial: 0xfedc_ba98,
    lease: u64::MAX,
    denials: u64::MAX,
};

/// The stages of the maps that each packet meets.
pub const STAGES: [Stage; 8] = [
    COMPLETE,
    Stage {
        negative: false,
        recursion: false,
        ..COMPLETE
    },
    Stage {
        epoch: 0,
        serial: 0,
        ..COMPLETE
    },
    Stage {
        listed: 0,
        epoch: u64::MAX,
        lease: NOW + 1,
        denials: NOW + 1,
        ..COMPLETE
    },
    Stage {
        denials: NOW,
        ..COMPLETE
    },
    Stage {
        lease: NOW,
        ..COMPLETE
    },
    Stage {
        lease: 0,
        ..COMPLETE
    },
    Stage {
        ready: false,
        ..COMPLETE
    },
];

/// A name in the map of names.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// In wire form.
    pub(crate) name: Vec<u8>,
    pub(crate) content: Content,
}

/// What is known of a held name.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// All of it.
    Owner {
        zone: Vec<u8>,
        a: Vec<Ipv4Addr>,
        aaaa: Vec<Ipv6Addr>,
        left: Left,
    },
    /// The name that this name of an address points to.
    Pointer(Vec<u8>),
    /// Nothing that could be trusted: the entry was being replaced, or is that of another name.
    Damaged(Damage),
}

/// How an entry is not what it should be.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    /// A word of its area is another entry's.
    Torn,
    /// It is that of this name.
    OtherName(Vec<u8>),
}

/// What only the server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    Srv,
    Apex,
    Txt,
    Anything,
}

/// Most words that an entry has for its name and its answers.
pub(crate) const AREA: usize = 52;

/// `count` addresses from 10.96.1.0 on.
fn v4(count: u16) -> Vec<Ipv4Addr> {
    let address = |low: u16| Ipv4Addr::from(0x0a60_0100 + u32::from(low));
    (0..count).map(address).collect()
}

/// `count` addresses whose halves differ in every one.
fn v6(count: u16) -> Vec<Ipv6Addr> {
    let address = |low: u16| Ipv6Addr::new(0xfd00, low, 0x1234, 0, 0, low, 0xffff, low);
    (0..count).map(address).collect()
}

/// A name of `len` octets in wire form that ends in `.zone`.
pub(crate) fn name_of(len: usize, zone: &str) -> Vec<u8> {
    let zone = wire(zone);
    let mut left = len - zone.len();
    let mut name = Vec::new();
    while left > 0 {
        // No label can be left that has only its length octet.
        let label = if left == 65 { 62 } else { (left - 1).min(63) };
        name.push(u8::try_from(label).expect("at most 63"));
        name.extend(std::iter::repeat_n(b'l', label));
        left -= label + 1;
    }
    name.extend(zone);
    name
}

/// The name of an IPv6 address that is only zeros but for the last digits.
pub(crate) fn ip6_arpa(digits: &str) -> Vec<u8> {
    let digits = digits.split("").filter(|digit| !digit.is_empty());
    let zeros = std::iter::repeat_n("0", 30);
    let labels = digits.chain(zeros).chain(["ip6", "arpa"]);
    of_labels(labels.map(str::as_bytes))
}

/// Every name that is held.
pub(crate) fn held() -> Vec<Held> {
    let mut all = Vec::new();
    let mut put = |name: Vec<u8>, content| all.push(Held { name, content });
    let owner = |zone: &str, a, aaaa, left| Content::Owner {
        zone: wire(zone),
        a,
        aaaa,
        left,
    };
    for (name, a, aaaa, left) in [
        ("cluster.local", 0, 0, Left::Apex),
        ("ns.dns.cluster.local", 1, 1, Left::Nothing),
        ("dns-version.cluster.local", 0, 0, Left::Txt),
        ("svc.cluster.local", 0, 0, Left::Nothing),
        ("default.svc.cluster.local", 0, 0, Left::Nothing),
        ("nginx.default.svc.cluster.local", 1, 0, Left::Srv),
        ("Upper.default.svc.cluster.local", 1, 0, Left::Srv),
        ("v6only.default.svc.cluster.local", 0, 1, Left::Srv),
        ("dual.default.svc.cluster.local", 2, 2, Left::Nothing),
        ("three.default.svc.cluster.local", 3, 3, Left::Nothing),
        ("some.default.svc.cluster.local", 30, 7, Left::Srv),
        ("many.default.svc.cluster.local", 70, 6, Left::Nothing),
        ("most4.default.svc.cluster.local", 94, 0, Left::Nothing),
        ("most6.default.svc.cluster.local", 0, 23, Left::Nothing),
        // No room in the entry for these: 48 words are left.
        ("over.default.svc.cluster.local", 300, 24, Left::Nothing),
        ("zz-9.default.svc.cluster.local", 1, 0, Left::Nothing),
        ("alias.default.svc.cluster.local", 0, 0, Left::Anything),
        ("mixed.default.svc.cluster.local", 1, 0, Left::Anything),
    ] {
        put(wire(name), owner("cluster.local", v4(a), v6(aaaa), left));
    }
    for len in 23..32 {
        let content = owner("cluster.local", v4(1), v6(1), Left::Nothing);
        put(name_of(len, "cluster.local"), content);
    }
    let longest = name_of(255, "cluster.local");
    put(
        longest,
        owner("cluster.local", v4(20), v6(5), Left::Nothing),
    );
    let most_labels = wire(&["n"; 127].join("."));
    put(most_labels, owner("", v4(1), vec![], Left::Anything));
    let odd: [&[u8]; 4] = [b"A.\0\xff@[`{", b"west", b"cluster", b"local"];
    let content = owner("west.cluster.local", v4(1), vec![], Left::Nothing);
    put(of_labels(odd), content);
    put(wire("x.b"), owner("b", v4(1), v6(2), Left::Nothing));
    put(wire("b"), owner("b", vec![], vec![], Left::Apex));
    // Held although a rule would give names beside it.
    let content = owner("k8s.example", vec![], vec![], Left::Nothing);
    put(wire("pod.k8s.example"), content);

    let nginx = wire("nginx.default.svc.cluster.local");
    put(wire("20.0.96.10.in-addr.arpa"), Content::Pointer(nginx));
    for (address, target) in [
        ("21.0.96.10.in-addr.arpa", name_of(33, "cluster.local")),
        ("22.0.96.10.in-addr.arpa", name_of(254, "cluster.local")),
        // Too long for the number that stands for it.
        ("23.0.96.10.in-addr.arpa", name_of(255, "cluster.local")),
    ] {
        put(wire(address), Content::Pointer(target));
    }
    let target = wire("v6only.default.svc.cluster.local");
    put(ip6_arpa("a0"), Content::Pointer(target));

    for (name, damage) in [
        ("torn.default.svc.cluster.local", Damage::Torn),
        (
            "same.default.svc.cluster.local",
            Damage::OtherName(wire("lame.default.svc.cluster.local")),
        ),
        (
            "shorter.default.svc.cluster.local",
            Damage::OtherName(wire("short.default.svc.cluster.local")),
        ),
    ] {
        put(wire(name), Content::Damaged(damage));
    }
    all
}
