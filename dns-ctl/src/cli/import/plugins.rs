//! All other plugins of CoreDNS: those that kxdns needs no line for, and those it has nothing like.

use super::{account::Fate, corefile::Directive, duration, flags::Flags, translate::Plugin};

/// What kxdns does by itself.
const BUILT_IN: &[(&str, &str)] = &[
    ("errors", "errors are always logged"),
    (
        "loop",
        "this server's own addresses are never asked as upstreams",
    ),
    (
        "reload",
        "resolv.conf and the ConfigMap are followed; other changes take a restart",
    ),
    (
        "loadbalance",
        "kube-proxy spreads the clients of a Service; the addresses of a headless one take turns",
    ),
];

/// What has no counterpart.
const MISSING: &[(&str, &str)] = &[
    ("acl", "who may ask is for a NetworkPolicy to say"),
    (
        "any",
        "ANY gets no data in the cluster domains, and is passed on outside them",
    ),
    ("auto", ZONE_FILES),
    (
        "autopath",
        "search domains are tried one by one, each answered from memory",
    ),
    ("azure", OTHER_SOURCE),
    (
        "bufsize",
        "answers over UDP have 1232 octets at most, and that can't be set",
    ),
    ("chaos", "no class but IN is answered"),
    ("clouddns", OTHER_SOURCE),
    (
        "dns64",
        "no IPv6 addresses are made up; have the upstreams do it",
    ),
    (
        "dnssec",
        "answers are not signed, and those of upstreams are not checked",
    ),
    (
        "dnstap",
        "queries are counted in the metrics, and not recorded",
    ),
    ("erratic", "answers are always given"),
    ("etcd", OTHER_SOURCE),
    ("federation", "Kubernetes has no federation any more"),
    ("file", ZONE_FILES),
    ("geoip", "where a client is plays no part"),
    ("grpc", "upstreams are asked over UDP, TCP or TLS"),
    ("header", "the flags of answers can't be set"),
    (
        "hosts",
        "write a headless Service with an EndpointSlice of your own, or ask a server that has these names: --stub-domain",
    ),
    ("import", "an import stands in a line of its own"),
    (
        "k8s_external",
        "Services have names in the cluster domain only",
    ),
    ("local", "local names are the clients' own matter"),
    (
        "log",
        "names that pods ask for are private; queries are counted in the metrics, and not logged",
    ),
    ("metadata", "no other plugin is there to read it"),
    ("minimal", "answers of upstreams are passed on as they are"),
    ("multisocket", "how many sockets there are can't be set"),
    ("nomad", OTHER_SOURCE),
    ("nsid", "answers do not say who gave them"),
    ("on", "no programs are run"),
    ("pprof", "use perf, or the metrics"),
    (
        "proxy",
        "CoreDNS has removed it; write `forward`, and import again",
    ),
    (
        "rewrite",
        "names are answered as they are asked; an ExternalName Service gives a Service another name",
    ),
    ("root", "no files are read from there"),
    ("route53", OTHER_SOURCE),
    (
        "secondary",
        "zones of other servers are not copied; ask these servers: --stub-domain",
    ),
    ("sign", "answers are not signed"),
    (
        "template",
        "answers are not made up; ask a server that does: --stub-domain",
    ),
    (
        "timeouts",
        "how long clients' connections may last can't be set",
    ),
    ("tls", "kxdns serves DNS over UDP and TCP only"),
    (
        "trace",
        "queries are counted in the metrics, and not traced",
    ),
    ("transfer", "zone transfers are refused"),
    ("tsig", "requests are not signed"),
    ("view", "every client gets the same answers"),
    ("whoami", "clients are not told their address"),
];

const ZONE_FILES: &str = "zone files are not served; ask a server that serves them: --stub-domain";
const OTHER_SOURCE: &str =
    "names come from the Kubernetes API only; ask a server that has these: --stub-domain";

/// A line in a block of which nothing is carried over.
pub(super) struct Refused(pub(super) String);

/// A line of a plugin without a file of its own here.
pub(super) struct Other<'a> {
    pub(super) flags: &'a mut Flags,
}

impl Plugin for Refused {
    fn option(&mut self, _: &Directive) -> Fate {
        Fate::Missing(self.0.clone())
    }

    fn directive(&mut self, _: &Directive) -> Fate {
        Fate::Missing(self.0.clone())
    }
}

impl Plugin for Other<'_> {
    fn option(&mut self, _: &Directive) -> Fate {
        Fate::missing("a part of its directive that has no counterpart")
    }

    fn directive(&mut self, directive: &Directive) -> Fate {
        let arguments: Vec<_> = directive.arguments.iter().map(String::as_str).collect();
        match (directive.name.as_str(), arguments.as_slice()) {
            ("debug", _) => self.flags.set("--log-level", "debug", &directive.place),
            ("cancel", arguments) => self.cancel(arguments.first().copied(), directive),
            ("bufsize", [] | ["1232"]) => {
                Fate::built_in("answers over UDP have 1232 octets at most")
            }
            ("loadbalance", [policy, ..]) if *policy != "round_robin" => {
                Fate::missing("addresses have no weights; those of a headless Service take turns")
            }
            (name, _) => other(name),
        }
    }
}

impl Other<'_> {
    /// `cancel` ends a query after 5.001 s unless it says otherwise; clients give up after 5 s.
    fn cancel(&mut self, duration: Option<&str>, directive: &Directive) -> Fate {
        let Some(text) = duration else {
            return Fate::built_in("a query waits for upstreams no longer than 4.5 s");
        };
        let milliseconds = duration::parse(text).map(|duration| duration.as_millis());
        match milliseconds {
            Some(time @ 100..=60_000) => {
                self.flags
                    .set("--upstream-timeout", &time.to_string(), &directive.place)
            }
            Some(_) => Fate::missing("--upstream-timeout takes 100 ms to 60 s"),
            None => Fate::missing("CoreDNS takes a duration here, such as 5s"),
        }
    }
}

fn other(name: &str) -> Fate {
    let find = |list: &[(&str, &'static str)]| {
        list.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, text)| *text)
    };
    match (find(BUILT_IN), find(MISSING)) {
        (Some(text), _) => Fate::built_in(text),
        (None, Some(text)) => Fate::missing(text),
        (None, None) => Fate::missing("not a plugin that kxdns knows"),
    }
}
