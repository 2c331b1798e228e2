//! A cluster as it is meant to be: its objects, and how servers are told to serve it.

mod generate;
mod history;
mod object;
mod settings;

use std::{
    fmt::{self, Write as _},
    net::IpAddr,
};

pub use history::Step;
pub use settings::{Endpoints, Exposure, Pods, Selector, Settings};

/// The namespace in which the objects stand that show how far a server has followed.
pub const MARKERS: &str = "kxdns-markers";

/// A cluster, and how servers are told to serve it.
#[derive(Clone, Debug)]
pub struct ClusterPlan {
    /// What it was generated from.
    pub seed: u64,
    /// How servers are told to serve it.
    pub settings: Settings,
    /// The Namespaces that exist.
    pub namespaces: Vec<Namespace>,
    /// The Services, those in namespaces that do not exist included.
    pub services: Vec<Service>,
    /// The EndpointSlices, those of no Service included.
    pub slices: Vec<Slice>,
    /// The Pods.
    pub pods: Vec<Pod>,
}

/// A Namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// The value of its label `team`.
    pub team: Option<&'static str>,
}

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The value of its label `team`.
    pub team: Option<&'static str>,
    /// How it is reached.
    pub reach: Reach,
    /// Its ports.
    pub ports: Vec<Port>,
    /// `spec.externalIPs`.
    pub external_ips: Vec<IpAddr>,
}

/// How a Service is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Through these ClusterIPs, whatever its type.
    ClusterIps(ServiceType, Vec<IpAddr>),
    /// Through its endpoints.
    Headless,
    /// Through another name.
    ExternalName(String),
}

/// The types of Services that have ClusterIPs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceType {
    /// The usual one.
    ClusterIp,
    /// With a port on each node.
    NodePort,
    /// With a load balancer.
    LoadBalancer,
}

/// A port of a Service or of an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Empty if it has none.
    pub name: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: &'static str,
    /// Its number.
    pub number: u16,
}

/// An EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its namespace.
    pub namespace: String,
    /// Its own name.
    pub name: String,
    /// The Service it says it belongs to.
    ///
    /// Never without: CoreDNS makes a name with an empty label of it, and then does not answer at all.
    pub service: String,
    /// The value of its label `team`; Kubernetes' controller copies that of the Service.
    pub team: Option<&'static str>,
    /// Whether Kubernetes' controller manages it; others are written by hand or by other controllers.
    pub managed: bool,
    /// Whether it has the label of headless Services' slices.
    pub headless: bool,
    /// Whether its addresses are IPv6.
    pub v6: bool,
    /// Its endpoints, ready or not.
    pub endpoints: Vec<Endpoint>,
    /// The ports of each endpoint.
    pub ports: Vec<Port>,
}

/// An endpoint of an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its addresses, at least one.
    pub addresses: Vec<IpAddr>,
    /// Its host name.
    pub hostname: Option<String>,
    /// `conditions.ready`.
    pub ready: Option<bool>,
}

/// A Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The value of its label `team`.
    pub team: Option<&'static str>,
    /// `status.podIPs`; the first is `status.podIP`.
    pub addresses: Vec<IpAddr>,
    /// `status.phase`.
    pub phase: &'static str,
}

impl ClusterPlan {
    /// Whether a Namespace exists.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.iter().find(|it| it.name == name)
    }

    /// Whether the names in a namespace are served: it exists, and the settings do not leave it out.
    #[must_use]
    pub fn serves(&self, namespace: &str) -> bool {
        self.namespace(namespace)
            .is_some_and(|it| match &self.settings.exposure {
                Exposure::All => true,
                Exposure::Namespaces(names) => names.contains(&it.name),
                Exposure::Selector(selector) => selector.matches(it.team),
            })
    }

    /// The Service, if its namespace is served and the settings do not leave it out.
    #[must_use]
    pub fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.services.iter().find(|it| {
            it.namespace == namespace
                && it.name == name
                && self.serves(namespace)
                && self.lists(it.team)
        })
    }

    /// Whether objects with this label are listed by who selects Services.
    #[must_use]
    pub fn lists(&self, team: Option<&str>) -> bool {
        let selector = self.settings.service_selector;
        selector.is_none_or(|selector| selector.matches(team))
    }

    /// The EndpointSlices that say they belong to a Service.
    pub fn slices_of<'a>(
        &'a self,
        namespace: &'a str,
        service: &'a str,
    ) -> impl Iterator<Item = &'a Slice> {
        self.slices
            .iter()
            .filter(move |it| it.namespace == namespace && it.service == service)
    }

    /// The Service that is the cluster's DNS, whether its namespace is served or not.
    #[must_use]
    pub fn dns_service(&self) -> Option<&Service> {
        self.services
            .iter()
            .find(|it| it.is_dns() && self.lists(it.team))
    }
}

impl Service {
    /// Whether it has the label of the cluster's DNS.
    #[must_use]
    pub fn is_dns(&self) -> bool {
        (self.namespace.as_str(), self.name.as_str()) == ("kube-system", "kube-dns")
    }

    /// Its ClusterIPs.
    #[must_use]
    pub fn cluster_ips(&self) -> &[IpAddr] {
        match &self.reach {
            Reach::ClusterIps(_, addresses) => addresses,
            Reach::Headless | Reach::ExternalName(_) => &[],
        }
    }
}

impl Slice {
    /// The endpoints that are ready.
    pub fn ready(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().filter(|it| it.ready != Some(false))
    }
}

impl Endpoint {
    /// The label that an address of it goes by.
    #[must_use]
    pub fn label(&self, address: IpAddr) -> String {
        self.hostname.clone().unwrap_or_else(|| dashed(address))
    }
}

/// An address with `-` between its numbers.
#[must_use]
pub fn dashed(address: IpAddr) -> String {
    address.to_string().replace(['.', ':'], "-")
}

impl fmt::Display for ClusterPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.settings)?;
        for object in self.objects() {
            let mut text = object.to_string();
            // Short enough to be read at a glance.
            for noise in [
                "\"apiVersion\":\"v1\",",
                "\"apiVersion\":\"discovery.k8s.io/v1\",",
            ] {
                text = text.replace(noise, "");
            }
            f.write_str(&text)?;
            f.write_char('\n')?;
        }
        Ok(())
    }
}
