//! What DNS needs of a Pod: its addresses, as long as it lives.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{self, PodStatus};

use super::{Kind, Outcome, Trimmed, check_namespaced, namespaced_key};
use crate::{metrics::label::SourceKind, zone::object::Pod};

/// The values of `status.phase` that a Pod has when its addresses are no longer its own.
pub const ENDED_PHASES: [&str; 3] = ["Succeeded", "Failed", "Unknown"];

impl Kind for Pod {
    type Source = v1::Pod;
    const LABEL: SourceKind = SourceKind::Pod;

    fn trim(source: &v1::Pod) -> Trimmed<Self> {
        let key = namespaced_key(&source.metadata);
        let outcome = check_namespaced(&key).and_then(|()| {
            let Some(status) = source.status.as_ref().filter(|status| lives(status)) else {
                return Ok(Outcome::Unused);
            };
            let mut remarks = Vec::new();
            let addresses = addresses(status, &mut remarks);
            if addresses.is_empty() {
                // A Pod that is just being started has none yet.
                return match remarks.into_iter().next() {
                    None => Ok(Outcome::Unused),
                    Some(remark) => Err(remark),
                };
            }
            let key = key.clone();
            Ok(Outcome::Usable {
                object: Self { key, addresses },
                remarks,
            })
        });
        Trimmed::new(key, outcome)
    }
}

fn lives(status: &PodStatus) -> bool {
    status
        .phase
        .as_deref()
        .is_none_or(|phase| !ENDED_PHASES.contains(&phase))
}

/// `podIPs`, or `podIP` where it stands alone.
fn addresses(status: &PodStatus, remarks: &mut Vec<String>) -> Box<[IpAddr]> {
    let all = status.pod_ips.as_deref().unwrap_or_default();
    let single = status.pod_ip.as_ref().filter(|_| all.is_empty());
    all.iter()
        .map(|ip| &ip.ip)
        .chain(single)
        .filter(|text| !text.is_empty())
        .filter_map(|text| {
            text.parse()
                .inspect_err(|_| {
                    remarks.push(format!(
                        "its address `{text}` is not an IP address and is left out"
                    ));
                })
                .ok()
        })
        .collect()
}
