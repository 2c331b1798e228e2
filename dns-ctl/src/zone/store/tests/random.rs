//! Random event sequences: the zone does not depend on the way that led to it.

use proptest::prelude::*;

use super::*;
use crate::zone::{fixture::ports, object::Pod};

/// Steps over few names, so that they meet.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Service(Change<Service>),
    Services(Vec<Service>),
    Namespace(Change<Namespace>),
    Namespaces(Vec<Namespace>),
    Slice(SliceList, Change<EndpointSlice>),
    Slices(SliceList, Vec<EndpointSlice>),
    Pod(Change<Pod>),
    Pods(Vec<Pod>),
}

fn any_namespace_name() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("x"), Just("y"), Just("kube-system")]
}

fn any_service() -> impl Strategy<Value = Service> {
    let reach = prop_oneof![
        1 => (0_u8..4).prop_map(|last| ips(&[&format!("10.0.0.{last}")])),
        1 => (0_u8..4).prop_map(|last| ips(&[&format!("10.0.1.{last}"), "fd00::1"])),
        3 => Just(Reach::Headless),
        1 => Just(external("example.com")),
        1 => Just(Reach::Pending),
    ];
    let with_ports = prop_oneof![
        Just(ports(&[])),
        Just(ports(&["http/tcp/80"])),
        Just(ports(&["http/tcp/80", "dns/udp/53", "/sctp/7"])),
    ];
    ("[ab]", any_namespace_name(), reach, with_ports).prop_map(|(name, namespace, reach, ports)| {
        Service {
            ports,
            ..service(&format!("{name}.{namespace}"), reach)
        }
    })
}

fn any_slice() -> impl Strategy<Value = EndpointSlice> {
    let endpoint = prop_oneof![
        Just("10.1.0.1"),
        Just("10.1.0.2"),
        Just("h=10.1.0.1"),
        Just("h=10.1.0.3"),
        Just("g=10.0.0.1"),
        Just("fd00::7"),
    ];
    let endpoints = prop::collection::vec(endpoint, 0..4);
    let slice_ports = prop_oneof![
        Just(vec![]),
        Just(vec!["http/tcp/8080"]),
        Just(vec!["http/tcp/8081", "/udp/9"]),
        Just(vec!["dns/udp/1053", "dns/tcp/1053"]),
    ];
    let parts = ("[st]", any_namespace_name(), "[ab]", endpoints, slice_ports);
    parts.prop_map(|(name, namespace, service, endpoints, ports)| {
        slice(&format!("{name}.{namespace}"), &service, &endpoints, &ports)
    })
}

fn any_pod() -> impl Strategy<Value = Pod> {
    let addresses = prop_oneof![
        Just(vec!["10.1.0.1"]),
        Just(vec!["10.1.0.2"]),
        Just(vec!["10.1.0.2", "fd00::7"]),
        // As the kubelet may state it for a moment.
        Just(vec!["10.1.0.2", "10.1.0.2"]),
    ];
    ("[pq]", any_namespace_name(), addresses)
        .prop_map(|(name, namespace, addresses)| pod(&format!("{name}.{namespace}"), &addresses))
}

fn any_namespace() -> impl Strategy<Value = Namespace> {
    any_namespace_name().prop_map(namespace)
}

/// A change of a live object, or a piece of a list that may break off.
fn any_change<T: Clone + std::fmt::Debug + 'static>(
    object: impl Strategy<Value = T> + Clone,
    key: fn(&T) -> &ObjectKey,
) -> impl Strategy<Value = Change<T>> {
    prop_oneof![
        6 => object.clone().prop_map(Change::Apply),
        4 => object.clone().prop_map(move |object| Change::Delete(key(&object).clone())),
        1 => Just(Change::Init),
        2 => object.prop_map(Change::InitApply),
        1 => Just(Change::InitDone),
    ]
}

fn any_list() -> impl Strategy<Value = SliceList> {
    prop_oneof![
        Just(SliceList::All),
        Just(SliceList::Headless),
        Just(SliceList::Foreign),
        Just(SliceList::Dns)
    ]
}

pub(super) fn any_step() -> BoxedStrategy<Step> {
    let service = any_service().boxed();
    let slice = any_slice().boxed();
    let pod = any_pod().boxed();
    let namespace = any_namespace().boxed();
    prop_oneof![
        4 => any_change(service.clone(), |it| &it.key).prop_map(Step::Service),
        1 => prop::collection::vec(service, 0..4).prop_map(Step::Services),
        3 => any_change(namespace.clone(), |it| &it.key).prop_map(Step::Namespace),
        1 => prop::collection::vec(namespace, 0..3).prop_map(Step::Namespaces),
        6 => (any_list(), any_change(slice.clone(), |it| &it.key))
            .prop_map(|(list, change)| Step::Slice(list, change)),
        1 => (any_list(), prop::collection::vec(slice, 0..4))
            .prop_map(|(list, slices)| Step::Slices(list, slices)),
        3 => any_change(pod.clone(), |it| &it.key).prop_map(Step::Pod),
        1 => prop::collection::vec(pod, 0..3).prop_map(Step::Pods),
    ]
    .boxed()
}

pub(super) fn any_policy() -> impl Strategy<Value = Policy> {
    let pods = prop_oneof![
        Just(PodNames::Disabled),
        Just(PodNames::Insecure),
        Just(PodNames::Verified)
    ];
    let endpoints = prop_oneof![Just(EndpointNames::Headless), Just(EndpointNames::All)];
    let namespaces = prop::option::of(Just([Box::from("x"), Box::from("kube-system")].into()));
    let flags = any::<[bool; 2]>();
    (pods, endpoints, namespaces, flags).prop_map(
        |(pods, endpoints, namespaces, [ignore_empty_services, dns_endpoints])| Policy {
            pods,
            endpoints,
            namespaces,
            ignore_empty_services,
            dns_endpoints,
        },
    )
}

pub(super) fn events(step: Step) -> Vec<Event> {
    match step {
        Step::Service(change) => vec![Event::Service(change)],
        Step::Services(services) => list(services, Event::Service),
        Step::Namespace(change) => vec![Event::Namespace(change)],
        Step::Namespaces(namespaces) => list(namespaces, Event::Namespace),
        Step::Slice(of, change) => vec![Event::EndpointSlice(of, change)],
        Step::Slices(of, slices) => list(slices, |change| Event::EndpointSlice(of, change)),
        Step::Pod(change) => vec![Event::Pod(change)],
        Step::Pods(pods) => list(pods, Event::Pod),
    }
}

/// The events that a fresh start with the store's objects would bring.
fn fresh(store: &Store) -> Store {
    let mut fresh = Store::new(store.policy.clone());
    let values = |services: &Listing<Service>| services.live().values().cloned().collect();
    let mut events = list(values(&store.services), Event::Service);
    let namespaces = store.namespaces.live().values().cloned().collect();
    events.extend(list(namespaces, Event::Namespace));
    for (of, slices) in &store.slices {
        let slices = slices.live().values().cloned().collect();
        events.extend(list(slices, |change| Event::EndpointSlice(*of, change)));
    }
    let pods = store.pods.live().values().cloned().collect();
    events.extend(list(pods, Event::Pod));
    apply(&mut fresh, events);
    fresh
}

/// What every address points back to, in order.
pub(super) fn pointers(zone: &Zone) -> Vec<(IpAddr, crate::zone::Pointers)> {
    let pointers = zone.pointers.iter();
    let mut pointers: Vec<_> = pointers
        .map(|(address, names)| (*address, names.as_ref().clone()))
        .collect();
    pointers.sort_by_key(|(address, _)| *address);
    pointers
}

proptest! {
    /// However a zone came about, it equals the one made at once of the objects that are left; and
    /// every name whose node's records or existence differ between two looks was touched in between, and
    /// every address whose pointers differ.
    #[test]
    fn the_way_does_not_matter(
        policy in any_policy(),
        steps in prop::collection::vec(any_step(), 0..60),
    ) {
        let mut store = Cluster::default().listed(&policy);
        store.take_touched(0);
        for step in steps {
            let before = store.zone().clone();
            apply(&mut store, events(step));
            let touched = store.take_touched(0);
            for (name, node) in store.zone().nodes() {
                let old = before.node(name);
                if old.is_none_or(|old| old.records != node.records) {
                    prop_assert!(touched.names.contains(name), "{name} is not touched");
                }
            }
            for (name, _) in before.nodes() {
                if store.zone().node(name).is_none() {
                    prop_assert!(touched.names.contains(name), "{name} is gone and not touched");
                }
            }
            let (old, new) = (pointers(&before), pointers(store.zone()));
            let differing = old.iter().filter(|it| !new.contains(it));
            for (address, _) in differing.chain(new.iter().filter(|it| !old.contains(it))) {
                prop_assert!(touched.addresses.contains(address), "{address} is not touched");
            }
        }
        let fresh = fresh(&store);
        prop_assert_eq!(contents(store.zone()), contents(fresh.zone()));
        prop_assert_eq!(pointers(store.zone()), pointers(fresh.zone()));
        prop_assert_eq!(store.zone().dns_addresses(), fresh.zone().dns_addresses());
        prop_assert_eq!(store.zone().dns_endpoints(), fresh.zone().dns_endpoints());
        for (name, node) in store.zone().nodes() {
            let below = store.zone().nodes().filter(|(other, _)| other.parent().as_ref() == Some(name));
            prop_assert_eq!(usize::try_from(node.children).unwrap(), below.count());
        }
        // Nothing is kept of what is gone.
        prop_assert_eq!(store.given.len(), fresh.given.len());
        prop_assert_eq!(store.members.len(), fresh.members.len());
        prop_assert_eq!(&store.slices_of, &fresh.slices_of);
        prop_assert_eq!(&store.pod_addresses, &fresh.pod_addresses);
    }
}
