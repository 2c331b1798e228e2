//! The directive `forward`: which servers are asked for which names.

use super::{
    account::Fate,
    corefile::Directive,
    flags::Flags,
    overview::{Overview, RESOLV_CONF},
    server::{Server, Target},
    translate::{Plugin, Scope},
    zone::Cover,
};
use crate::zone::name::Domain;

/// Why what only leads to the cluster's DNS is not needed.
const CLUSTER_ITSELF: &str =
    "kxdns knows the cluster from its API server, and asks no other DNS for it";
/// The most that `--upstream-concurrency` takes.
const MOST_CONCURRENT: u32 = 65_536;

/// A `forward` line.
pub(super) struct Forward<'a> {
    scope: &'a Scope<'a>,
    overview: &'a Overview,
    flags: &'a mut Flags,
    servers: Vec<Server>,
    files: Vec<String>,
    problems: Vec<String>,
}

impl<'a> Forward<'a> {
    pub(super) fn new(
        directive: &Directive,
        scope: &'a Scope<'a>,
        overview: &'a Overview,
        flags: &'a mut Flags,
    ) -> Self {
        let mut forward = Self {
            scope,
            overview,
            flags,
            servers: Vec::new(),
            files: Vec::new(),
            problems: Vec::new(),
        };
        for text in directive.arguments.iter().skip(1) {
            match Target::parse(text) {
                Ok(Target::Server(server)) if forward.servers.contains(&server) => {}
                Ok(Target::Server(server)) => forward.servers.push(server),
                Ok(Target::File(file)) => forward.files.push(file),
                Err(problem) => forward.problems.push(problem),
            }
        }
        if directive.arguments.len() < 2 {
            let problem = "CoreDNS wants a domain and at least one server here";
            forward.problems.push(problem.to_owned());
        }
        forward
    }

    fn name(&mut self, option: &Directive) -> Fate {
        let [name] = option.arguments.as_slice() else {
            return Fate::missing("CoreDNS takes one name here");
        };
        if let Err(error) = name.parse::<Domain>() {
            return Fate::Missing(error.to_string());
        }
        if !self.servers.iter().any(Server::is_tls) {
            return Fate::built_in("no server of this line is asked over TLS");
        }
        for server in &mut self.servers {
            *server = server.clone().named(name);
        }
        Fate::Carried(format!(
            "#{name} behind the servers that are asked over TLS"
        ))
    }

    fn concurrency(&mut self, option: &Directive) -> Fate {
        match option.arguments.first().map(|text| text.parse::<u32>()) {
            Some(Ok(0)) => Fate::missing(
                "queries that wait for upstreams are always bounded; --upstream-concurrency sets the bound",
            ),
            Some(Ok(queries)) => {
                let most = queries.min(MOST_CONCURRENT);
                let fate =
                    self.flags
                        .set("--upstream-concurrency", &most.to_string(), &option.place);
                match fate {
                    Fate::Carried(text) if most < queries => Fate::carried_but(
                        text,
                        &[format!("more than {MOST_CONCURRENT} queries can't wait")],
                    ),
                    fate => fate,
                }
            }
            _ => Fate::missing("CoreDNS takes a number here"),
        }
    }

    fn except(&self, option: &Directive) -> Fate {
        let apart = |domain: &Domain| {
            let domains = self.overview.apart.iter();
            domains
                .chain(&self.overview.cluster_behind)
                .any(|known| known.contains(domain))
        };
        let known = option.arguments.iter().all(|name| {
            Cover::parse(name)
                .is_ok_and(|cover| cover != Cover::Root && cover.domains().iter().all(apart))
        });
        if known {
            Fate::built_in("these names are the cluster's, or have servers of their own")
        } else {
            Fate::missing(
                "names can't be kept from the upstreams; give their domain servers of its own with --stub-domain",
            )
        }
    }

    /// For all names that no other block or line covers.
    fn all_names(&mut self, directive: &Directive) -> Fate {
        let mut problems = std::mem::take(&mut self.problems);
        let mut carried = String::new();
        if self.servers.is_empty() {
            let mut files = self.files.drain(..);
            match files.next() {
                Some(file) => match self.flags.set("--resolv-conf", &file, &directive.place) {
                    Fate::Carried(text) => carried = text,
                    Fate::BuiltIn(text) | Fate::Missing(text) => problems.push(text),
                },
                None if problems.is_empty() => problems.push("no server is named".to_owned()),
                None => {}
            }
            problems.extend(files.map(|file| format!("{file}: upstreams come from one file")));
        } else {
            problems.extend(self.files.iter().map(|file| {
                format!("{file}: upstreams come from flags or from a file; write the addresses")
            }));
            match &self.flags.upstreams {
                Some((known, place)) if *known != self.servers => problems.push(format!(
                    "{place} names other servers, and all names have the same"
                )),
                _ => {
                    carried = self
                        .servers
                        .iter()
                        .map(|server| format!("--upstream {server}"))
                        .collect::<Vec<_>>()
                        .join(" ");
                    self.flags.upstreams = Some((self.servers.clone(), directive.place.clone()));
                }
            }
        }
        Fate::carried_but(carried, &problems)
    }

    /// For the names in `domains`.
    fn some_names(&mut self, domains: &[Domain], directive: &Directive) -> Fate {
        let mut problems = std::mem::take(&mut self.problems);
        if self.servers.is_empty() && problems.is_empty() {
            let node_servers = self.files.iter().all(|file| file == RESOLV_CONF);
            if node_servers && self.overview.root_resolv_conf {
                return Fate::built_in("these names go to the same servers as all others");
            }
        }
        problems.extend(self.files.iter().map(|file| {
            format!("{file}: a domain's servers can't come from a file; write their addresses")
        }));
        let mut carried = Vec::new();
        if !self.servers.is_empty() {
            for domain in domains {
                match self.add_stub(domain, directive) {
                    Ok(text) => carried.push(text),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        Fate::carried_but(carried.join(" "), &problems)
    }

    fn add_stub(&mut self, domain: &Domain, directive: &Directive) -> Result<String, String> {
        let cluster = self.flags.domains.iter().find(|own| own.contains(domain));
        if let Some(cluster) = cluster {
            return Err(format!(
                "{domain} lies in the cluster domain {cluster}, for which kxdns answers alone"
            ));
        }
        let known = self.flags.stubs.iter().find(|(known, ..)| known == domain);
        match known {
            Some((_, servers, place)) if *servers != self.servers => {
                return Err(format!("{place} names other servers for {domain}"));
            }
            Some(_) => {}
            None => self.flags.stubs.push((
                domain.clone(),
                self.servers.clone(),
                directive.place.clone(),
            )),
        }
        let servers: Vec<_> = self.servers.iter().map(ToString::to_string).collect();
        Ok(format!("--stub-domain {domain}={}", servers.join(",")))
    }

    /// The domains in which names are asked so; `None` if that is all names of a block for all names.
    fn domains(&self, from: &Cover) -> Option<Vec<Domain>> {
        let mut domains = Vec::new();
        for zone in self.scope.zones {
            match (&zone.cover, from) {
                (Cover::Root, Cover::Root) => return None,
                (Cover::Root, Cover::Domains(wanted)) => domains.extend(wanted.iter().cloned()),
                (Cover::Domains(own), Cover::Root) => domains.extend(own.iter().cloned()),
                (Cover::Domains(own), Cover::Domains(wanted)) => {
                    for (own, wanted) in own
                        .iter()
                        .flat_map(|own| wanted.iter().map(move |wanted| (own, wanted)))
                    {
                        if own.contains(wanted) {
                            domains.push(wanted.clone());
                        } else if wanted.contains(own) {
                            domains.push(own.clone());
                        }
                    }
                }
            }
        }
        Some(domains)
    }
}

impl Plugin for Forward<'_> {
    fn option(&mut self, option: &Directive) -> Fate {
        if self.scope.passes_to_cluster {
            return Fate::built_in(CLUSTER_ITSELF);
        }
        match option.name.as_str() {
            "tls_servername" => self.name(option),
            "max_concurrent" => self.concurrency(option),
            "except" => self.except(option),
            "tls" if option.arguments.is_empty() => {
                Fate::built_in("certificates of servers asked over TLS are always checked")
            }
            "tls" => Fate::missing(
                "no certificate is sent to servers; theirs are checked against the system's authorities, or those in the file that SSL_CERT_FILE names",
            ),
            "policy" if option.arguments == ["sequential"] || self.servers.len() == 1 => {
                Fate::built_in("the first server that answers is kept to")
            }
            "policy" => Fate::missing(
                "the first server that answers is kept to; the others stand by. Put the one to be preferred first",
            ),
            "health_check" | "max_fails" | "failfast_all_unhealthy_upstreams" => Fate::built_in(
                "a server that does not answer is asked last, and tried in the background until it does",
            ),
            "expire" | "max_idle_conns" | "max_age" => Fate::built_in(
                "connections to servers are shared, and closed when they are not used",
            ),
            "prefer_udp" => {
                Fate::built_in("servers are asked over UDP first, however the client asks")
            }
            "force_tcp" => Fate::missing(
                "servers are asked over UDP, and over TCP for what does not fit; tls:// servers always over TCP",
            ),
            "max_connect_attempts" => Fate::built_in(
                "servers are tried one after the other, as long as --upstream-timeout allows",
            ),
            "next" => Fate::missing(
                "a denial is an answer; only servers that fail or refuse are passed over",
            ),
            _ => Fate::missing("not an option that kxdns knows"),
        }
    }

    fn directive(&mut self, directive: &Directive) -> Fate {
        if self.scope.passes_to_cluster {
            return Fate::built_in(CLUSTER_ITSELF);
        }
        let from = directive.arguments.first().map_or(".", String::as_str);
        match Cover::parse(from).map(|from| self.domains(&from)) {
            Ok(None) => self.all_names(directive),
            Ok(Some(domains)) if domains.is_empty() => {
                Fate::missing("no name of this block lies in that domain, so it is never asked")
            }
            Ok(Some(domains)) => self.some_names(&domains, directive),
            Err(problem) => Fate::Missing(problem),
        }
    }
}
