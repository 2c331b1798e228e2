//! Every query once, each answer looked at record by record: what is measured has to be right, and is cached then.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use hickory_proto::op::{Message, ResponseCode};
use testbed::{Namespace, UdpClient, interrupt};

use super::{
    bed::Subject,
    workload::{Expected, Query, Workload},
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks all queries; an error with the first answer that is wrong.
pub(super) fn verify(namespace: &Namespace, subject: &Subject, workload: &Workload) -> Result<()> {
    answers(namespace, subject.address, workload).with_context(|| subject.label.clone())
}

/// As [`verify`], of a server at this address.
pub(crate) fn answers(
    namespace: &Namespace,
    server: SocketAddr,
    workload: &Workload,
) -> Result<()> {
    let client = UdpClient::bind(namespace, (Ipv4Addr::UNSPECIFIED, 0).into())?;
    // Their low sixteen bits serve as the messages' numbers.
    for (id, query) in (0..=u16::MAX).cycle().zip(&workload.queries) {
        interrupt::check()?;
        ask(&client, server, id, query)
            .with_context(|| format!("{} {}", query.name, query.record_type))?;
    }
    Ok(())
}

fn ask(client: &UdpClient, server: SocketAddr, id: u16, query: &Query) -> Result<()> {
    let message = testbed::query(id, &query.name, query.record_type)?;
    client.send(server, &message)?;
    let reply = client.receive(PATIENCE)?;
    let reply = reply.with_context(|| format!("no answer within {PATIENCE:?}"))?;
    let reply = Message::from_vec(&reply.bytes)?;
    ensure!(reply.metadata.id == id, "an answer to another query");
    check(&query.expected, &reply)
}

/// An error unless the reply is what is expected.
fn check(expected: &Expected, reply: &Message) -> Result<()> {
    let (rcode, data) = match expected {
        Expected::Records(data) => (ResponseCode::NoError, data.as_slice()),
        Expected::NoSuchName => (ResponseCode::NXDomain, [].as_slice()),
    };
    let said = reply.metadata.response_code;
    ensure!(said == rcode, "{said} instead of {rcode}");
    let answers: Vec<_> = reply.answers.iter().map(|record| &record.data).collect();
    if answers.len() != data.len() || !data.iter().all(|data| answers.contains(&data)) {
        bail!("the answers are {answers:?} instead of {data:?}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hickory_proto::{
        op::OpCode,
        rr::{Name, RData, Record, rdata::A},
    };

    use super::*;

    fn data(last: u8) -> RData {
        RData::A(A(Ipv4Addr::new(192, 0, 2, last)))
    }

    fn reply(rcode: ResponseCode, answers: &[u8]) -> Message {
        let mut reply = Message::response(1, OpCode::Query);
        reply.metadata.response_code = rcode;
        let records = answers
            .iter()
            .map(|&last| Record::from_rdata(Name::root(), 5, data(last)));
        reply.add_answers(records);
        reply
    }

    #[test]
    fn wrong_answers_are_noticed() {
        let two = Expected::Records(vec![data(1), data(2)]);
        let none = Expected::Records(Vec::new());
        let (good, denied) = (ResponseCode::NoError, ResponseCode::NXDomain);
        for (expected, reply) in [
            (&two, reply(good, &[2, 1])),
            (&none, reply(good, &[])),
            (&Expected::NoSuchName, reply(denied, &[])),
        ] {
            check(expected, &reply).unwrap();
        }
        for (expected, reply) in [
            (&two, reply(good, &[1])),
            (&two, reply(good, &[1, 3])),
            (&two, reply(good, &[1, 2, 3])),
            (&two, reply(denied, &[1, 2])),
            (&none, reply(good, &[1])),
            (&none, reply(denied, &[])),
            (&Expected::NoSuchName, reply(good, &[])),
        ] {
            assert!(check(expected, &reply).is_err(), "{expected:?} {reply}");
        }
    }
}
