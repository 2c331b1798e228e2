//! What DNS needs of a Service: how it is reached, and its ports.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{self, ServiceSpec};

use super::{Kind, Outcome, Trimmed, check_name, check_namespaced, namespaced_key, port};
use crate::{
    metrics::label::SourceKind,
    zone::{
        name::Domain,
        object::{Reach, Service},
    },
};

/// Namespace and label of the cluster's DNS Service, by Kubernetes convention.
pub(in crate::kube) const DNS_NAMESPACE: &str = "kube-system";
pub(in crate::kube) const DNS_LABEL: (&str, &str) = ("k8s-app", "kube-dns");
/// The ClusterIP of headless Services.
const HEADLESS: &str = "None";
/// The type of Services that stand for another name.
const EXTERNAL_NAME: &str = "ExternalName";

impl Kind for Service {
    type Source = v1::Service;
    const LABEL: SourceKind = SourceKind::Service;

    fn trim(source: &v1::Service) -> Trimmed<Self> {
        let key = namespaced_key(&source.metadata);
        let outcome = check_namespaced(&key)
            .and_then(|()| check_name(&key))
            .and_then(|()| source.spec.as_ref().map_or(Ok(Reach::Pending), reach))
            .map(|reach| {
                let mut remarks = Vec::new();
                let stated = source.spec.iter().flat_map(|spec| &spec.ports).flatten();
                let ports = stated
                    .filter_map(|stated| {
                        let (name, protocol) = (stated.name.as_deref(), stated.protocol.as_deref());
                        port(name, protocol, stated.port, &mut remarks)
                    })
                    .collect();
                Outcome::Usable {
                    object: Self {
                        key: key.clone(),
                        reach,
                        ports,
                        is_dns: is_dns(source),
                    },
                    remarks,
                }
            });
        Trimmed::new(key, outcome)
    }
}

fn is_dns(source: &v1::Service) -> bool {
    let labels = source.metadata.labels.as_ref();
    source.metadata.namespace.as_deref() == Some(DNS_NAMESPACE)
        && labels
            .and_then(|labels| labels.get(DNS_LABEL.0))
            .is_some_and(|value| value == DNS_LABEL.1)
}

fn reach(spec: &ServiceSpec) -> Result<Reach, String> {
    // The ClusterIP of a Service that became an ExternalName may still stand there.
    if spec.type_.as_deref() == Some(EXTERNAL_NAME) {
        return external(spec.external_name.as_deref().unwrap_or_default());
    }
    if stated_ips(spec).any(|ip| ip == HEADLESS) {
        return Ok(Reach::Headless);
    }
    let addresses: Box<[IpAddr]> = stated_ips(spec)
        .map(|ip| {
            ip.parse().map_err(|_| {
                format!("its clusterIP `{ip}` is not an IP address; write one, or None if it is headless")
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(if addresses.is_empty() {
        Reach::Pending
    } else {
        Reach::ClusterIps(addresses)
    })
}

fn external(name: &str) -> Result<Reach, String> {
    if name.is_empty() {
        return Err("it is of type ExternalName, but has no externalName".to_owned());
    }
    // An address can be written as labels, too; no resolver would ever find that name.
    if name.trim_end_matches('.').parse::<IpAddr>().is_ok() {
        return Err(format!(
            "its externalName `{name}` is an IP address; write a DNS name, or make it a Service with an \
             EndpointSlice for that address"
        ));
    }
    name.parse::<Domain>()
        .map(Reach::ExternalName)
        .map_err(|error| format!("its externalName is not a DNS name: {error}"))
}

/// The ClusterIPs that a Service states, as written: `clusterIPs`, or `clusterIP` on its own.
fn stated_ips(spec: &ServiceSpec) -> impl Iterator<Item = &str> {
    let all = spec.cluster_ips.as_deref().unwrap_or_default();
    // The API server keeps both fields alike; a manifest may have only the older one.
    let single = spec.cluster_ip.as_ref().filter(|_| all.is_empty());
    all.iter()
        .chain(single)
        .map(String::as_str)
        .filter(|ip| !ip.is_empty())
}
