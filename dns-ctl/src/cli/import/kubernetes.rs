//! The directive `kubernetes`: what is served for the cluster.

use super::{
    account::Fate,
    corefile::Directive,
    flags::Flags,
    translate::{Plugin, Scope},
    zone::{Cover, is_reverse},
};
use crate::zone::name::Domain;

/// A `kubernetes` line.
pub(super) struct Kubernetes<'a> {
    scope: &'a Scope<'a>,
    flags: &'a mut Flags,
    /// Whether an option says which pods have names.
    pods: bool,
}

impl<'a> Kubernetes<'a> {
    pub(super) fn new(scope: &'a Scope<'a>, flags: &'a mut Flags) -> Self {
        Self {
            scope,
            flags,
            pods: false,
        }
    }

    fn selector(&mut self, option: &Directive, flag: &'static str) -> Fate {
        let selector = option.arguments.join(" ");
        match selector.parse::<crate::kube::selector::LabelSelector>() {
            Ok(_) => self.flags.set(flag, &selector, &option.place),
            Err(error) => Fate::Missing(error.to_string()),
        }
    }

    fn namespaces(&mut self, option: &Directive) -> Fate {
        for name in &option.arguments {
            if let Err(error) = crate::zone::name::RelativeName::namespace(name) {
                return Fate::Missing(error.to_string());
            }
        }
        let mut written = Vec::new();
        for name in &option.arguments {
            if !self.flags.namespaces.contains(name) {
                self.flags.namespaces.push(name.clone());
            }
            written.push(format!("--namespace {name}"));
        }
        Fate::Carried(written.join(" "))
    }

    fn kubeconfig(&mut self, option: &Directive) -> Fate {
        let values = match option.arguments.as_slice() {
            [file] => vec![("--kubeconfig", file.clone())],
            [file, context] => vec![
                ("--kubeconfig", file.clone()),
                ("--context", context.clone()),
            ],
            _ => return Fate::missing("CoreDNS takes a file and a context here"),
        };
        self.flags.set_all(&values, &option.place)
    }

    fn ttl(&mut self, option: &Directive) -> Fate {
        match option.arguments.first().map(|text| text.parse::<u32>()) {
            Some(Ok(seconds @ 0..=3600)) => {
                self.flags.set("--ttl", &seconds.to_string(), &option.place)
            }
            _ => Fate::missing("CoreDNS takes a number of seconds up to 3600 here"),
        }
    }

    fn pods(&mut self, option: &Directive) -> Fate {
        match option.arguments.as_slice() {
            [mode] if ["disabled", "insecure", "verified"].contains(&mode.as_str()) => {
                self.pods = true;
                self.flags.set("--pods", mode, &option.place)
            }
            _ => Fate::missing("CoreDNS takes disabled, insecure or verified here"),
        }
    }

    /// The zones on the line, or else those of the block.
    fn covers(&self, directive: &Directive) -> Vec<Result<Cover, String>> {
        if directive.arguments.is_empty() {
            return self
                .scope
                .zones
                .iter()
                .map(|zone| Ok(zone.cover.clone()))
                .collect();
        }
        directive
            .arguments
            .iter()
            .map(|name| Cover::parse(name))
            .collect()
    }

    /// Adds a cluster domain unless it overlaps with another one.
    fn add(&mut self, domain: &Domain) -> Result<String, String> {
        let known = &self.flags.domains;
        if !known.contains(domain) {
            if let Some(other) = known
                .iter()
                .find(|known| known.contains(domain) || domain.contains(known))
            {
                return Err(format!(
                    "{domain} and {other} lie one in the other; kxdns serves only one of them"
                ));
            }
            self.flags.domains.push(domain.clone());
        }
        Ok(format!("--cluster-domain {domain}"))
    }
}

impl Plugin for Kubernetes<'_> {
    fn option(&mut self, option: &Directive) -> Fate {
        match option.name.as_str() {
            "kubeconfig" => self.kubeconfig(option),
            "namespaces" => self.namespaces(option),
            "labels" => self.selector(option, "--service-selector"),
            "namespace_labels" => self.selector(option, "--namespace-selector"),
            "pods" => self.pods(option),
            "ttl" => self.ttl(option),
            "ignore" if option.arguments == ["empty_service"] => {
                self.flags.set("--ignore-empty-services", "", &option.place)
            }
            "fallthrough" => fallthrough(&option.arguments),
            "endpoint" | "tls" => Fate::missing(
                "write the API server and its certificates into a kubeconfig, and give it with --kubeconfig",
            ),
            "endpoint_pod_names" => Fate::missing(
                "endpoints are called by their hostname or their address, not by their pod's name",
            ),
            "noendpoints" => Fate::missing(
                "endpoints of headless Services are always served; --endpoints headless leaves out all others",
            ),
            "multicluster" => Fate::missing("Services of other clusters are not served"),
            "startup_timeout" => Fate::built_in(
                "kxdns serves at once, answers SERVFAIL until it knows better, and tells by /readyz",
            ),
            "apiserver_qps" | "apiserver_burst" | "apiserver_max_inflight" => Fate::built_in(
                "kxdns makes one list and one watch for each kind of object, spread out after errors",
            ),
            "resyncperiod" | "upstream" => {
                Fate::built_in("CoreDNS has ignored this for long, and it is not needed here")
            }
            "transfer" => Fate::missing("zone transfers are refused"),
            _ => Fate::missing("not an option that kxdns knows"),
        }
    }

    fn directive(&mut self, directive: &Directive) -> Fate {
        let (mut carried, mut problems) = (Vec::new(), Vec::new());
        for cover in self.covers(directive) {
            match cover {
                Ok(Cover::Root) => problems.push(
                    "the root can't be a cluster domain; name the domain behind `kubernetes`"
                        .to_owned(),
                ),
                // Reverse names of the cluster's addresses are always served.
                Ok(cover) => {
                    for domain in cover.domains().iter().filter(|name| !is_reverse(name)) {
                        match self.add(domain) {
                            Ok(text) => carried.push(text),
                            Err(problem) => problems.push(problem),
                        }
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        // As CoreDNS has it unless told otherwise.
        let mut defaults = vec![("--endpoints", "all".to_owned())];
        if !self.pods {
            defaults.push(("--pods", "disabled".to_owned()));
        }
        match self.flags.set_all(&defaults, &directive.place) {
            Fate::Carried(text) => carried.push(text),
            Fate::BuiltIn(text) | Fate::Missing(text) => problems.push(text),
        }
        Fate::carried_but(carried.join(" "), &problems)
    }
}

fn fallthrough(zones: &[String]) -> Fate {
    let only_reverse = !zones.is_empty()
        && zones.iter().all(|zone| {
            Cover::parse(zone)
                .is_ok_and(|cover| cover != Cover::Root && cover.domains().iter().all(is_reverse))
        });
    if only_reverse {
        Fate::built_in("reverse names of addresses outside the cluster go to the upstreams")
    } else {
        Fate::missing(
            "a name of the cluster domain that does not exist is denied, and does not go on to another server",
        )
    }
}
