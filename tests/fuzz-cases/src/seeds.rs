//! Inputs that mean something, for the fuzz targets to begin with.

use crate::{
    wire::{lower, of_labels, wire},
    world::{held, name_of},
    wrap::Wrap,
};

/// An OPT record: 1232 octets, DO.
const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0";

/// The inputs for the target of this name.
#[must_use]
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "packet" => frames(),
        "message" => {
            let wraps = (0..64).cycle();
            let wrapped = wraps.zip(messages());
            wrapped
                .map(|(wrap, message)| [&[wrap], message.as_slice()].concat())
                .collect()
        }
        "differential" => messages(),
        "entry" => entries(),
        _ => Vec::new(),
    }
}

/// A query with one question.
#[must_use]
pub fn query(name: &[u8], qtype: u16, opt: &[u8]) -> Vec<u8> {
    let additionals = u8::from(!opt.is_empty());
    let header = [0x12, 0x35, 1, 0, 0, 1, 0, 0, 0, 0, 0, additionals];
    let [high, low] = qtype.to_be_bytes();
    [&header, name, &[high, low, 0, 1], opt].concat()
}

/// The OPT record with other octets of options.
fn opt(options: &[u8]) -> Vec<u8> {
    let mut opt = OPT.to_vec();
    let len = u16::try_from(options.len()).expect("options are short");
    opt[9..].copy_from_slice(&len.to_be_bytes());
    opt.extend_from_slice(options);
    opt
}

/// DNS messages.
fn messages() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let nginx = wire("Nginx.Default.svc.cluster.LOCAL");
    for held in held() {
        for (qtype, opt) in [(1, OPT), (28, OPT), (12, &[])] {
            all.push(query(&held.name, qtype, opt));
        }
        all.push(query(&held.name.to_ascii_uppercase(), 12, OPT));
        all.push(query(&held.name.to_ascii_uppercase(), 1, OPT));
    }
    for qtype in [
        0, 1, 2, 6, 12, 16, 28, 33, 41, 65, 128, 252, 254, 255, 256, 65_535,
    ] {
        for name in [
            "cluster.local",
            "dns-version.cluster.local",
            "alias.default.svc.cluster.local",
        ] {
            all.push(query(&wire(name), qtype, &[]));
        }
        all.push(query(&nginx, qtype, OPT));
    }
    for name in [
        "",
        "local",
        "nope.cluster.local",
        "no.such.default.svc.cluster.local",
        "10-1-2-3.default.pod.cluster.local",
        "pod.cluster.local",
        "podcluster.local",
        "xcluster.local",
        "a.west.cluster.local",
        "www.example.org",
        "c.b",
        "y.x.b",
        "any.k8s.example",
        "1.pod.k8s.example",
        "1.0.96.10.in-addr.arpa",
    ] {
        all.push(query(&wire(name), 1, &[]));
        all.push(query(&wire(&name.to_ascii_uppercase()), 28, OPT));
    }
    // A label that looks like a boundary of zones, and names at the bounds.
    all.push(query(&of_labels([&b"x\x07cluster\x05local"[..]]), 1, &[]));
    all.push(query(&of_labels([&b"x\x07cluster"[..], b"local"]), 1, &[]));
    all.extend((250..=258).map(|len| query(&name_of(len, "b"), 1, OPT)));
    all.push(query(&wire(&["n"; 128].join(".")), 1, OPT));
    let options: [&[u8]; 8] = [
        b"\0\x0a\0\x08cookiesz",
        b"\0\x0a\0\x08cookiesz\0\x0c\0\x10paddingpaddingpa",
        b"\0\x03\0\0",
        b"\0\x08\0\x04\0\x01\0\0",
        b"\0\x0c\0\x09short",
        b"\0\x0c\0",
        b"\0\x63\0\0\0\x63\0\0\0\x63\0\0\0\x63\0\0\0\x63\0\0\0\x63\0\0\0\x63\0\0\0\x63\0\0",
        b"\0\x63\0\0\0\x63\0\0\0\x63\0\0\0\x63\0\0\0\x63\0\0\0\x63\0\0\0\x63\0\0\0\x63\0\0\0\x63\0\0",
    ];
    all.extend(options.map(|options| query(&nginx, 1, &opt(options))));
    let mut long = b"\0\x0c\x01\xfc".to_vec();
    long.resize(512, 0);
    all.push(query(&nginx, 1, &opt(&long)));
    long[3] += 1;
    long.push(0);
    all.push(query(&nginx, 1, &opt(&long)));
    all.extend(spoilt(&nginx));
    all
}

/// Queries that are wrong in one octet or two.
fn spoilt(name: &[u8]) -> Vec<Vec<u8>> {
    let good = query(name, 1, OPT);
    let end = good.len();
    let opt = end - OPT.len();
    let mut all = Vec::new();
    for (at, octet) in [
        (2, 0x81),
        (2, 0x09),
        (2, 0x05),
        (2, 0x03),
        (3, 0x30),
        (3, 0x80),
        (3, 0x40),
        (3, 0x01),
        (5, 0),
        (5, 2),
        (7, 1),
        (9, 1),
        (11, 0),
        (11, 2),
        (12, 0xc0),
        (12, 0x40),
        (12, 0x80),
        (opt - 1, 3),
        (opt - 1, 255),
        (opt, 1),
        (opt + 2, 1),
        (opt + 3, 0),
        (opt + 5, 1),
        (opt + 6, 1),
        (opt + 7, 0x40),
        (opt + 10, 1),
    ] {
        let mut bad = good.clone();
        bad[at] = octet;
        all.push(bad);
    }
    all.push([&good[..], &[0]].concat());
    all.push([&query(name, 1, &[])[..], &[0]].concat());
    for class in [[0, 3], [0, 255], [1, 1]] {
        let mut other = query(name, 1, &[]);
        let at = other.len() - 2;
        other[at..].copy_from_slice(&class);
        all.push(other);
    }
    all.extend([4, 11, 14, opt - 3, opt, opt + 4, end - 1].map(|len| good[..len].to_vec()));
    all.push(vec![0; 12]);
    all
}

/// Whole frames.
fn frames() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let interesting = [
        query(&wire("nginx.default.svc.cluster.local"), 1, &[]),
        query(&wire("dual.default.svc.cluster.local"), 28, OPT),
        query(&wire("nope.cluster.local"), 1, OPT),
        query(&wire("20.0.96.10.in-addr.arpa"), 12, &[]),
        query(&wire("cluster.local"), 28, &[]),
    ];
    for wrap in 0..64 {
        let message = &interesting[usize::from(wrap) % interesting.len()];
        all.push(Wrap(wrap).frame(message));
    }
    for (message, wrap) in messages().into_iter().zip((0..64).cycle()).step_by(5) {
        all.push(Wrap(wrap).frame(&message));
    }
    let v4 = Wrap(0).frame(&interesting[0]);
    let v6 = Wrap(1).frame(&interesting[1]);
    let tagged = Wrap(4).frame(&interesting[2]);
    for (frame, places) in [
        (
            &v4,
            &[
                (0, 1),
                (12, 0x86),
                (13, 6),
                (14, 0x46),
                (14, 0x44),
                (14, 0x65),
                (15, 0xff),
                (17, 20),
                (17, 200),
                (20, 0x20),
                (20, 0x40),
                (20, 0x80),
                (21, 1),
                (22, 0),
                (23, 6),
                (24, 0),
                (33, 11),
                (37, 54),
                (37, 117),
                (39, 7),
                (40, 0),
            ][..],
        ),
        (
            &v6,
            &[
                (14, 0x40),
                (14, 0x6f),
                (15, 0xf0),
                (19, 0),
                (20, 0),
                (20, 44),
                (20, 6),
                (21, 0),
                (53, 11),
                (59, 0),
            ],
        ),
        (
            &tagged,
            &[
                (12, 0x81),
                (12, 0x91),
                (13, 0xa8),
                (16, 0x88),
                (16, 0x91),
                (17, 0xe5),
            ],
        ),
    ] {
        for &(at, octet) in places {
            let mut frame = frame.clone();
            frame[at] = octet;
            all.push(frame);
        }
        all.extend([0, 13, 17, 33, 41, 60].map(|len| frame[..len].to_vec()));
        all.push(frame[..frame.len() - 1].to_vec());
    }
    let mut without_checksum = v6.clone();
    without_checksum[60..62].fill(0);
    all.push(without_checksum);
    // To an IPv4 service address, in the form that only software inside of a host uses.
    let mut mapped = v6.clone();
    mapped[38..54].copy_from_slice(b"\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x60\0\x0a");
    all.push(mapped);
    let mut without_lengths = v6.clone();
    without_lengths[18..20].fill(0);
    without_lengths[58..60].fill(0);
    all.push(without_lengths);
    let mut tags_reversed = Wrap(4).frame(&interesting[2]);
    tags_reversed[12..14].copy_from_slice(&[0x81, 0x00]);
    tags_reversed[16..18].copy_from_slice(&[0x88, 0xa8]);
    all.push(tags_reversed);
    let name = wire("nginx.default.svc.cluster.local");
    let cut = Wrap(0).frame(&query(&name, 1, &opt(b"\0\x0a\0\x08cookiesz")));
    all.push(cut[..cut.len() - 1].to_vec());
    all
}

/// Inputs of the target `entry`.
fn entries() -> Vec<Vec<u8>> {
    let name = |name: &str| {
        let wire = lower(&wire(name));
        let labels = u8::try_from(name.split('.').count()).expect("few labels");
        [&[labels], &wire[..wire.len() - 1]].concat()
    };
    let long = b"\x04\xbfl\xbfm\xbfn\xbdo".to_vec();
    let names = [
        name("nginx.default.svc.cluster.local"),
        name("a.b"),
        vec![0],
        long,
    ];
    let contents: [&[u8]; 9] = [
        // kind, numbers of addresses, what they are made of
        b"\x10\x01\x01\x0a\x60\0\x01\xfd\0\0\0\0\0\0\x01",
        b"\x11\x08\x00\x0a\x60\0\x01",
        b"\x0a\x00\x00",
        b"\x13\x00\x03\0\0\0\0\xfd\0\0\0\0\0\0\x01",
        b"\x04\x07\x07\x0a\x60\0\x01\xfd\0\0\0\0\0\0\x01",
        b"\x00\xb0\x9f\x0a\x60\0\x01\xfd\0\0\0\0\0\0\x01",
        b"\x00\x8f\x88\x0a\x60\0\x01\xfd\0\0\0\0\0\0\x01",
        b"\x05\x02\x05nginx\x05local",
        b"\x05\x04\xbfl\xbfm\xbfn\xbco",
    ];
    // id, case, EDNS, type
    let questions: [&[u8]; 5] = [
        b"\x12\x35\xaa\xff\x00",
        b"\x12\x36\x00\x81\x40",
        b"\x12\x37\x0f\x00\x80",
        b"\x12\x38\xff\x01\xff\0\xff",
        b"\x12\x39\xff\x00\xff\0\x21",
    ];
    // The place of a word and what changes there; another content; a mask.
    let damages: [&[u8]; 4] = [
        b"\x00\0\0\0\0\0\0\0\x01",
        b"\x03\x80\0\0\0\0\0\0\x01",
        b"\x05\xff\0\0\0\0\xff\0\x01",
        b"\x08\0\0\x01\0\0\0\0\0",
    ];
    let mut all = vec![
        b"\x01\x00\x05hello\0\x05".to_vec(),
        b"\x01\x00\x05hello\0\x06".to_vec(),
        b"\x01\x00\x05hello\x01\x05".to_vec(),
        vec![1, 0, 0],
        [&[1, 1, 0][..], &[7; 256]].concat(),
    ];
    for (at, (name, content)) in names
        .iter()
        .flat_map(|name| contents.map(|content| (name, content)))
        .enumerate()
    {
        for (question, damage) in questions.iter().zip(damages.iter().cycle().skip(at)) {
            let flags = u8::try_from(at % 16 * 2).expect("small");
            let mask = [0, 0, 0, 0, 0, 0, 0xf0, 0x0f];
            let other = contents[(at + 1) % contents.len()];
            all.push(
                [
                    &[flags],
                    name.as_slice(),
                    content,
                    question,
                    damage,
                    other,
                    &mask,
                ]
                .concat(),
            );
            all.push(
                [
                    &[flags | 0x80],
                    name.as_slice(),
                    content,
                    question,
                    damage,
                    b"\x01\x01z",
                    other,
                    &mask,
                ]
                .concat(),
            );
        }
    }
    all
}
