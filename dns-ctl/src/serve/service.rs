//! What happens to one message, whatever socket it came in by: read, decide, answer or forward, count.

use std::{sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use hickory_proto::{
    ProtoError,
    op::ResponseCode,
    rr::{Name, RecordType},
};

use super::{
    answer::{Answer, Cause, Decision, answer},
    authority::Authority,
    compose,
    request::{Request, Unreadable},
    resolve::{Client, Question, Resolver, Response},
};
use crate::{
    metrics::{
        Metrics, Reply,
        label::{Area, QueryType, Rcode, Transport},
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

/// How and when a message came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    transport: Transport,
    at: Instant,
}

impl Arrival {
    /// Of a message that has just been read.
    pub(super) fn by(transport: Transport) -> Self {
        let at = Instant::now();
        Self { transport, at }
    }
}

/// What to do with a message.
#[derive(Debug)]
pub(super) enum Action {
    /// Nothing: it deserves no reply.
    Ignore,
    /// Send these bytes.
    Reply(Vec<u8>),
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
    /// Takes a message as far as it goes without waiting.
    pub(super) fn handle(&self, message: &[u8], arrival: Arrival) -> Action {
        let request = match Request::read(message) {
            Ok(request) => request,
            Err(unreadable) => return self.complain(unreadable, arrival),
        };
        match answer(&request, &self.zone.load(), &self.authority) {
            Decision::Reply(answer) => {
                let area = if answer.in_cluster {
                    Area::Cluster
                } else {
                    Area::Outside
                };
                self.reply(&request, answer, area, arrival)
            }
            Decision::Forward => self.outside(message, request, arrival),
            Decision::Follow(answer, target) => {
                self.follow(message, request, answer, target, arrival)
            }
        }
    }

    /// Answers from the cache, if that has it.
    fn outside(&self, message: &[u8], request: Request, arrival: Arrival) -> Action {
        let Some((question, client)) = parts(message, &request, arrival) else {
            return Action::Ignore;
        };
        if self.resolver.is_own_probe(question.name()) {
            // Whoever passed it on may stop here.
            let answer = Answer {
                rcode: ResponseCode::Refused,
                ..Answer::default()
            };
            return self.reply(&request, answer, Area::Outside, arrival);
        }
        match self.resolver.cached(&question) {
            Some(response) => Action::Reply(self.pass_on(&response, &client, &request, arrival)),
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
        answer: Answer,
        target: Name,
        arrival: Arrival,
    ) -> Action {
        if !self.resolver.has_upstreams() {
            return self.reply(&request, answer, Area::Cluster, arrival);
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
                self.reply(&request, answer, Area::Cluster, arrival)
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
                    return Some(self.pass_on(&response, &client, &request, arrival));
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
    ) -> Vec<u8> {
        self.count(
            arrival,
            Area::Outside,
            Some(request.query.query_type),
            response.rcode(),
        );
        response.write(client)
    }

    fn reply(&self, request: &Request, answer: Answer, area: Area, arrival: Arrival) -> Action {
        let bytes = self.compose(request, answer, area, arrival);
        bytes.map_or(Action::Ignore, Action::Reply)
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

    fn complain(&self, unreadable: Unreadable, arrival: Arrival) -> Action {
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
                composed(compose::bare(id, op_code, recursion_desired, rcode))
                    .map_or(Action::Ignore, Action::Reply)
            }
            Unreadable::Version(request) => {
                let answer = Answer {
                    rcode: ResponseCode::BADVERS,
                    ..Answer::default()
                };
                self.reply(&request, answer, Area::Unknown, arrival)
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
    match arrival.transport {
        Transport::Udp => request.udp_limit(),
        Transport::Tcp => u16::MAX,
    }
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
