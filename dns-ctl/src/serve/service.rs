//! What happens to one message, whatever socket it came in by: read, decide, answer or forward, count.

use std::sync::Arc;

use arc_swap::ArcSwap;
use hickory_proto::{
    ProtoError,
    op::ResponseCode,
    rr::{Name, RecordType},
};

use super::{
    answer::{Answer, Cause, Decision, answer},
    arrival::Arrival,
    authority::Authority,
    compose,
    direct::Direct,
    plain::Plain,
    request::{Request, Unreadable},
    resolve::{Client, Question, Resolver, Response},
};
use crate::{
    metrics::{
        Metrics, Reply,
        label::{Area, QueryType, Rcode},
    },
    zone::Zone,
};

/// Everything that an answer depends on, shared by all sockets.
#[derive(Debug)]
pub struct Service {
    /// The zone as last published.
    pub zone: Arc<ArcSwap<Zone>>,
    /// What is answered for, and how.
    pub authority: Authority,
    /// Where other names are asked.
    pub resolver: Arc<Resolver>,
    /// Where replies are counted.
    pub metrics: Arc<Metrics>,
}

/// What to do with a message.
#[derive(Debug)]
pub(super) enum Action {
    /// Nothing: it deserves no reply.
    Ignore,
    /// Send the reply, which has been appended.
    Reply,
    /// Ask the upstreams with [`Service::resolve`].
    Wait(Box<Pending>),
}

/// A request that upstreams have to be asked for.
#[derive(Debug)]
pub(super) struct Pending {
    request: Request,
    /// Of an alias out of the cluster: the answer up to it, and its target.
    alias: Option<(Answer, Name)>,
}

impl Service {
    /// Takes a message as far as it goes without waiting; a reply is appended to `replies`.
    pub(super) fn handle(&self, message: &[u8], arrival: Arrival, replies: &mut Vec<u8>) -> Action {
        if let Some(plain) = Plain::read(message)
            && self.answer_plain(&plain, arrival, replies).is_some()
        {
            return Action::Reply;
        }
        let request = match Request::read(message) {
            Ok(request) => request,
            Err(unreadable) => return self.complain(unreadable, arrival, replies),
        };
        match answer(&request, &self.zone.load(), &self.authority) {
            Decision::Reply(answer) => {
                let area = if answer.in_cluster {
                    Area::Cluster
                } else {
                    Area::Outside
                };
                self.reply(&request, answer, area, arrival, replies)
            }
            Decision::Forward => self.outside(message, request, arrival, replies),
            Decision::Follow(answer, target) => {
                self.follow(message, request, (answer, target), arrival, replies)
            }
        }
    }

    /// The reply to a plain query, if it is a common one; `None` if it takes the long way.
    fn answer_plain(
        &self,
        plain: &Plain<'_>,
        arrival: Arrival,
        replies: &mut Vec<u8>,
    ) -> Option<()> {
        let limit = arrival.limit(plain.udp_limit()).into();
        let located = self.authority.locate_wire(plain.name());
        let (area, rcode) = if let Some((origin, relative)) = located {
            let direct = Direct {
                query: plain,
                origin,
                relative,
                zone: &self.zone.load(),
                authority: &self.authority,
                limit,
            };
            (Area::Cluster, direct.write(replies)?)
        } else {
            let dnssec_ok = plain.edns.is_some_and(|edns| edns.dnssec_ok);
            let question = Question::read(plain.question, dnssec_ok)?;
            let client = Client::new(plain.question, plain.edns, limit)?;
            // A probe of ours is never kept.
            let response = self.resolver.cached(&question)?;
            response.write(&client, replies);
            (Area::Outside, response.rcode())
        };
        self.count(arrival, area, Some(plain.query_type), rcode);
        Some(())
    }

    /// Answers from the cache, if that has it.
    fn outside(
        &self,
        message: &[u8],
        request: Request,
        arrival: Arrival,
        replies: &mut Vec<u8>,
    ) -> Action {
        let Some((question, client)) = parts(message, &request, arrival) else {
            return Action::Ignore;
        };
        if self.resolver.is_own_probe(question.name()) {
            // Whoever passed it on may stop here.
            let answer = Answer {
                rcode: ResponseCode::Refused,
                ..Answer::default()
            };
            return self.reply(&request, answer, Area::Outside, arrival, replies);
        }
        match self.resolver.cached(&question) {
            Some(response) => {
                self.pass_on(&response, &client, &request, arrival, replies);
                Action::Reply
            }
            None => Action::Wait(Box::new(Pending {
                request,
                alias: None,
            })),
        }
    }

    /// Adds what the cache has of an alias' target. Without upstreams the alias is all there is to say.
    fn follow(
        &self,
        message: &[u8],
        request: Request,
        (answer, target): (Answer, Name),
        arrival: Arrival,
        replies: &mut Vec<u8>,
    ) -> Action {
        if !self.resolver.has_upstreams() {
            return self.reply(&request, answer, Area::Cluster, arrival, replies);
        }
        let Some((question, _)) = parts(message, &request, arrival) else {
            return Action::Ignore;
        };
        match self
            .resolver
            .cached(&question.about(&target, request.query.query_type))
        {
            Some(response) => {
                let answer = completed(answer, &response);
                self.reply(&request, answer, Area::Cluster, arrival, replies)
            }
            None => Action::Wait(Box::new(Pending {
                request,
                alias: Some((answer, target)),
            })),
        }
    }

    /// The reply to `message` once the upstreams have been asked; `None` if none can be composed.
    pub(super) async fn resolve(
        &self,
        message: &[u8],
        pending: Box<Pending>,
        arrival: Arrival,
    ) -> Option<Vec<u8>> {
        let Pending { request, alias } = *pending;
        let (question, client) = parts(message, &request, arrival)?;
        let (answer, area) = match alias {
            Some((answer, target)) => {
                let question = question.about(&target, request.query.query_type);
                let answer = match self.resolver.resolve(&question).await {
                    Ok(response) => completed(answer, &response),
                    Err(cause) => failed(cause),
                };
                (answer, Area::Cluster)
            }
            None => match self.resolver.resolve(&question).await {
                Ok(response) => {
                    let mut reply = Vec::new();
                    self.pass_on(&response, &client, &request, arrival, &mut reply);
                    return Some(reply);
                }
                Err(cause) => (failed(cause), Area::Outside),
            },
        };
        self.compose(&request, answer, area, arrival)
    }

    fn pass_on(
        &self,
        response: &Response,
        client: &Client<'_>,
        request: &Request,
        arrival: Arrival,
        replies: &mut Vec<u8>,
    ) {
        self.count(
            arrival,
            Area::Outside,
            Some(request.query.query_type),
            response.rcode(),
        );
        response.write(client, replies);
    }

    fn reply(
        &self,
        request: &Request,
        answer: Answer,
        area: Area,
        arrival: Arrival,
        replies: &mut Vec<u8>,
    ) -> Action {
        append(self.compose(request, answer, area, arrival), replies)
    }

    fn compose(
        &self,
        request: &Request,
        answer: Answer,
        area: Area,
        arrival: Arrival,
    ) -> Option<Vec<u8>> {
        self.count(arrival, area, Some(request.query.query_type), answer.rcode);
        composed(compose::compose(request, answer, limit(request, arrival)))
    }

    fn complain(&self, unreadable: Unreadable, arrival: Arrival, replies: &mut Vec<u8>) -> Action {
        match unreadable {
            Unreadable::Ignore => {
                self.metrics.malformed();
                Action::Ignore
            }
            Unreadable::Tell {
                id,
                op_code,
                recursion_desired,
                rcode,
            } => {
                if rcode == ResponseCode::FormErr {
                    self.metrics.malformed();
                }
                self.count(arrival, Area::Unknown, None, rcode);
                let bytes = compose::bare(id, op_code, recursion_desired, rcode);
                append(composed(bytes), replies)
            }
            Unreadable::Version(request) => {
                let answer = Answer {
                    rcode: ResponseCode::BADVERS,
                    ..Answer::default()
                };
                self.reply(&request, answer, Area::Unknown, arrival, replies)
            }
        }
    }

    fn count(
        &self,
        arrival: Arrival,
        area: Area,
        query_type: Option<RecordType>,
        rcode: ResponseCode,
    ) {
        self.metrics.replied(Reply {
            transport: arrival.transport,
            after: arrival.at.elapsed(),
            area,
            query_type: query_type.map_or(QueryType::Other, type_label),
            rcode: rcode_label(rcode),
        });
    }
}

fn append(reply: Option<Vec<u8>>, replies: &mut Vec<u8>) -> Action {
    match reply {
        Some(bytes) => {
            replies.extend_from_slice(&bytes);
            Action::Reply
        }
        None => Action::Ignore,
    }
}

fn failed(cause: Cause) -> Answer {
    Answer {
        rcode: ResponseCode::ServFail,
        cause: Some(cause),
        ..Answer::default()
    }
}

/// The answer up to an alias, with the upstreams' word on its target: code, answers, and the reason for
/// having none (RFC 2308, section 2.1).
fn completed(mut answer: Answer, response: &Response) -> Answer {
    match response.to_message() {
        Ok(message) if !response.is_failure() => {
            answer.rcode = message.metadata.response_code;
            answer.answers.extend(message.answers);
            answer.authorities = message.authorities;
            answer
        }
        _ => failed(Cause::Unreachable),
    }
}

/// What is asked, and what the reply takes from the message; a request that was read has both.
fn parts<'m>(
    message: &'m [u8],
    request: &Request,
    arrival: Arrival,
) -> Option<(Question, Client<'m>)> {
    let dnssec_ok = request.edns.is_some_and(|edns| edns.dnssec_ok);
    let question = Question::read(message, dnssec_ok)?;
    let client = Client::new(message, request.edns, limit(request, arrival).into())?;
    Some((question, client))
}

/// The largest reply for this client.
fn limit(request: &Request, arrival: Arrival) -> u16 {
    arrival.limit(request.udp_limit())
}

fn composed(bytes: Result<Vec<u8>, ProtoError>) -> Option<Vec<u8>> {
    bytes
        .inspect_err(|error| tracing::warn!(%error, "a reply could not be composed"))
        .ok()
}

const fn type_label(query_type: RecordType) -> QueryType {
    match query_type {
        RecordType::A => QueryType::A,
        RecordType::AAAA => QueryType::Aaaa,
        RecordType::ANY => QueryType::Any,
        RecordType::CNAME => QueryType::Cname,
        RecordType::HTTPS => QueryType::Https,
        RecordType::MX => QueryType::Mx,
        RecordType::NS => QueryType::Ns,
        RecordType::PTR => QueryType::Ptr,
        RecordType::SOA => QueryType::Soa,
        RecordType::SRV => QueryType::Srv,
        RecordType::TXT => QueryType::Txt,
        _ => QueryType::Other,
    }
}

const fn rcode_label(rcode: ResponseCode) -> Rcode {
    match rcode {
        ResponseCode::NoError => Rcode::NoError,
        ResponseCode::FormErr => Rcode::FormErr,
        ResponseCode::ServFail => Rcode::ServFail,
        ResponseCode::NXDomain => Rcode::NxDomain,
        ResponseCode::NotImp => Rcode::NotImp,
        ResponseCode::Refused => Rcode::Refused,
        ResponseCode::BADVERS => Rcode::BadVers,
        _ => Rcode::Other,
    }
}
