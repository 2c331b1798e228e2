//! What happens to one message, whatever socket it came in by: read, decide, answer or forward, count.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use hickory_proto::{ProtoError, op::ResponseCode, rr::RecordType};

use super::{
    answer::{Answer, Authority, Decision, answer},
    compose,
    forward::Forwarder,
    request::{Request, Unreadable},
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
    pub forwarder: Forwarder,
    /// Where replies are counted.
    pub metrics: Arc<Metrics>,
}

/// What to do with a message.
#[derive(Debug)]
pub(super) enum Action {
    /// Nothing: it deserves no reply.
    Ignore,
    /// Send these bytes.
    Reply(Vec<u8>),
    /// Ask the upstreams with [`Service::forward`].
    Forward(Request),
}

impl Service {
    /// Takes a message as far as it goes without waiting.
    pub(super) fn handle(&self, message: &[u8], transport: Transport) -> Action {
        let request = match Request::read(message) {
            Ok(request) => request,
            Err(unreadable) => return self.complain(unreadable, transport),
        };
        match answer(&request, &self.zone.load(), &self.authority, serial()) {
            Decision::Reply(answer) => {
                let area = if answer.in_cluster {
                    Area::Cluster
                } else {
                    Area::Outside
                };
                self.reply(&request, answer, area, transport)
            }
            Decision::Forward => Action::Forward(request),
        }
    }

    /// The upstreams' reply to `message`, of which `request` was read; `None` if none can be composed.
    pub(super) async fn forward(
        &self,
        message: &[u8],
        request: Request,
        transport: Transport,
    ) -> Option<Vec<u8>> {
        match self.forwarder.forward(message, transport).await {
            Ok(reply) => {
                let rcode = ResponseCode::from_low(reply.get(3)? & 0x0F);
                self.count(
                    transport,
                    Area::Outside,
                    Some(request.query.query_type),
                    rcode,
                );
                if reply.len() <= limit(&request, transport) {
                    return Some(reply);
                }
                composed(compose::truncated(&request, self.authority.recursion()))
            }
            Err(cause) => {
                let answer = Answer {
                    rcode: ResponseCode::ServFail,
                    cause: Some(cause),
                    ..Answer::default()
                };
                match self.reply(&request, answer, Area::Outside, transport) {
                    Action::Reply(bytes) => Some(bytes),
                    Action::Ignore | Action::Forward(_) => None,
                }
            }
        }
    }

    fn reply(&self, request: &Request, answer: Answer, area: Area, transport: Transport) -> Action {
        self.count(
            transport,
            area,
            Some(request.query.query_type),
            answer.rcode,
        );
        let limit = u16::try_from(limit(request, transport)).unwrap_or(u16::MAX);
        let bytes = compose::compose(request, answer, self.authority.recursion(), limit);
        composed(bytes).map_or(Action::Ignore, Action::Reply)
    }

    fn complain(&self, unreadable: Unreadable, transport: Transport) -> Action {
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
                self.count(transport, Area::Unknown, None, rcode);
                composed(compose::bare(id, op_code, recursion_desired, rcode))
                    .map_or(Action::Ignore, Action::Reply)
            }
            Unreadable::Version(request) => {
                let answer = Answer {
                    rcode: ResponseCode::BADVERS,
                    ..Answer::default()
                };
                self.reply(&request, answer, Area::Unknown, transport)
            }
        }
    }

    fn count(
        &self,
        transport: Transport,
        area: Area,
        query_type: Option<RecordType>,
        rcode: ResponseCode,
    ) {
        self.metrics.replied(Reply {
            transport,
            area,
            query_type: query_type.map_or(QueryType::Other, type_label),
            rcode: rcode_label(rcode),
        });
    }
}

/// The zone's serial number: seconds since 1970. No secondary follows this zone; it only has to grow.
fn serial() -> u32 {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    // Serial numbers wrap (RFC 1982).
    u32::try_from(seconds % (1 << 32)).unwrap_or(0)
}

/// The largest reply for this client.
fn limit(request: &Request, transport: Transport) -> usize {
    match transport {
        Transport::Udp => usize::from(request.udp_limit()),
        Transport::Tcp => usize::from(u16::MAX),
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
