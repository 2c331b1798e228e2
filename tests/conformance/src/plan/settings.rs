//! How servers are told to serve a cluster, in the words of each.

use std::fmt;

/// How servers are told to serve a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The cluster domains.
    pub domains: Vec<String>,
    /// The TTL of records, in seconds.
    pub ttl: u32,
    /// Which pods have names.
    pub pods: Pods,
    /// Whose endpoints have names here; `CoreDNS` always gives them to all.
    pub endpoints: Endpoints,
    /// Which namespaces are served.
    pub exposure: Exposure,
    /// Which Services are served; `None`: all.
    pub service_selector: Option<Selector>,
    /// Whether a Service with ClusterIPs, but without a ready endpoint, does not exist.
    pub ignore_empty: bool,
}

/// Which pods have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pods {
    /// None.
    Disabled,
    /// All there could be.
    Insecure,
    /// Those there are.
    Verified,
}

/// Whose endpoints have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoints {
    /// Those of headless Services.
    Headless,
    /// Those of all Services.
    All,
}

/// Which namespaces are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// All that exist.
    All,
    /// Of these, those that exist.
    Namespaces(Vec<String>),
    /// Those with these labels.
    Selector(Selector),
}

/// A selector on the one label that generated objects have, `team`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// `team=a`.
    Is,
    /// `team notin (b)`; CoreDNS does not take `!=`.
    IsNot,
    /// `team in (a,c)`.
    In,
    /// `!team`.
    Absent,
}

impl Selector {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Is, Self::IsNot, Self::In, Self::Absent];

    /// As kubectl takes it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Is => "team=a",
            Self::IsNot => "team notin (b)",
            Self::In => "team in (a,c)",
            Self::Absent => "!team",
        }
    }

    /// Whether an object with this label is selected.
    #[must_use]
    pub fn matches(self, team: Option<&str>) -> bool {
        match self {
            Self::Is => team == Some("a"),
            Self::IsNot => team != Some("b"),
            Self::In => matches!(team, Some("a" | "c")),
            Self::Absent => team.is_none(),
        }
    }

    /// A label that is selected.
    #[must_use]
    pub const fn example(self) -> Option<&'static str> {
        match self {
            Self::Absent => None,
            Self::Is | Self::IsNot | Self::In => Some("a"),
        }
    }
}

impl Settings {
    /// The lines of `CoreDNS`'s kubernetes plugin.
    #[must_use]
    pub fn corefile(&self) -> String {
        let mut lines = vec![format!("pods {}", self.pods), format!("ttl {}", self.ttl)];
        match &self.exposure {
            Exposure::All => {}
            Exposure::Namespaces(names) => lines.push(format!("namespaces {}", names.join(" "))),
            Exposure::Selector(selector) => {
                lines.push(format!("namespace_labels {}", selector.text()));
            }
        }
        if let Some(selector) = self.service_selector {
            lines.push(format!("labels {}", selector.text()));
        }
        if self.ignore_empty {
            lines.push("ignore empty_service".to_owned());
        }
        lines.join("\n        ")
    }

    /// The flags of `dns-ctl run`.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        let mut flags = vec![
            format!("--cluster-domain={}", self.domains.join(",")),
            format!("--ttl={}", self.ttl),
            format!("--pods={}", self.pods),
            format!("--endpoints={}", self.endpoints),
        ];
        match &self.exposure {
            Exposure::All => {}
            Exposure::Namespaces(names) => {
                flags.push(format!("--namespace={}", names.join(",")));
            }
            Exposure::Selector(selector) => {
                flags.push(format!("--namespace-selector={}", selector.text()));
            }
        }
        if let Some(selector) = self.service_selector {
            flags.push(format!("--service-selector={}", selector.text()));
        }
        if self.ignore_empty {
            flags.push("--ignore-empty-services".to_owned());
        }
        flags
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.flags().join(" "))
    }
}

impl fmt::Display for Pods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "disabled",
            Self::Insecure => "insecure",
            Self::Verified => "verified",
        })
    }
}

impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Headless => "headless",
            Self::All => "all",
        })
    }
}
