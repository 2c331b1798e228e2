//! How an upstream can misbehave, and what its clients may hope for meanwhile.

use hickory_proto::op::ResponseCode;
use testbed::{Datagram, Form, Source, Stream};

use crate::LATE;

/// What a client may hope for while the only upstream behaves like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hope {
    /// A right answer.
    Answer,
    /// An error.
    Failure,
    /// Either, but no lie.
    Either,
}

/// How an upstream behaves.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// `None`: there is no server.
    pub(crate) behaviour: Option<(Vec<Datagram>, Stream)>,
    pub(crate) hope: Hope,
}

impl Case {
    /// Whether a client that gets no answer may be told this: SERVFAIL, or the upstream's own word.
    pub(crate) fn may_say(&self, rcode: ResponseCode) -> bool {
        let own = self.behaviour.iter().flat_map(|(datagrams, _)| datagrams);
        let own = own.filter_map(|datagram| match datagram.form {
            Form::Error(code) => Some(ResponseCode::from_low(code)),
            _ => None,
        });
        own.chain([ResponseCode::ServFail]).any(|own| own == rcode)
    }
}

/// Nobody is there, or nobody speaks in time, or refuses.
pub(crate) fn mute() -> Vec<Case> {
    use Hope::Failure;
    let datagrams = |name, datagrams| Case {
        name,
        behaviour: Some((datagrams, Stream::Mute)),
        hope: Failure,
    };
    vec![
        Case {
            name: "nothing listens",
            behaviour: None,
            hope: Failure,
        },
        datagrams("a black hole", Vec::new()),
        datagrams("an answer that comes too late", vec![late(Form::Truth)]),
        over_udp("SERVFAIL only", &[Form::Error(2)], Failure),
        over_udp("REFUSED only", &[Form::Error(5)], Failure),
        over_udp("FORMERR only", &[Form::Error(1)], Failure),
        over_udp("NOTIMP only", &[Form::Error(4)], Failure),
    ]
}

/// Replies to another query, or to none: they are not even looked at.
const STRAY: [(&str, Form); 8] = [
    ("another id", Form::OtherId),
    ("another name", Form::OtherName),
    ("another type", Form::OtherType),
    ("a query", Form::NotAResponse),
    ("another operation", Form::OtherOperation),
    ("no question", Form::NoQuestion),
    ("nothing", Form::Cut(0)),
    ("half a header", Form::Cut(5)),
];

/// Stray replies only; then the same, each followed by the answer, which has to be waited for.
pub(crate) fn stray() -> Vec<Case> {
    let mut cases: Vec<_> = STRAY
        .into_iter()
        .map(|(name, form)| over_udp(name, &[form], Hope::Failure))
        .collect();
    let all = STRAY.map(|(_, form)| form);
    let then_truth = [&all[..], &[Form::Truth]].concat();
    cases.push(over_udp(
        "all of these before the answer",
        &then_truth,
        Hope::Answer,
    ));
    cases
}

/// The lie itself, from elsewhere: only its source tells it from an answer of the upstream.
pub(crate) fn elsewhere() -> Vec<Case> {
    let (port, address) = (Source::OtherPort, Source::NextAddress);
    let case = |name, source, truth: &[Form], hope| {
        let mut datagrams = vec![from(source, Form::Lie)];
        datagrams.extend(truth.iter().cloned().map(Datagram::new));
        Case {
            name,
            behaviour: Some((datagrams, Stream::Mute)),
            hope,
        }
    };
    vec![
        case("another port", port, &[], Hope::Failure),
        case("another address", address, &[], Hope::Failure),
        case(
            "another port, then the answer",
            port,
            &[Form::Truth],
            Hope::Answer,
        ),
        case(
            "another address, then the answer",
            address,
            &[Form::Truth],
            Hope::Answer,
        ),
    ]
}

/// Replies to the very query that can't be read, or should not be believed.
pub(crate) fn broken() -> Vec<Case> {
    use Hope::{Answer, Either, Failure};
    let mut cases = Vec::new();
    for (name, form) in [
        ("counts that lie", Form::CountsLie),
        ("a pointer to itself", Form::PointerLoop),
        ("a pointer behind the end", Form::PointerBeyond),
        ("data behind the end", Form::DataBeyond),
        ("an address of three octets", Form::ShortAddress),
        ("a reply that is cut", Form::Cut(30)),
    ] {
        let stream = Stream::Reply(form.clone());
        cases.push(case(name, std::slice::from_ref(&form), stream, Failure));
    }
    cases.push(over_udp("6,000 octets over UDP", &[Form::Large], Either));
    let unasked = Form::Unasked("later.example.");
    cases.push(over_udp("records nobody asked for", &[unasked], Answer));
    cases
}

/// A truncated reply, and TCP that does not help, or hardly.
pub(crate) fn truncated() -> Vec<Case> {
    use Hope::{Answer, Failure};
    vec![
        over_tcp(
            "truncated, right over TCP",
            Stream::Reply(Form::Truth),
            Answer,
        ),
        over_tcp("truncated, TCP closes", Stream::Close, Failure),
        over_tcp("truncated, TCP closes half-way", Stream::Half, Failure),
        over_tcp("truncated, a length that lies", Stream::Overlong, Failure),
        over_tcp("truncated, TCP is mute", Stream::Mute, Failure),
        over_tcp("truncated, TCP drips", Stream::Drip(LATE / 10), Failure),
        over_tcp(
            "truncated, another id over TCP",
            Stream::Reply(Form::OtherId),
            Failure,
        ),
        over_tcp(
            "truncated, another name over TCP",
            Stream::Reply(Form::OtherName),
            Failure,
        ),
        over_tcp(
            "truncated, truncated over TCP",
            Stream::Reply(Form::Truncated),
            Failure,
        ),
    ]
}

fn case(name: &'static str, datagrams: &[Form], stream: Stream, hope: Hope) -> Case {
    let datagrams = datagrams.iter().cloned().map(Datagram::new).collect();
    Case {
        name,
        behaviour: Some((datagrams, stream)),
        hope,
    }
}

/// Over UDP this, over TCP the honest answer.
fn over_udp(name: &'static str, datagrams: &[Form], hope: Hope) -> Case {
    case(name, datagrams, Stream::Reply(Form::Truth), hope)
}

/// Over UDP what sends clients to TCP, and there this.
fn over_tcp(name: &'static str, stream: Stream, hope: Hope) -> Case {
    case(name, &[Form::Truncated], stream, hope)
}

fn late(form: Form) -> Datagram {
    Datagram {
        delay: LATE,
        ..Datagram::new(form)
    }
}

fn from(source: Source, form: Form) -> Datagram {
    Datagram {
        source,
        ..Datagram::new(form)
    }
}
