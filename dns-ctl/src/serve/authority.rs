//! What this server answers for: the cluster domains, with the names that their own records hold.

use hickory_proto::{
    ProtoError,
    rr::{Name, RData, Record, rdata::SOA},
    serialize::binary::{BinDecodable, BinDecoder},
};

use crate::zone::name::{Domain, RelativeName};

/// SOA timers (seconds) for secondaries, which this zone does not have.
pub(super) const REFRESH: i32 = 7200;
pub(super) const RETRY: i32 = 1800;
pub(super) const EXPIRE: i32 = 86_400;
/// The labels before the domain in the names of its server and of who is responsible, in wire form.
pub(super) const NAME_SERVER: &[u8] = b"\x02ns\x03dns";
pub(super) const HOSTMASTER: &[u8] = b"\x0ahostmaster";

/// What this server answers for, and how.
#[derive(Clone, Debug)]
pub struct Authority {
    origins: Vec<Origin>,
    pub(super) ttl: u32,
}

/// A served cluster domain with the names that its own records hold.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    domain: Domain,
    labels: usize,
    pub(super) name_server: Name,
    hostmaster: Name,
}

/// A cluster domain that leaves no room for the names of its own records.
#[derive(Debug, thiserror::Error)]
#[error("the cluster domain `{domain}` can't be served: {source}")]
pub struct DomainError {
    domain: Domain,
    source: ProtoError,
}

impl Authority {
    /// Answers for `domains` with records of `ttl` seconds. Pointers lead into the first domain.
    pub fn new(domains: &[Domain], ttl: u32) -> Result<Self, DomainError> {
        let origins = domains.iter().map(Origin::new).collect::<Result<_, _>>()?;
        Ok(Self { origins, ttl })
    }

    /// The served domain that `name` is in, and the name's part before it. Domains do not overlap.
    pub(super) fn locate(&self, name: &Name) -> Option<(&Origin, RelativeName)> {
        let wire = to_wire(name);
        self.origins
            .iter()
            .find_map(|origin| Some((origin, RelativeName::within(&wire, &origin.domain)?)))
    }

    /// As [`Self::locate`], for a name in wire form: the part before the domain, in its own case.
    pub(super) fn locate_wire<'w>(&self, wire: &'w [u8]) -> Option<(&Origin, &'w [u8])> {
        self.origins
            .iter()
            .find_map(|origin| Some((origin, origin.domain.part_before(wire)?)))
    }

    /// The domain that pointers lead into.
    pub(super) fn primary(&self) -> Option<&Origin> {
        self.origins.first()
    }
}

impl Origin {
    fn new(domain: &Domain) -> Result<Self, DomainError> {
        let error = |source| DomainError {
            domain: domain.clone(),
            source,
        };
        let apex = to_name(domain).map_err(error)?;
        Ok(Self {
            domain: domain.clone(),
            labels: apex.iter().count(),
            name_server: below(&["ns", "dns"], &apex).map_err(error)?,
            hostmaster: below(&["hostmaster"], &apex).map_err(error)?,
        })
    }

    /// The domain's labels in wire form, lower-case, without the root.
    pub(super) fn labels(&self) -> &[u8] {
        self.domain.labels()
    }

    /// The whole name of `relative`; `None` if it would be too long in this domain.
    pub(super) fn name(&self, relative: &RelativeName) -> Option<Name> {
        let wire = relative.in_domain(&self.domain)?;
        Name::read(&mut BinDecoder::new(&wire)).ok()
    }

    /// The start of authority, its owner in the case in which `asked` has it, so that it compresses
    /// into the question.
    pub(super) fn soa(&self, asked: &Name, ttl: u32, serial: u32) -> Record {
        let data = SOA::new(
            self.name_server.clone(),
            self.hostmaster.clone(),
            serial,
            REFRESH,
            RETRY,
            EXPIRE,
            ttl,
        );
        // The record's own TTL is at most the minimum (RFC 2308, section 3); here both are the zone's.
        Record::from_rdata(asked.trim_to(self.labels), ttl, RData::SOA(data))
    }
}

/// A zone's name as a message holds it.
pub(super) fn to_name(domain: &Domain) -> Result<Name, ProtoError> {
    let wire = domain.to_wire();
    Ok(Name::read(&mut BinDecoder::new(&wire))?)
}

fn below(labels: &[&str], apex: &Name) -> Result<Name, ProtoError> {
    Name::from_labels(labels.iter().map(|label| label.as_bytes()))?.append_domain(apex)
}

/// The name in wire form, uncompressed, root label included.
fn to_wire(name: &Name) -> Vec<u8> {
    let mut wire = Vec::with_capacity(name.len() + 1);
    for label in name {
        // A label that was read from a message has at most 63 octets.
        wire.push(u8::try_from(label.len()).unwrap_or(0));
        wire.extend_from_slice(label);
    }
    wire.push(0);
    wire
}
