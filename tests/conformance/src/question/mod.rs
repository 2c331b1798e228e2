//! Questions about a cluster: names that exist, names that nearly do, and names that nobody ever thought of.

mod generate;
mod spoil;

use std::fmt;

use hickory_proto::rr::{Name, RecordType};

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Why it is asked.
    pub kind: Kind,
    /// The name, in any case of letters.
    pub name: Name,
    /// The type.
    pub record_type: RecordType,
    /// How it is sent.
    pub transport: Transport,
}

/// How a question is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In a pipeline.
    Tcp,
    /// With EDNS; asked again over TCP if the answer is truncated.
    Udp,
}

/// Why a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The name of a Service, and an address.
    Service,
    /// The name of a Service, and its SRV records.
    ServiceSrv,
    /// `_port._protocol` of a Service.
    Port,
    /// The same, one underscore or both left out.
    PortBare,
    /// An alias.
    Alias,
    /// An endpoint's own name.
    Endpoint,
    /// A pod's name, of a pod that there is.
    Pod,
    /// A name of a pod that there may be.
    PodByRule,
    /// A name that nearly is a pod's.
    PodLike,
    /// A namespace below `svc` or `pod`.
    Namespace,
    /// The names that every zone has.
    Fixed,
    /// The reverse of a ClusterIP.
    ReverseService,
    /// The reverse of an endpoint's address.
    ReverseEndpoint,
    /// The reverse of any other address.
    ReverseOther,
    /// A name in a reverse zone that stands for no address.
    ReverseMalformed,
    /// A name that exists, one letter changed, too many or missing.
    Misspelt,
    /// A name that exists, with a label before it.
    Below,
    /// A name that exists, without one of its labels.
    Above,
    /// A name that exists, with two labels swapped.
    Swapped,
    /// The name that a slice would give to an endpoint if its Service existed.
    Stray,
    /// Any octets.
    Garbage,
    /// A name outside the cluster.
    Outside,
}

impl Kind {
    /// All kinds, with how often each is to be asked.
    pub const ALL: [(u32, Self); 22] = [
        (8, Self::Service),
        (6, Self::ServiceSrv),
        (6, Self::Port),
        (3, Self::PortBare),
        (6, Self::Alias),
        (8, Self::Endpoint),
        (2, Self::Pod),
        (2, Self::PodByRule),
        (2, Self::PodLike),
        (2, Self::Namespace),
        (3, Self::Fixed),
        (3, Self::ReverseService),
        (5, Self::ReverseEndpoint),
        (2, Self::ReverseOther),
        (2, Self::ReverseMalformed),
        (4, Self::Misspelt),
        (4, Self::Below),
        (3, Self::Above),
        (2, Self::Swapped),
        (2, Self::Stray),
        (3, Self::Garbage),
        (3, Self::Outside),
    ];
}

/// Record types that are asked for.
pub const TYPES: [RecordType; 12] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::SRV,
    RecordType::PTR,
    RecordType::CNAME,
    RecordType::TXT,
    RecordType::SOA,
    RecordType::NS,
    RecordType::MX,
    RecordType::HTTPS,
    RecordType::NAPTR,
    RecordType::ANY,
];

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        };
        let Self {
            kind,
            name,
            record_type,
            ..
        } = self;
        write!(f, "{name} IN {record_type} ({kind:?}, {transport})")
    }
}
