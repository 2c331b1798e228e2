//! A client that asks a server many questions: over TCP in a pipeline, over UDP one by one.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};

use crate::{question::Question, said::Said};

/// How long a server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many questions are sent in one connection: `CoreDNS` takes no more than 128.
const PIPELINE: usize = 100;
/// The size of datagrams that is offered to servers.
const PAYLOAD: u16 = 1232;

/// Asks one after the other over UDP; `None` for an answer that does not fit in a datagram.
pub fn over_udp(server: SocketAddr, questions: &[Question]) -> Result<Vec<Option<Said>>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let answers = questions.iter().enumerate().map(|(at, question)| {
        let answer = datagram(&socket, at, question)
            .with_context(|| format!("{question}: no answer of {server}"))?;
        Ok((!answer.metadata.truncation).then(|| Said::new(&answer)))
    });
    answers.collect()
}

/// Asks over TCP, many questions in one connection.
pub fn over_tcp(server: SocketAddr, questions: &[Question]) -> Result<Vec<Said>> {
    let parts = questions.chunks(PIPELINE).map(|part| {
        pipeline(server, part).with_context(|| format!("asking {server} over TCP failed"))
    });
    Ok(parts.collect::<Result<Vec<_>>>()?.concat())
}

fn datagram(socket: &UdpSocket, at: usize, question: &Question) -> Result<Message> {
    let mut query = query(at, question)?;
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD);
    query.set_edns(edns);
    socket.send(&query.to_vec()?)?;
    let mut buffer = [0; PAYLOAD as usize];
    let length = socket.recv(&mut buffer)?;
    let answer = Message::from_vec(&buffer[..length])?;
    ensure!(answer.edns.is_some(), "the answer is without EDNS");
    check(&query, &answer)?;
    Ok(answer)
}

/// Sends the questions, then reads as many answers, in whatever order they come.
fn pipeline(server: SocketAddr, questions: &[Question]) -> Result<Vec<Said>> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut octets = Vec::new();
    let mut waiting = BTreeMap::new();
    for (at, question) in questions.iter().enumerate() {
        let query = query(at, question)?;
        let message = query.to_vec()?;
        octets.extend(u16::try_from(message.len())?.to_be_bytes());
        octets.extend(message);
        waiting.insert(query.metadata.id, query);
    }
    stream.write_all(&octets)?;
    let mut answers = BTreeMap::new();
    while let Some((_, first)) = waiting.first_key_value() {
        let mut length = [0; 2];
        let mut message = Vec::new();
        stream
            .read_exact(&mut length)
            .and_then(|()| {
                message.resize(u16::from_be_bytes(length).into(), 0);
                stream.read_exact(&mut message)
            })
            .with_context(|| format!("no answer to {first}"))?;
        let answer = Message::from_vec(&message)?;
        let id = answer.metadata.id;
        let query = waiting.remove(&id).context("an answer to no question")?;
        check(&query, &answer)?;
        ensure!(!answer.metadata.truncation, "truncated: {answer}");
        answers.insert(id, Said::new(&answer));
    }
    Ok(answers.into_values().collect())
}

fn query(at: usize, question: &Question) -> Result<Message> {
    let mut message = Message::new(u16::try_from(at)?, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(question.name.clone(), question.record_type));
    Ok(message)
}

/// What every answer has in common with its query: it is one, and repeats the question, letter case included.
fn check(query: &Message, answer: &Message) -> Result<()> {
    let same = answer.metadata.id == query.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.metadata.recursion_desired
        && answer.queries.len() == 1
        && answer.queries[0].name().eq_case(query.queries[0].name())
        && answer.queries[0].query_type() == query.queries[0].query_type();
    ensure!(same, "not an answer to {query}: {answer}");
    Ok(())
}
