//! Clusters of all sorts come up.

use super::*;
use crate::plan::{Endpoints, Pods};

#[test]
fn a_seed_decides() {
    let text = |seed| ClusterPlan::generate(seed).to_string();
    assert_eq!(text(7), text(7));
    assert_ne!(text(7), text(8));
}

/// What there should be a cluster for, among a few.
type Feature = (&'static str, fn(&ClusterPlan) -> bool);

const FEATURES: [Feature; 30] = [
    ("two domains", |it| it.settings.domains.len() > 1),
    ("no pods", |it| it.settings.pods == Pods::Disabled),
    ("verified pods", |it| it.settings.pods == Pods::Verified),
    ("all endpoints", |it| {
        it.settings.endpoints == Endpoints::All
    }),
    ("some namespaces", |it| {
        matches!(it.settings.exposure, Exposure::Namespaces(_))
    }),
    ("selected namespaces", |it| {
        matches!(it.settings.exposure, Exposure::Selector(_))
    }),
    ("selected Services", |it| {
        it.settings.service_selector.is_some()
    }),
    ("empty Services ignored", |it| it.settings.ignore_empty),
    ("a Service in no namespace", |it| {
        it.services
            .iter()
            .any(|service| it.namespace(&service.namespace).is_none())
    }),
    ("the cluster's DNS", |it| it.dns_service().is_some()),
    ("an IPv6 Service", |it| {
        cluster_ips(it, |ips| matches!(ips, [IpAddr::V6(_)]))
    }),
    ("a Service of both families", |it| {
        cluster_ips(it, |ips| ips.len() == 2)
    }),
    ("five ports", |it| {
        it.services.iter().any(|service| service.ports.len() == 5)
    }),
    ("a port without a name", |it| {
        it.services
            .iter()
            .any(|service| service.ports.iter().any(|port| port.name.is_empty()))
    }),
    ("a headless Service without ports", |it| {
        it.services
            .iter()
            .any(|service| service.reach == Reach::Headless && service.ports.is_empty())
    }),
    ("a name that begins with a digit", |it| {
        it.services.iter().any(|service| service.name == "1web")
    }),
    ("names of 63 octets", |it| {
        it.services
            .iter()
            .any(|service| service.name.len() == 63 && service.namespace.len() == 63)
    }),
    ("an alias of itself", |it| {
        aliases(it, |service, target| {
            target.starts_with(&format!("{}.{}.svc.", service.name, service.namespace))
        })
    }),
    ("an alias of an address", |it| {
        aliases(it, |_, target| target == "192.0.2.7")
    }),
    ("an alias with a dot at the end", |it| {
        aliases(it, |_, target| target.ends_with('.'))
    }),
    ("an alias of an alias", |it| {
        aliases(it, |_, target| target.starts_with("chain-2."))
    }),
    ("a NodePort", |it| {
        it.services
            .iter()
            .any(|service| matches!(service.reach, Reach::ClusterIps(ServiceType::NodePort, _)))
    }),
    ("external addresses", |it| {
        it.services
            .iter()
            .any(|service| !service.external_ips.is_empty())
    }),
    ("a slice of no Service", |it| {
        it.slices.iter().any(|slice| {
            let own = |service: &&Service| {
                (&service.namespace, &service.name) == (&slice.namespace, &slice.service)
            };
            !it.services.iter().any(|service| own(&service))
        })
    }),
    ("a slice by hand", |it| {
        it.slices
            .iter()
            .any(|slice| !slice.managed && !slice.headless)
    }),
    ("a Service with four slices", |it| {
        it.services
            .iter()
            .any(|service| it.slices_of(&service.namespace, &service.name).count() >= 4)
    }),
    ("no endpoint is ready", |it| {
        it.slices
            .iter()
            .any(|slice| !slice.endpoints.is_empty() && slice.ready().next().is_none())
    }),
    ("readiness not told", |it| {
        it.slices.iter().any(|slice| {
            slice
                .endpoints
                .iter()
                .any(|endpoint| endpoint.ready.is_none())
        })
    }),
    ("an address twice", |it| {
        it.slices.iter().any(|slice| {
            let addresses = slice
                .endpoints
                .iter()
                .flat_map(|endpoint| &endpoint.addresses);
            let mut addresses: Vec<_> = addresses.collect();
            let count = addresses.len();
            addresses.sort();
            addresses.dedup();
            addresses.len() < count
        })
    }),
    ("a host name twice", |it| {
        it.slices.iter().any(|slice| {
            let names = slice
                .endpoints
                .iter()
                .filter_map(|endpoint| endpoint.hostname.as_ref());
            let mut names: Vec<_> = names.collect();
            let count = names.len();
            names.sort();
            names.dedup();
            names.len() < count
        })
    }),
];

fn cluster_ips(plan: &ClusterPlan, wanted: fn(&[IpAddr]) -> bool) -> bool {
    plan.services
        .iter()
        .any(|service| wanted(service.cluster_ips()))
}

fn aliases(plan: &ClusterPlan, wanted: fn(&Service, &str) -> bool) -> bool {
    plan.services.iter().any(|service| match &service.reach {
        Reach::ExternalName(target) => wanted(service, target),
        _ => false,
    })
}

#[test]
fn everything_there_can_be_is_somewhere() {
    let plans: Vec<_> = (0..300).map(ClusterPlan::generate).collect();
    for (name, is_there) in FEATURES {
        assert!(plans.iter().any(is_there), "no cluster has {name}");
    }
}
