//! OPT records, well-formed ones by hickory-proto and all others octet by octet.

use hickory_proto::{
    op::{Edns, Message},
    rr::rdata::opt::EdnsOption,
};

/// An OPT record, octet by octet (RFC 6891, section 6.1.2).
#[derive(Clone, Debug)]
pub struct Opt {
    /// Its owner in wire form; the root's, unless the record is malformed.
    pub owner: Vec<u8>,
    /// Its type; 41, unless it is another record.
    pub kind: u16,
    /// Octets of the largest message that the sender takes.
    pub size: u16,
    /// Upper bits of the RCODE.
    pub rcode: u8,
    /// Version of EDNS.
    pub version: u8,
    /// DO and reserved bits.
    pub flags: u16,
    /// Octets of options that it says it has; as many as there are, if `None`.
    pub length: Option<u16>,
    /// Its options.
    pub options: Vec<u8>,
}

impl Default for Opt {
    fn default() -> Self {
        Self {
            owner: vec![0],
            kind: 41,
            size: 1232,
            rcode: 0,
            version: 0,
            flags: 0,
            length: None,
            options: vec![],
        }
    }
}

impl Opt {
    /// An ordinary one after a change.
    #[must_use]
    pub fn changed(change: impl FnOnce(&mut Self)) -> Self {
        let mut opt = Self::default();
        change(&mut opt);
        opt
    }

    /// One with these options.
    #[must_use]
    pub fn with_options(options: &[Vec<u8>]) -> Self {
        Self::changed(|opt| opt.options = options.concat())
    }

    /// The record in wire form.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        let there_are = u16::try_from(self.options.len()).expect("a record has 65,535 octets");
        let mut octets = self.owner.clone();
        octets.extend(self.kind.to_be_bytes());
        octets.extend(self.size.to_be_bytes());
        octets.extend([self.rcode, self.version]);
        octets.extend(self.flags.to_be_bytes());
        octets.extend(self.length.unwrap_or(there_are).to_be_bytes());
        octets.extend(&self.options);
        octets
    }
}

/// An option in wire form.
#[must_use]
pub fn option(code: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("an option has 65,535 octets");
    let mut octets = code.to_be_bytes().to_vec();
    octets.extend(length.to_be_bytes());
    octets.extend(data);
    octets
}

/// The message with this record behind it, counted as one more additional record.
#[must_use]
pub fn with_record(mut payload: Vec<u8>, record: &[u8]) -> Vec<u8> {
    payload[11] += 1;
    payload.extend(record);
    payload
}

/// The message with this OPT record behind it.
#[must_use]
pub fn with_opt(payload: Vec<u8>, opt: &Opt) -> Vec<u8> {
    with_record(payload, &opt.octets())
}

/// The query with EDNS, as hickory-proto writes it: options by their codes and data.
#[must_use]
pub fn edns(mut query: Message, size: u16, dnssec_ok: bool, options: &[(u16, Vec<u8>)]) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(size);
    edns.set_dnssec_ok(dnssec_ok);
    for (code, data) in options {
        let option = EdnsOption::Unknown(*code, data.clone());
        edns.options_mut().insert(option);
    }
    query.set_edns(edns);
    query
}
