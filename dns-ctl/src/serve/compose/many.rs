//! Composes messages of many records.
//!
//! The library's encoder compresses only about the first hundred names of a message and writes all others out, so
//! that a Service of a thousand endpoints would not fit into a message. Here every owner name ends in a pointer
//! into the question, which costs two octets for most; names inside of record data are written out, as those of
//! SRV records have to be (RFC 2782).

use std::iter;

use hickory_proto::{
    ProtoError,
    op::{Message, emit_message_parts},
    rr::{Name, Record},
    serialize::binary::{BinEncodable as _, BinEncoder, NameEncoding},
};

/// Length of a message's header (RFC 1035, section 4.1.1), behind which the question's name stands.
const HEADER: usize = 12;
/// The flag of a message that is not whole, in its third octet.
const TC: u8 = 0x02;

/// The message, or as many of its records as fit into `limit` octets, with TC if some are left out.
pub(super) fn encode(message: &Message, limit: usize) -> Result<Vec<u8>, ProtoError> {
    let mut bytes = Vec::with_capacity(limit.min(16_384));
    let none = iter::empty::<&Record>;
    emit_message_parts(
        &message.metadata,
        &mut message.queries.iter(),
        &mut none(),
        &mut none(),
        &mut none(),
        None,
        None,
        &mut BinEncoder::new(&mut bytes),
    )?;
    let question = message.queries.first().map(|query| &query.name);
    let opt = match &message.edns {
        Some(edns) => Record::from(edns).to_bytes()?,
        None => Vec::new(),
    };
    let room = limit.saturating_sub(opt.len());
    let sections = [&message.answers, &message.authorities, &message.additionals];
    let mut counts = [0_u16; 3];
    'all: for (section, count) in sections.into_iter().zip(&mut counts) {
        for record in section {
            let before = bytes.len();
            write(record, question, &mut bytes)?;
            if bytes.len() > room {
                bytes.truncate(before);
                bytes[2] |= TC;
                break 'all;
            }
            *count += 1;
        }
    }
    bytes.extend_from_slice(&opt);
    counts[2] += u16::from(!opt.is_empty());
    for (at, count) in (6..).step_by(2).zip(counts) {
        bytes[at..at + 2].copy_from_slice(&count.to_be_bytes());
    }
    Ok(bytes)
}

/// Appends one record.
fn write(record: &Record, question: Option<&Name>, bytes: &mut Vec<u8>) -> Result<(), ProtoError> {
    write_owner(&record.name, question, bytes);
    bytes.extend_from_slice(&u16::from(record.record_type()).to_be_bytes());
    bytes.extend_from_slice(&u16::from(record.dns_class).to_be_bytes());
    bytes.extend_from_slice(&record.ttl.to_be_bytes());
    let mut data = Vec::with_capacity(64);
    let mut encoder = BinEncoder::new(&mut data);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    record.data.emit(&mut encoder)?;
    let length = u16::try_from(data.len())
        .map_err(|_| ProtoError::from("the data of a record is too long"))?;
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&data);
    Ok(())
}

/// Appends the labels of `owner` that the question's name does not end in, and a pointer to the others.
fn write_owner(owner: &Name, question: Option<&Name>, bytes: &mut Vec<u8>) {
    let labels: Vec<&[u8]> = owner.iter().collect();
    let asked: Vec<&[u8]> = question.into_iter().flat_map(Name::iter).collect();
    let common = iter::zip(labels.iter().rev(), asked.iter().rev())
        .take_while(|(own, asked)| own.eq_ignore_ascii_case(asked))
        .count();
    for label in &labels[..labels.len() - common] {
        // A label has at most 63 octets.
        bytes.push(u8::try_from(label.len()).unwrap_or(0));
        bytes.extend_from_slice(label);
    }
    if common == 0 {
        bytes.push(0);
        return;
    }
    let before: usize = asked[..asked.len() - common]
        .iter()
        .map(|label| label.len() + 1)
        .sum();
    // A name has 255 octets at most, so the offset fits into 14 bits.
    let pointer = 0xC000 | u16::try_from(HEADER + before).unwrap_or(0);
    bytes.extend_from_slice(&pointer.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::{
        op::{Edns, OpCode, Query},
        rr::{
            RData, RecordType,
            rdata::{A, SRV},
        },
    };

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn message(asked: &str) -> Message {
        let mut message = Message::response(7, OpCode::Query);
        message.add_query(Query::query(name(asked), RecordType::SRV));
        message
    }

    #[test]
    fn the_library_reads_what_is_written() {
        let mut message = message("_P._tcp.db.x.svc.cluster.local.");
        message.edns = Some(Edns::new());
        for (owner, address) in [
            ("_p._tcp.db.x.svc.cluster.local.", 1),
            ("h.db.x.svc.Cluster.local.", 2),
            ("cluster.local.", 3),
            ("example.com.", 4),
            (".", 5),
        ] {
            let data = RData::A(A(Ipv4Addr::new(10, 0, 0, address)));
            message
                .answers
                .push(Record::from_rdata(name(owner), 5, data.clone()));
            message
                .additionals
                .push(Record::from_rdata(name(owner), 5, data));
        }
        let srv = RData::SRV(SRV::new(0, 1, 80, name("h.db.x.svc.cluster.local.")));
        let owner = name("_p._tcp.db.x.svc.cluster.local.");
        message.authorities.push(Record::from_rdata(owner, 5, srv));

        let bytes = encode(&message, 65_535).unwrap();
        let read = Message::from_vec(&bytes).unwrap();
        assert!(!read.metadata.truncation);
        assert_eq!(read.answers, message.answers);
        assert_eq!(read.authorities, message.authorities);
        assert_eq!(read.additionals, message.additionals);
        assert!(read.edns.is_some());
    }

    #[test]
    fn a_thousand_records_cost_sixteen_octets_each() {
        let asked = format!("{}.x.svc.cluster.local.", "a".repeat(63));
        let mut message = message(&asked);
        for number in 0..1000 {
            let data = RData::A(A(Ipv4Addr::from_bits(number)));
            message
                .answers
                .push(Record::from_rdata(name(&asked), 5, data));
        }
        let bytes = encode(&message, 65_535).unwrap();
        let before = 12 + asked.len() + 1 + 4;
        assert_eq!(bytes.len(), before + 16_000);
        let cut = encode(&message, 1232).unwrap();
        let read = Message::from_vec(&cut).unwrap();
        assert!(read.metadata.truncation && cut.len() <= 1232);
        assert_eq!(read.answers, message.answers[..(1232 - before) / 16]);
    }
}
