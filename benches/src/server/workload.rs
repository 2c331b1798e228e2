//! The queries that are asked, and what each one has to get.

use clap::ValueEnum;
use hickory_proto::rr::{
    Name, RData, RecordType,
    rdata::{A, SRV},
};
use serde::Serialize;

use super::population::{
    Population, SEARCH, host, host_address, service, service_address, service_in_namespace,
    service_whole,
};

/// A sort of queries that is measured apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The whole name of each Service, type A
    Cluster,
    /// What a pod asks with its search path for Services and hosts, types A and AAAA
    Search,
    /// The name of each host outside the cluster, type A; cached from the second time on
    External,
    /// The named port of each Service, type SRV
    Srv,
}

/// Queries that are asked one after the other, again and again.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// Their sort.
    pub(crate) kind: Kind,
    /// The queries; at least one.
    pub(crate) queries: Vec<Query>,
}

/// One query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    /// The whole name, with the final dot.
    pub(crate) name: String,
    /// The type asked for.
    pub(crate) record_type: RecordType,
    /// What it has to get.
    pub(crate) expected: Expected,
}

/// What a query has to get.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expected {
    /// NOERROR with exactly these records, of any order; with none, NODATA.
    Records(Vec<RData>),
    /// NXDOMAIN.
    NoSuchName,
}

impl Kind {
    /// The queries of this sort.
    pub(crate) fn workload(self, population: Population) -> Workload {
        let queries = match self {
            Self::Cluster => (0..population.services).map(cluster).collect(),
            Self::Search => search(population),
            Self::External => (0..population.hosts).map(external).collect(),
            Self::Srv => (0..population.services).map(port).collect(),
        };
        Workload {
            kind: self,
            queries,
        }
    }

    /// What is asked, for readers of the report.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Cluster => "Services, A",
            Self::Search => "a pod's search path, A and AAAA",
            Self::External => "names outside the cluster, A",
            Self::Srv => "ports of Services, SRV",
        }
    }
}

impl Workload {
    /// The queries as dnsperf reads them.
    pub(crate) fn file(&self) -> String {
        let lines = self
            .queries
            .iter()
            .map(|query| format!("{} {}\n", query.name, query.record_type));
        lines.collect()
    }

    /// How many of the first `asked` queries, begun anew whenever all have been asked, must get NXDOMAIN.
    pub(crate) fn denials(&self, asked: u32) -> u32 {
        let denied = || {
            let queries = self.queries.iter();
            queries.map(|query| u32::from(query.expected == Expected::NoSuchName))
        };
        let length: u32 = self.queries.iter().map(|_| 1).sum();
        let (rounds, rest) = (asked / length, asked % length);
        let in_rest: u32 = denied().zip(0..rest).map(|(denied, _)| denied).sum();
        rounds * denied().sum::<u32>() + in_rest
    }
}

fn cluster(number: u32) -> Query {
    found(&service_whole(number), RData::A(A(service_address(number))))
}

fn external(number: u32) -> Query {
    found(&host(number), RData::A(A(host_address(number))))
}

fn port(number: u32) -> Query {
    let target = format!("{}.", service_whole(number));
    // Made of letters, digits and dots by this bench itself.
    let target = Name::from_ascii(&target).expect("a Service's name is a domain name");
    found(
        &format!("_http._tcp.{}", service_whole(number)),
        RData::SRV(SRV::new(0, 100, 80, target)),
    )
}

fn found(name: &str, data: RData) -> Query {
    Query {
        name: format!("{name}."),
        record_type: data.record_type(),
        expected: Expected::Records(vec![data]),
    }
}

/// Three sorts of lookups in turn: a Service by its name, a Service by name and namespace, a host outside.
///
/// Each appends the domains of the search path until a name exists, as the C library does with `ndots:5`.
fn search(population: Population) -> Vec<Query> {
    let lookups = (0..population.services).flat_map(|number| match number % 3 {
        0 => lookup(&service(number), 0, service_address(number)),
        1 => lookup(&service_in_namespace(number), 1, service_address(number)),
        _ => {
            let number = number % population.hosts;
            lookup(&host(number), SEARCH.len(), host_address(number))
        }
    });
    lookups.collect()
}

/// The queries of one lookup, of which the one after `denials` others finds the name.
fn lookup(written: &str, denials: usize, address: std::net::Ipv4Addr) -> Vec<Query> {
    let appended = SEARCH.map(|domain| format!("{written}.{domain}."));
    let names = appended.into_iter().chain([format!("{written}.")]);
    let queries = names
        .take(denials + 1)
        .enumerate()
        .flat_map(|(tried, name)| {
            [RecordType::A, RecordType::AAAA].map(|record_type| Query {
                name: name.clone(),
                record_type,
                expected: match record_type {
                    _ if tried < denials => Expected::NoSuchName,
                    RecordType::A => Expected::Records(vec![RData::A(A(address))]),
                    _ => Expected::Records(Vec::new()),
                },
            })
        });
    queries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POPULATION: Population = Population {
        services: 4,
        hosts: 2,
    };

    #[test]
    fn the_search_path_is_walked_until_a_name_exists() {
        let workload = Kind::Search.workload(POPULATION);
        let names = |queries: &[Query]| {
            let names: Vec<_> = queries.iter().map(|query| query.name.clone()).collect();
            names
        };
        // Lookups of service-0, service-1.default, www-0.example.com, service-3: 2, 4, 8 and 2 queries.
        assert_eq!(workload.queries.len(), 16);
        assert_eq!(
            names(&workload.queries[2..6]),
            [
                "service-1.default.default.svc.cluster.local.",
                "service-1.default.default.svc.cluster.local.",
                "service-1.default.svc.cluster.local.",
                "service-1.default.svc.cluster.local.",
            ]
        );
        assert_eq!(
            names(&workload.queries[6..14])[6..],
            ["www-0.example.com.", "www-0.example.com."]
        );
        let denied = |query: &Query| query.expected == Expected::NoSuchName;
        let denied: Vec<_> = workload.queries.iter().map(denied).collect();
        let expected = [
            [false, false].as_slice(),
            &[true, true, false, false],
            &[true, true, true, true, true, true, false, false],
            &[false, false],
        ];
        assert_eq!(denied, expected.concat());
    }

    #[test]
    fn denials_are_counted_over_whole_and_part_rounds() {
        let workload = Kind::Search.workload(POPULATION);
        for (asked, denials) in [(0, 0), (3, 1), (16, 8), (19, 9), (32, 16)] {
            assert_eq!(workload.denials(asked), denials, "{asked}");
        }
        assert_eq!(Kind::Cluster.workload(POPULATION).denials(1_000_000), 0);
    }

    #[test]
    fn a_file_has_a_line_for_each_query() {
        let file = Kind::Srv.workload(POPULATION).file();
        assert_eq!(file.lines().count(), 4);
        assert!(file.starts_with("_http._tcp.service-0.default.svc.cluster.local. SRV\n"));
    }
}
