//! The DNS outside the cluster: names that both servers forward, and that aliases lead to.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr as _,
};

use hickory_proto::{
    op::ResponseCode,
    rr::{
        Name, RData, Record, RecordType,
        rdata::{MX, PTR, TXT},
    },
};
use testbed::{Reply, Table, Upstream};

use crate::{
    loopback,
    said::{Line, Said},
};

/// Names outside the cluster, some of which do not exist or can't be resolved.
pub const NAMES: [&str; 6] = [
    "www.example.org",
    "v6.example.org",
    "mail.example.org",
    "missing.example.org",
    "broken.example.org",
    "example.org",
];

/// An address outside the cluster that has a name.
pub const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);

/// The TTL of its records, and the SOA record in its denials.
const TTL: u32 = 30;
const SOA: &str = "a.root-servers.net. nstld.example.net. 0 1800 900 604800 30";

/// The name that cannot be resolved: the server for it has failed.
const BROKEN: &str = "broken.example.org";

const HOST_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x80);

/// Starts that DNS.
pub fn start() -> anyhow::Result<Upstream> {
    Upstream::start_here(loopback::own_address(), table())
}

/// What it knows: owners and data.
fn records() -> Vec<(Name, RData)> {
    let name = |text: &str| Name::from_str(text).expect("the upstream's names are names");
    let www = "www.example.org.";
    let text = TXT::new(vec!["v=spf1 -all".to_owned()]);
    [
        (www, RData::A(HOST.into())),
        (www, RData::A(Ipv4Addr::new(192, 0, 2, 81).into())),
        (www, RData::AAAA(HOST_V6.into())),
        ("v6.example.org.", RData::AAAA(HOST_V6.into())),
        ("mail.example.org.", RData::A(HOST.into())),
        ("80.2.0.192.in-addr.arpa.", RData::PTR(PTR(name(www)))),
        (
            "example.org.",
            RData::MX(MX::new(10, name("mail.example.org."))),
        ),
        ("example.org.", RData::TXT(text)),
    ]
    .map(|(owner, data)| (name(owner), data))
    .into()
}

/// The table that it answers from.
fn table() -> Table {
    let mut sets: BTreeMap<(Name, RecordType), Vec<RData>> = BTreeMap::new();
    for (owner, data) in records() {
        let set = sets.entry((owner, data.record_type())).or_default();
        set.push(data);
    }
    let sets = sets.into_iter();
    let table = sets.fold(Table::new(), |table, ((owner, record_type), data)| {
        table.reply(&owner.to_ascii(), record_type, Reply::Records(data))
    });
    let types = crate::question::TYPES.into_iter();
    types.fold(table, |table, record_type| {
        table.reply(BROKEN, record_type, Reply::ServFail)
    })
}

/// What it says, as a server passes it on.
#[must_use]
pub fn answer(name: &Name, record_type: RecordType) -> Said {
    let mut said = Said {
        rcode: ResponseCode::NoError,
        authoritative: false,
        answers: Vec::new(),
        authorities: Vec::new(),
        additionals: BTreeSet::new(),
    };
    if name.to_lowercase().to_ascii() == format!("{BROKEN}.") {
        said.rcode = ResponseCode::ServFail;
        return said;
    }
    let records = records();
    let at_name: Vec<_> = records.iter().filter(|(owner, _)| owner == name).collect();
    let of_type = at_name
        .iter()
        .filter(|(_, data)| data.record_type() == record_type);
    said.answers = of_type
        .map(|(_, data)| Line::new(&Record::from_rdata(name.clone(), TTL, data.clone())))
        .collect();
    said.answers.sort();
    if said.answers.is_empty() {
        said.authorities.push(Line {
            owner: ".".to_owned(),
            ttl: TTL,
            record_type: RecordType::SOA,
            data: SOA.to_owned(),
        });
    }
    if at_name.is_empty() {
        said.rcode = ResponseCode::NXDomain;
    }
    said
}
