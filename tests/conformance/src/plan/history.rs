//! How a cluster came to be: what was there when the servers started, and what has happened since.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use serde_json::Value;

use super::{
    ClusterPlan, Endpoint, MARKERS, Pod, Port, Reach, Service, ServiceType, Slice,
    generate::marker_namespaces,
};
use crate::dice::Dice;

/// The Namespace that shows how far a server has followed the Namespaces.
pub(super) const MARKER_NAMESPACE: &str = "kxdns-marker";
/// Slices of the marker Services: in the list of headless ones, in that of foreign ones.
const MARKER_SLICES: [(&str, bool); 2] = [("headless", true), ("foreign", false)];

/// One change of the cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The object is written, whether it was there or not.
    Apply(Value),
    /// The object is deleted, if it is there; a Namespace with all that is in it.
    Delete(Value),
}

/// Kind, namespace, name.
type Id = (String, String, String);

impl ClusterPlan {
    /// What is there when the servers start, and what then leads to the cluster as planned.
    ///
    /// The last steps write objects that tell for each kind, in each list of it, that all before has been seen.
    #[must_use]
    pub fn history(&self) -> (Vec<Value>, Vec<Step>) {
        let mut dice = Dice::new(self.seed, 3);
        let (markers, now): (Vec<_>, Vec<_>) = self.objects().into_iter().partition(is_marker);
        let before = if dice.one_in(2) {
            let before = self.before().objects();
            before.into_iter().filter(|it| !is_marker(it)).collect()
        } else {
            now.clone()
        };
        let mut steps = Vec::new();
        let is_now: BTreeSet<Id> = now.iter().map(id).collect();
        let gone = |it: &&Value| !is_now.contains(&id(it));
        let (namespaces, others): (Vec<_>, Vec<_>) = before
            .iter()
            .filter(gone)
            .partition(|it| it["kind"] == "Namespace");
        let emptied: BTreeSet<_> = namespaces.iter().map(|it| id(it).2).collect();
        let was: BTreeMap<Id, &Value> = before.iter().map(|it| (id(it), it)).collect();
        steps.extend(others.into_iter().cloned().map(Step::Delete));
        let changed = now
            .into_iter()
            .filter(|it| was.get(&id(it)) != Some(&it) || emptied.contains(&id(it).1));
        steps.extend(changed.map(Step::Apply));
        dice.shuffle(&mut steps);
        // First of all: what is written into a namespace that is gone, as no API server allows, shall stay.
        steps.splice(0..0, namespaces.into_iter().cloned().map(Step::Delete));
        steps.extend(markers.into_iter().map(Step::Apply));
        (before, steps)
    }

    /// Adds the objects that show how far a server has followed.
    pub(super) fn add_markers(&mut self) {
        self.namespaces.extend(marker_namespaces(&self.settings));
        let team = self
            .settings
            .service_selector
            .and_then(super::Selector::example);
        let service = |name: &str, reach| Service {
            namespace: MARKERS.to_owned(),
            name: name.to_owned(),
            team,
            reach,
            ports: vec![marker_port()],
            external_ips: Vec::new(),
        };
        let cluster_ip = vec![marker_ip(0)];
        self.services.push(service(
            "service",
            Reach::ClusterIps(ServiceType::ClusterIp, cluster_ip),
        ));
        for (at, (name, managed)) in (1..).zip(MARKER_SLICES) {
            self.services.push(service(name, Reach::Headless));
            self.slices
                .push(marker_slice(name, name, managed, at, team));
        }
        // Without an endpoint, the Service would not exist for some.
        self.slices
            .push(marker_slice("endpoint", "service", true, 4, team));
        self.pods.push(Pod {
            namespace: MARKERS.to_owned(),
            name: "pod".to_owned(),
            team,
            addresses: vec![marker_ip(3)],
            phase: "Running",
        });
    }

    /// The names that exist once the markers are seen, below the first domain.
    #[must_use]
    pub fn marker_names(&self) -> Vec<String> {
        let domain = &self.settings.domains[0];
        let services = ["service", "headless", "foreign"];
        let mut names: Vec<_> = services
            .iter()
            .map(|it| format!("{it}.{MARKERS}.svc.{domain}."))
            .collect();
        names.push(format!("{MARKER_NAMESPACE}.svc.{domain}."));
        if self.settings.pods == super::Pods::Verified {
            let pod = super::dashed(marker_ip(3));
            names.push(format!("{pod}.{MARKERS}.pod.{domain}."));
        }
        names
    }
}

fn marker_ip(at: u8) -> IpAddr {
    match at {
        0 => Ipv4Addr::new(10, 96, 255, 1).into(),
        _ => Ipv4Addr::new(10, 255, 0, at).into(),
    }
}

fn marker_port() -> Port {
    Port {
        name: "http".to_owned(),
        protocol: "TCP",
        number: 80,
    }
}

fn marker_slice(
    name: &str,
    service: &str,
    managed: bool,
    at: u8,
    team: Option<&'static str>,
) -> Slice {
    Slice {
        namespace: MARKERS.to_owned(),
        name: name.to_owned(),
        service: service.to_owned(),
        team,
        managed,
        headless: name == "headless",
        v6: false,
        endpoints: vec![Endpoint {
            addresses: vec![marker_ip(at)],
            hostname: None,
            ready: Some(true),
        }],
        ports: vec![marker_port()],
    }
}

/// Whether an object is written last of its kind; the Namespace and the Services around them are there before.
fn is_marker(object: &Value) -> bool {
    let (kind, namespace, name) = id(object);
    match kind.as_str() {
        "Namespace" => name == MARKER_NAMESPACE,
        "Service" => namespace == MARKERS && name == "service",
        "EndpointSlice" => namespace == MARKERS && name != "endpoint",
        _ => namespace == MARKERS,
    }
}

fn id(object: &Value) -> Id {
    let text = |pointer: &str| {
        let value = object.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    (
        text("/kind"),
        text("/metadata/namespace"),
        text("/metadata/name"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_history_leads_to_its_cluster() {
        let mut with_changes = 0;
        for seed in 0..100 {
            let plan = ClusterPlan::generate(seed);
            let (before, steps) = plan.history();
            let mut objects: BTreeMap<Id, Value> =
                before.into_iter().map(|it| (id(&it), it)).collect();
            with_changes += usize::from(steps.iter().any(|it| matches!(it, Step::Delete(_))));
            for step in steps {
                match step {
                    Step::Apply(object) => drop(objects.insert(id(&object), object)),
                    Step::Delete(object) => {
                        let gone = id(&object);
                        objects.retain(|it, _| {
                            *it != gone && (gone.0 != "Namespace" || it.1 != gone.2)
                        });
                    }
                }
            }
            let planned = plan.objects().into_iter().map(|it| (id(&it), it)).collect();
            assert_eq!(objects, planned, "seed {seed}");
        }
        assert!(with_changes > 25, "{with_changes}");
    }
}
