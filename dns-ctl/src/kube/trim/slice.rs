//! What DNS needs of an EndpointSlice: the ready endpoints and their ports.

use std::net::IpAddr;

use k8s_openapi::api::discovery::v1;

use super::{
    Kind, NOT_A_LABEL, Outcome, Trimmed, check_label, check_namespaced, is_label, namespaced_key,
    port,
};
use crate::{
    metrics::label::SourceKind,
    zone::object::{Endpoint, EndpointSlice, Port},
};

/// The label that names the slice's Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

impl Kind for EndpointSlice {
    type Source = v1::EndpointSlice;
    const LABEL: SourceKind = SourceKind::EndpointSlice;

    fn trim(source: &v1::EndpointSlice) -> Trimmed<Self> {
        let key = namespaced_key(&source.metadata);
        let labels = source.metadata.labels.as_ref();
        let service = labels
            .and_then(|labels| labels.get(SERVICE_NAME))
            .map_or("", String::as_str);
        let outcome = check_namespaced(&key).and_then(|()| {
            if service.is_empty() {
                return Ok(Outcome::Unused);
            }
            check_label(&format!("its label {SERVICE_NAME}"), service)?;
            let mut remarks = Vec::new();
            Ok(Outcome::Usable {
                object: Self {
                    key: key.clone(),
                    service: service.into(),
                    endpoints: endpoints(source, &mut remarks),
                    ports: ports(source, &mut remarks),
                },
                remarks,
            })
        });
        Trimmed::new(key, outcome)
    }
}

fn endpoints(source: &v1::EndpointSlice, remarks: &mut Vec<String>) -> Box<[Endpoint]> {
    let Some(family) = Family::of(&source.address_type) else {
        return Box::default();
    };
    source
        .endpoints
        .iter()
        .filter(|endpoint| is_ready(endpoint))
        .filter_map(|endpoint| {
            let addresses = addresses(endpoint, family, remarks);
            (!addresses.is_empty()).then(|| Endpoint {
                addresses,
                hostname: hostname(endpoint, remarks),
            })
        })
        .collect()
}

/// Not known is ready, as the API defines it. Whether an endpoint serves while it terminates says nothing
/// about new clients.
fn is_ready(endpoint: &v1::Endpoint) -> bool {
    let conditions = endpoint.conditions.as_ref();
    conditions
        .and_then(|conditions| conditions.ready)
        .unwrap_or(true)
}

/// Which addresses a slice may have.
#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
    Any,
}

impl Family {
    /// `None` if the slice has names, not addresses.
    fn of(address_type: &str) -> Option<Self> {
        match address_type {
            "IPv4" => Some(Self::V4),
            "IPv6" => Some(Self::V6),
            "FQDN" => None,
            // A manifest may leave it out.
            _ => Some(Self::Any),
        }
    }

    const fn has(self, address: IpAddr) -> bool {
        match self {
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
            Self::Any => true,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
            Self::Any => "IP",
        }
    }
}

fn addresses(endpoint: &v1::Endpoint, family: Family, remarks: &mut Vec<String>) -> Box<[IpAddr]> {
    let read = |text: &String| {
        let address = text.parse().ok().filter(|&address| family.has(address));
        if address.is_none() {
            let family = family.name();
            remarks.push(format!(
                "its endpoint address `{text}` is not an {family} address and is left out"
            ));
        }
        address
    };
    endpoint.addresses.iter().filter_map(read).collect()
}

fn hostname(endpoint: &v1::Endpoint, remarks: &mut Vec<String>) -> Option<Box<str>> {
    let hostname = endpoint
        .hostname
        .as_deref()
        .filter(|text| !text.is_empty())?;
    if !is_label(hostname) {
        remarks.push(format!(
            "its endpoint hostname `{hostname}` is left out: it {NOT_A_LABEL}"
        ));
        return None;
    }
    Some(hostname.into())
}

fn ports(source: &v1::EndpointSlice, remarks: &mut Vec<String>) -> Box<[Port]> {
    let stated = source.ports.iter().flatten();
    stated
        .filter_map(|stated| {
            // Without a number: every port of the endpoints. SRV records can't say that.
            let number = stated.port?;
            port(
                stated.name.as_deref(),
                stated.protocol.as_deref(),
                number,
                remarks,
            )
        })
        .collect()
}
