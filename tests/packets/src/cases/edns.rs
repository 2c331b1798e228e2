//! Questions with an OPT record, of any content.

use dns_common::{Hit, Miss};
use hickory_proto::rr::RecordType;

use super::{Case, NGINX, hit, miss};
use crate::build::{
    DNS, Opt, Tags, edns, extended, frame, message, octets, option, over_ip6, patched, with_opt,
    with_record,
};

fn query() -> Vec<u8> {
    octets(&message(NGINX, RecordType::A))
}

fn asking(opt: &Opt) -> Vec<u8> {
    frame(&with_opt(query(), opt))
}

fn with_options(options: &[Vec<u8>]) -> Vec<u8> {
    asking(&Opt::with_options(options))
}

/// A padding option (RFC 7830) with so many octets of data.
fn padding(octets: usize) -> Vec<u8> {
    option(12, &vec![0; octets])
}

pub(super) fn hits() -> Vec<Case> {
    let mut cases = vec![];
    for (name, kind, answer) in [
        ("nginx.default.svc.cluster.local", RecordType::A, Hit::A),
        ("nginx1.default.svc.cluster.local", RecordType::A, Hit::A),
        (
            "dual.default.svc.cluster.local",
            RecordType::AAAA,
            Hit::Aaaa,
        ),
        (
            "v6only.default.svc.cluster.local",
            RecordType::A,
            Hit::NoData,
        ),
        ("missing.cluster.local", RecordType::A, Hit::NxDomain),
        ("missing1.cluster.local", RecordType::A, Hit::NxDomain),
    ] {
        for dnssec_ok in [false, true] {
            let query = edns(message(name, kind), 4096, dnssec_ok, &[]);
            let name = format!("{kind} of {name} with EDNS, DO {dnssec_ok}");
            cases.push(hit(name, frame(&octets(&query)), answer));
        }
    }
    // Names and targets of odd and even lengths: the OPT record begins at either kind of offset.
    for (reverse, octets_of) in [
        ("4.1", 24),
        ("5.1", 25),
        ("24.2", 24),
        ("25.2", 25),
        ("31.2", 31),
    ] {
        let reverse = format!("{reverse}.96.10.in-addr.arpa");
        for dnssec_ok in [false, true] {
            let query = edns(message(&reverse, RecordType::PTR), 1232, dnssec_ok, &[]);
            let name = format!("{reverse} to {octets_of} octets with EDNS, DO {dnssec_ok}");
            let payload = octets(&query);
            cases.push(hit(format!("{name} over IPv4"), frame(&payload), Hit::Ptr));
            cases.push(hit(
                format!("{name} over IPv6"),
                over_ip6(&payload),
                Hit::Ptr,
            ));
        }
    }
    cases
}

pub(super) fn forms() -> Vec<Case> {
    let cookie = (10, vec![1, 2, 3, 4, 5, 6, 7, 8]);
    let dig = edns(message(NGINX, RecordType::A), 1232, false, &[cookie]);
    let long = with_opt(query(), &Opt::with_options(&[padding(301)]));
    let mut padded = with_options(&[padding(9)]);
    padded.extend([0xee; 100]);
    let mut cases: Vec<_> = [
        ("a cookie", frame(&octets(&dig))),
        ("padding", with_options(&[padding(128)])),
        (
            "an OPT record longer than the answer",
            with_options(&[padding(508)]),
        ),
        (
            "an OPT record longer than the answer, in two VLANs over IPv6",
            Tags::Two(2, 3).over_ip6(&long),
        ),
        ("an OPT record, then padding of the frame", padded),
        ("eight options", with_options(&vec![padding(3); 8])),
        ("an empty option", with_options(&[padding(0)])),
    ]
    .map(|(name, frame)| hit(format!("EDNS with {name}"), frame, Hit::A))
    .into();
    let forms: [(_, fn(&mut Opt)); 6] = [
        ("size 0", |opt| opt.size = 0),
        ("size 511", |opt| opt.size = 511),
        ("size 65535", |opt| opt.size = u16::MAX),
        ("the reserved bits", |opt| opt.flags = 0x7fff),
        ("DO and the reserved bits", |opt| opt.flags = 0xffff),
        ("upper bits of an RCODE", |opt| opt.rcode = 0xff),
    ];
    cases.extend(forms.map(|(name, change)| {
        hit(
            format!("EDNS with {name}"),
            asking(&Opt::changed(change)),
            Hit::A,
        )
    }));
    cases
}

/// Additional records that are no plain OPT record.
pub(super) fn records() -> Vec<Case> {
    let cut = |octets: usize| {
        let whole = with_opt(query(), &Opt::default());
        frame(&whole[..whole.len() - octets])
    };
    let two = with_opt(with_opt(query(), &Opt::default()), &Opt::default());
    let mut cases = vec![
        miss(
            "an additional record that is missing",
            frame(&with_record(query(), &[])),
            Miss::Truncated,
        ),
        miss(
            "an OPT record without its last octet",
            cut(1),
            Miss::Truncated,
        ),
        miss("an OPT record of one octet", cut(10), Miss::Truncated),
        miss("two OPT records", frame(&two), Miss::Additional),
        miss(
            "256 additional records",
            patched(frame(&query()), DNS + 10, &[1, 0]),
            Miss::Additional,
        ),
        miss(
            "octets behind an OPT record",
            extended(asking(&Opt::default()), &[0]),
            Miss::TrailingOctets,
        ),
    ];
    let forms: [(_, fn(&mut Opt), _); 8] = [
        (
            "an OPT record whose owner is not the root",
            |opt| opt.owner = vec![1, b'x', 0],
            Miss::Additional,
        ),
        (
            "an OPT record whose owner is a pointer",
            |opt| opt.owner = vec![0xc0, 0x0c],
            Miss::Additional,
        ),
        (
            "a record of the root that is not OPT",
            |opt| opt.kind = 16,
            Miss::Additional,
        ),
        ("a signature", |opt| opt.kind = 250, Miss::Additional),
        (
            "a type that has that of OPT in its lower octet",
            |opt| opt.kind = 0x0129,
            Miss::Additional,
        ),
        (
            "EDNS of version 1",
            |opt| opt.version = 1,
            Miss::EdnsVersion,
        ),
        (
            "an OPT record that says more than there is",
            |opt| opt.length = Some(1),
            Miss::Truncated,
        ),
        (
            "an OPT record that says less than there is",
            |opt| (opt.length, opt.options) = (Some(0), padding(0)),
            Miss::TrailingOctets,
        ),
    ];
    cases.extend(forms.map(|(name, change, why)| miss(name, asking(&Opt::changed(change)), why)));
    cases
}

/// Options that are malformed, too many, or for the server.
pub(super) fn options() -> Vec<Case> {
    let cookie = option(10, &[7; 8]);
    let subnet = option(8, &[0, 1, 24, 0, 192, 0, 2]);
    let raw = |octets: &[u8]| with_options(&[octets.to_vec()]);
    let padded = |mut frame: Vec<u8>, padding: &[u8]| {
        frame.extend(padding);
        frame
    };
    [
        ("nine options", with_options(&vec![padding(1); 9])),
        ("513 octets of options", with_options(&[padding(509)])),
        ("a server identifier (NSID)", raw(&option(3, &[]))),
        (
            "a client subnet behind a cookie",
            with_options(&[cookie.clone(), subnet]),
        ),
        ("an option of one octet", raw(&[0])),
        ("half the head of an option", raw(&[0, 10, 0])),
        ("an option longer than the record", raw(&[0, 10, 0, 2, 1])),
        ("an option of 65535 octets", raw(&[0, 10, 0xff, 0xff])),
        (
            "an option completed only by padding",
            padded(raw(&[0, 10, 0, 8, 1, 2, 3, 4]), &[5, 6, 7, 8]),
        ),
        (
            "a second option that is cut, with padding of the frame behind",
            padded(with_options(&[cookie, vec![0, 12]]), &[0; 8]),
        ),
    ]
    .map(|(name, frame)| miss(name, frame, Miss::EdnsOptions))
    .into()
}
