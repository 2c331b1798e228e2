//! A question in octets, and whether an answer is the right one, told by a glance: a load has no time for more.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use hickory_proto::rr::{RData, RecordType};

use crate::server::workload::{Expected, Workload};

/// Octets of a message's header.
const HEADER: usize = 12;

/// What is right to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// The address.
    Address,
    /// The query itself, which a reflector sends back.
    Echo,
}

/// A question for the address of a name.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// The name.
    pub(super) name: String,
    /// The query; its identifier is to be filled in.
    pub(super) query: Vec<u8>,
    address: Ipv4Addr,
}

impl Question {
    /// Those of a workload that asks for one address with each query.
    pub(super) fn all(workload: &Workload) -> Result<Vec<Self>> {
        let question = |query: &crate::server::workload::Query| {
            let address = match &query.expected {
                Expected::Records(data) => match data.as_slice() {
                    [RData::A(address)] => Some(address.0),
                    _ => None,
                },
                Expected::NoSuchName => None,
            };
            Ok(Self {
                name: query.name.clone(),
                query: testbed::query(0, &query.name, RecordType::A)?,
                address: address.context("a question that has not one address")?,
            })
        };
        workload.queries.iter().map(question).collect()
    }

    /// Whether these octets answer it: a response without error, whose one record ends with the address.
    pub(super) fn is_right(&self, right: Right, octets: &[u8]) -> bool {
        let Some((header, _)) = octets.split_first_chunk::<HEADER>() else {
            return false;
        };
        match right {
            Right::Address => {
                let (response, rcode) = (header[2] >> 7, header[3] & 0xf);
                let records = &header[6..];
                (response, rcode) == (1, 0)
                    && records == [0, 1, 0, 0, 0, 0]
                    && octets.ends_with(&self.address.octets())
            }
            Right::Echo => octets[2..] == self.query[2..],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{population::Population, workload::Kind};

    #[test]
    fn only_the_address_asked_for_is_right() {
        let population = Population {
            services: 3,
            hosts: 1,
        };
        let questions = Question::all(&Kind::Cluster.workload(population)).unwrap();
        let [first, second, _] = questions.as_slice() else {
            panic!("as many questions as Services");
        };
        let mut answer = first.query.clone();
        (answer[2], answer[7]) = (0x81, 1);
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4]);
        answer.extend(first.address.octets());
        assert!(first.is_right(Right::Address, &answer));
        assert!(!second.is_right(Right::Address, &answer));
        assert!(!first.is_right(Right::Address, &first.query));
        assert!(first.is_right(Right::Echo, &first.query));
        assert!(!first.is_right(Right::Echo, &answer));
        answer[3] = 3;
        assert!(!first.is_right(Right::Address, &answer));
        assert!(!first.is_right(Right::Address, &[]));
        assert!(Question::all(&Kind::Srv.workload(population)).is_err());
    }
}
