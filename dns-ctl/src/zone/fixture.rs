//! Small clusters for tests, written in few words.

use std::net::IpAddr;

use super::{
    Policy,
    name::RelativeName,
    object::{
        Change, Endpoint, EndpointSlice, Event, Namespace, ObjectKey, Pod, Port, Protocol, Reach,
        Service, SliceList,
    },
    store::Store,
};

/// All that a cluster holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) services: Vec<Service>,
    pub(crate) namespaces: Vec<Namespace>,
    pub(crate) slices: Vec<EndpointSlice>,
    pub(crate) pods: Vec<Pod>,
}

impl Cluster {
    /// The store that a fresh list of everything leads to.
    pub(crate) fn listed(self, policy: &Policy) -> Store {
        let mut store = Store::new(policy.clone());
        apply(&mut store, self.events(policy));
        store
    }

    /// Complete lists of every kind.
    pub(crate) fn events(self, policy: &Policy) -> Vec<Event> {
        let mut events = list(self.services, Event::Service);
        events.extend(list(self.namespaces, Event::Namespace));
        for &of in policy.slice_lists() {
            // Which of the narrow lists a slice is in makes no difference.
            let slices = match of {
                SliceList::Foreign | SliceList::Dns => Vec::new(),
                SliceList::All | SliceList::Headless => self.slices.clone(),
            };
            events.extend(list(slices, |change| Event::EndpointSlice(of, change)));
        }
        events.extend(list(self.pods, Event::Pod));
        events
    }
}

/// The events of a complete list.
pub(crate) fn list<T>(objects: Vec<T>, event: impl Fn(Change<T>) -> Event) -> Vec<Event> {
    let objects = objects.into_iter().map(Change::InitApply);
    let changes = std::iter::once(Change::Init)
        .chain(objects)
        .chain([Change::InitDone]);
    changes.map(event).collect()
}

pub(crate) fn apply(store: &mut Store, events: impl IntoIterator<Item = Event>) {
    for event in events {
        store.apply(event);
    }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn ips(texts: &[&str]) -> Reach {
    Reach::ClusterIps(texts.iter().map(|text| ip(text)).collect())
}

pub(crate) fn external(target: &str) -> Reach {
    Reach::ExternalName(target.parse().unwrap())
}

/// The Service `name.namespace`.
pub(crate) fn service(name: &str, reach: Reach) -> Service {
    let (name, namespace) = name.split_once('.').unwrap();
    Service {
        key: ObjectKey::new(namespace, name),
        reach,
        ports: Box::default(),
        is_dns: namespace == "kube-system",
    }
}

/// Ports written as `name/protocol/number`.
pub(crate) fn ports(texts: &[&str]) -> Box<[Port]> {
    let port = |text: &&str| {
        let mut parts = text.split('/');
        Port {
            name: parts.next().unwrap().into(),
            protocol: match parts.next().unwrap() {
                "udp" => Protocol::Udp,
                "sctp" => Protocol::Sctp,
                _ => Protocol::Tcp,
            },
            number: parts.next().unwrap().parse().unwrap(),
        }
    };
    texts.iter().map(port).collect()
}

/// The slice `name.namespace` of a Service; endpoints written as `address` or `host=address`.
pub(crate) fn slice(
    name: &str,
    service: &str,
    endpoints: &[&str],
    slice_ports: &[&str],
) -> EndpointSlice {
    let (name, namespace) = name.split_once('.').unwrap();
    let endpoint = |text: &&str| {
        let (host, address) = match text.split_once('=') {
            Some((host, address)) => (Some(host), address),
            None => (None, *text),
        };
        Endpoint {
            addresses: [ip(address)].into(),
            hostname: host.map(Into::into),
        }
    };
    EndpointSlice {
        key: ObjectKey::new(namespace, name),
        service: service.into(),
        endpoints: endpoints.iter().map(endpoint).collect(),
        ports: ports(slice_ports),
    }
}

pub(crate) fn namespace(name: &str) -> Namespace {
    Namespace {
        key: ObjectKey::new("", name),
    }
}

/// The Pod `name.namespace`.
pub(crate) fn pod(name: &str, addresses: &[&str]) -> Pod {
    let (name, namespace) = name.split_once('.').unwrap();
    Pod {
        key: ObjectKey::new(namespace, name),
        addresses: addresses.iter().map(|text| ip(text)).collect(),
    }
}

pub(crate) fn name(text: &str) -> RelativeName {
    RelativeName::from_labels(&text.split('.').collect::<Vec<_>>()).unwrap()
}
