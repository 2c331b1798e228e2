//! Packets that pass because of the DNS header or the question, in the order in which the packet path finds out.

use dns_common::Miss;
use hickory_proto::{
    op::OpCode,
    rr::{DNSClass, RData, Record, RecordType, rdata},
};

use super::{Case, NGINX, miss};
use crate::build::{DNS, a_query, extended, frame, message, octets, patched};

pub(super) fn header() -> Vec<Case> {
    let query = message(NGINX, RecordType::A);
    let mut status = query.clone();
    status.metadata.op_code = OpCode::Status;
    let mut notify = query.clone();
    notify.metadata.op_code = OpCode::Notify;
    let mut two = query.clone();
    two.add_query(query.queries[0].clone());
    let record = Record::from_rdata(
        query.queries[0].name().clone(),
        5,
        RData::A(rdata::A::new(10, 0, 0, 1)),
    );
    let mut answered = query.clone();
    answered.add_answer(record.clone());
    let mut authority = query.clone();
    authority.add_authority(record.clone());
    let mut additional = query.clone();
    additional.add_additional(record);
    let with_flags = |first: u8, second: u8| patched(a_query(NGINX), DNS + 2, &[first, second]);
    vec![
        miss("a response", with_flags(0x81, 0), Miss::Response),
        miss("opcode STATUS", frame(&octets(&status)), Miss::Opcode),
        miss("opcode NOTIFY", frame(&octets(&notify)), Miss::Opcode),
        miss("AA in a query", with_flags(0x05, 0), Miss::HeaderBits),
        miss("TC in a query", with_flags(0x03, 0), Miss::HeaderBits),
        miss("RA in a query", with_flags(0x01, 0x80), Miss::HeaderBits),
        miss("the Z bit", with_flags(0x01, 0x40), Miss::HeaderBits),
        miss(
            "an RCODE in a query",
            with_flags(0x01, 0x03),
            Miss::HeaderBits,
        ),
        miss(
            "no question",
            patched(a_query(NGINX), DNS + 4, &[0, 0]),
            Miss::QuestionCount,
        ),
        miss("two questions", frame(&octets(&two)), Miss::QuestionCount),
        miss(
            "257 questions",
            patched(a_query(NGINX), DNS + 4, &[1, 1]),
            Miss::QuestionCount,
        ),
        miss(
            "an answer record",
            frame(&octets(&answered)),
            Miss::RecordCount,
        ),
        miss(
            "an authority record",
            frame(&octets(&authority)),
            Miss::RecordCount,
        ),
        miss(
            "an additional record",
            frame(&octets(&additional)),
            Miss::Additional,
        ),
    ]
}

pub(super) fn question() -> Vec<Case> {
    let query = octets(&message(NGINX, RecordType::A));
    let asking = |name: &[u8]| {
        let mut payload = query[..12].to_vec();
        payload.extend_from_slice(name);
        payload.extend_from_slice(&[0, 1, 0, 1]);
        frame(&payload)
    };
    let mut chaos = message(NGINX, RecordType::A);
    chaos.queries[0].set_query_class(DNSClass::CH);
    let mut too_long = [1, b'x'].repeat(127);
    too_long.extend_from_slice(&[1, b'x', 0]);
    vec![
        miss(
            "a name that is a pointer",
            asking(&[0xc0, 0x0c]),
            Miss::Compressed,
        ),
        miss(
            "a name that ends in a pointer",
            asking(b"\x05nginx\xc0\x0c"),
            Miss::Compressed,
        ),
        miss(
            "an extended label type",
            asking(&[0x41, 0, 0]),
            Miss::LabelType,
        ),
        miss("a label of 64 octets", asking(&[0x40; 66]), Miss::LabelType),
        miss("a name of 257 octets", asking(&too_long), Miss::NameTooLong),
        miss(
            "a name of 256 octets",
            {
                let mut name = vec![];
                for length in [63_u8, 63, 63, 62] {
                    name.push(length);
                    name.extend(std::iter::repeat_n(b'y', length.into()));
                }
                name.push(0);
                asking(&name)
            },
            Miss::NameTooLong,
        ),
        miss(
            "a name that runs past the datagram",
            frame(&query[..20]),
            Miss::Truncated,
        ),
        miss(
            "a question without type",
            frame(&query[..query.len() - 4]),
            Miss::Truncated,
        ),
        miss(
            "a question without class",
            frame(&query[..query.len() - 2]),
            Miss::Truncated,
        ),
        miss(
            "a question completed only by padding",
            {
                // IPv4 and UDP end inside the question; what follows is padding of the frame.
                let mut padded = frame(&query[..query.len() - 2]);
                padded.extend_from_slice(&[0, 1]);
                padded
            },
            Miss::Truncated,
        ),
        miss(
            "octets behind the question",
            extended(a_query(NGINX), b"x"),
            Miss::TrailingOctets,
        ),
        miss("class CHAOS", frame(&octets(&chaos)), Miss::Class),
    ]
}
