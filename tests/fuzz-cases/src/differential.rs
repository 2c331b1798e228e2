//! The target `differential`: what the packet path reads in a query is what hickory-proto reads there.

use dns_common::{Frame, query, scratch::ScratchCells, transport::Transport};
use hickory_proto::op::Message;

use crate::{
    maps::config,
    reader::{Asked, AskedEdns, asked},
    world::STAGES,
    wrap::Wrap,
};

/// Longest message that a frame can be made of.
const LONGEST: usize = 4096;

/// Reads a DNS message of any octets in both ways.
///
/// # Panics
/// If only one of them takes it, or they read something else.
pub fn differential(message: &[u8]) {
    if message.len() > LONGEST {
        return;
    }
    let config = config(&STAGES[0]).into();
    // The first octet of the message stands for the wrapping, too: the identifier may be any.
    let wrap = Wrap(message.first().copied().unwrap_or(0));
    let mut frame = wrap.frame(message);
    let read = Frame::from_slice(&mut frame);
    let scratch = ScratchCells::default();
    let have = Transport::find(&read, &config, |_| true)
        .and_then(|(transport, len)| query::parse(&read, transport, len, &config, &scratch))
        // As for a name that nobody holds: of one that is held the octets are known to be a name.
        .and_then(|query| query.name.check(&read, 0).map(|_| query));
    let want = asked(message);
    let query = match (have, want.is_some()) {
        (Err(_), false) => return,
        (Err(miss), true) => panic!("{miss:?} for {want:?}"),
        (Ok(query), _) => query,
    };
    assert!(
        Message::from_vec(message).is_ok(),
        "the server would not read what the packet path does"
    );
    let name = frame[query.name.at..query.name.at + query.name.len].to_vec();
    let have = Asked {
        id: u16::from_be_bytes(query.id),
        name,
        qtype: query.tail.qtype(),
        edns: query.edns.map(|edns| AskedEdns {
            // hickory-proto takes less than 512 octets for 512, as RFC 6891 asks for.
            udp_size: u16::try_from(edns.udp_size.max(512)).expect("it was two octets"),
            dnssec_ok: edns.dnssec_ok != 0,
        }),
    };
    assert_eq!(query.tail.qclass, [0, 1]);
    assert!(matches!(
        query.edns.map_or(0, |edns| edns.dnssec_ok),
        0 | 0x80
    ));
    assert_eq!(query.frame_len, frame.len());
    assert_eq!(Some(have), want);
}
