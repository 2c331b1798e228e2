//! What kxdpgun does not look at: whether the answers are right.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hickory_proto::{
    op::{Message, MessageType},
    rr::{RData, RecordType},
};
use testbed::UdpClient;

use super::{
    bed::SERVICE,
    names::{self, Kind},
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The octets of a question, all of a sort having as many.
pub(super) fn question_size(kind: Kind) -> Result<u64> {
    Ok(question(kind, 0)?.len().try_into()?)
}

/// Asks one question over a socket; gives the octets of the answer, or an error if that is wrong.
pub(super) fn ask(client: &UdpClient, kind: Kind, number: u32) -> Result<u64> {
    let name = kind.name(number);
    client.send(SERVICE, &question(kind, number)?)?;
    let reply = client.receive(PATIENCE)?;
    let reply = reply.with_context(|| format!("no answer about {name} within {PATIENCE:?}"))?;
    let message = Message::from_vec(&reply.bytes)?;
    check(&message, kind, number).with_context(|| format!("{name}: {message}"))?;
    Ok(reply.bytes.len().try_into()?)
}

fn question(kind: Kind, number: u32) -> Result<Vec<u8>> {
    let id = u16::try_from(number).context("there are more questions than identifiers")?;
    testbed::query(id, &kind.name(number), RecordType::A)
}

/// An error unless the message answers the question about this Service.
fn check(message: &Message, kind: Kind, number: u32) -> Result<()> {
    let head = &message.metadata;
    ensure!(
        u32::from(head.id) == number && head.message_type == MessageType::Response,
        "it answers another question"
    );
    let code = head.response_code;
    ensure!(code == kind.code(), "{code} instead of {}", kind.code());
    let data: Vec<_> = message.answers.iter().map(|record| &record.data).collect();
    match kind {
        Kind::A => {
            let address = RData::A(names::address(number).into());
            ensure!(data == [&address], "{data:?} instead of {address}");
        }
        Kind::Nxdomain => {
            let is_denied = matches!(
                message.authorities.as_slice(),
                [record] if record.record_type() == RecordType::SOA
            );
            ensure!(data.is_empty() && is_denied, "no denial by an SOA record");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hickory_proto::{
        op::{OpCode, ResponseCode},
        rr::{Name, Record, rdata::SOA},
    };

    use super::*;

    fn reply(id: u16, code: ResponseCode) -> Message {
        let mut reply = Message::response(id, OpCode::Query);
        reply.metadata.response_code = code;
        reply
    }

    #[test]
    fn wrong_answers_are_noticed() {
        let address = |number| {
            let data = RData::A(names::address(number).into());
            Record::from_rdata(Name::root(), 5, data)
        };
        let mut right = reply(7, ResponseCode::NoError);
        right.add_answer(address(7));
        check(&right, Kind::A, 7).unwrap();
        assert!(check(&right, Kind::A, 8).is_err());
        assert!(check(&right, Kind::Nxdomain, 7).is_err());
        right.add_answer(address(8));
        assert!(check(&right, Kind::A, 7).is_err());
    }

    #[test]
    fn a_denial_has_an_soa_record() {
        let mut denial = reply(7, ResponseCode::NXDomain);
        assert!(check(&denial, Kind::Nxdomain, 7).is_err());
        let soa = SOA::new(Name::root(), Name::root(), 1, 2, 3, 4, 5);
        denial.add_authority(Record::from_rdata(Name::root(), 5, RData::SOA(soa)));
        check(&denial, Kind::Nxdomain, 7).unwrap();
    }
}
