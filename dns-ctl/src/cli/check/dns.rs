//! The cluster's DNS Service: at its addresses clients reach DNS, and the kernel answers.

use std::net::IpAddr;

use tokio::time::timeout;

use super::{
    cluster::{PATIENCE, Reached, not_looked_at},
    report::Finding,
};
use crate::{
    config::Config,
    kube::{
        Wanted,
        access::{self, Refusal},
    },
    zone::object::{Reach, Service},
};

const DNS_SERVICE: &str = "dns-service";

/// Looks for the addresses at which clients reach DNS.
pub(super) async fn dns_service(
    reached: Option<&Reached>,
    config: &Config,
    wanted: &Wanted,
) -> (Vec<Finding>, Vec<Service>) {
    let services = match reached {
        Some(Reached::Manifests(manifests)) => Ok(manifests.dns_services()),
        Some(Reached::Api(client)) => {
            let asked = access::dns_services(client, wanted);
            timeout(PATIENCE, asked).await.unwrap_or_else(|_| {
                Err(Refusal {
                    found: format!("no Services within {} s", PATIENCE.as_secs()),
                    remedy: "see whether the API server is overloaded".to_owned(),
                })
            })
        }
        None => Ok(Vec::new()),
    };
    let found = services.as_deref().unwrap_or_default().to_vec();
    if config.kernel.is_none() {
        return (Vec::new(), found);
    }
    if reached.is_none() && config.service_ips.is_empty() {
        return (vec![not_looked_at(DNS_SERVICE)], found);
    }
    let finding = judge_dns(services, &config.service_ips);
    (vec![finding], found)
}

fn judge_dns(services: Result<Vec<Service>, Refusal>, given: &[IpAddr]) -> Finding {
    let list = |addresses: Vec<IpAddr>| {
        let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        texts.join(", ")
    };
    if !given.is_empty() {
        let given = list(given.to_vec());
        let found = format!("clients reach DNS at {given}, as --service-ip says");
        return Finding::pass(DNS_SERVICE, found);
    }
    let services = match services {
        Ok(services) => services,
        Err(refusal) => return Finding::warn(DNS_SERVICE, refusal.found, refusal.remedy),
    };
    let remedy = "label the cluster's DNS Service k8s-app=kube-dns, have --namespace and \
                  --service-selector select it, or give --service-ip";
    let Some(service) = services.first() else {
        let found = "no Service in kube-system is labelled k8s-app=kube-dns, so no address is known at which \
                     clients reach DNS, and the kernel answers nothing";
        return Finding::warn(DNS_SERVICE, found, remedy);
    };
    let addresses = addresses(&services);
    if addresses.is_empty() {
        let found = format!(
            "the Service {} has no ClusterIP, so the kernel answers nothing",
            service.key
        );
        return Finding::warn(DNS_SERVICE, found, remedy);
    }
    Finding::pass(
        DNS_SERVICE,
        format!("clients reach DNS at {}, {}", service.key, list(addresses)),
    )
}

/// The addresses of Services.
pub(super) fn addresses(services: &[Service]) -> Vec<IpAddr> {
    let reaches = services.iter().map(|service| &service.reach);
    let addresses = reaches.filter_map(|reach| match reach {
        Reach::ClusterIps(addresses) => Some(addresses.iter().copied()),
        _ => None,
    });
    addresses.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::{super::report::Verdict, *};
    use crate::zone::object::ObjectKey;

    #[test]
    fn the_dns_service_gives_the_addresses() {
        let service = |reach| Service {
            key: ObjectKey::new("kube-system", "kube-dns"),
            reach,
            ports: Box::default(),
            is_dns: true,
        };
        let address: IpAddr = "10.96.0.10".parse().unwrap();
        let good = || service(Reach::ClusterIps([address].into()));
        for (services, given, result, words) in [
            (
                Ok(vec![good()]),
                &[][..],
                Verdict::Pass,
                "kube-system/kube-dns, 10.96.0.10",
            ),
            (
                Ok(vec![]),
                &[address],
                Verdict::Pass,
                "10.96.0.10, as --service-ip says",
            ),
            (Ok(vec![]), &[], Verdict::Warn, "no Service in kube-system"),
            (
                Ok(vec![service(Reach::Headless)]),
                &[],
                Verdict::Warn,
                "has no ClusterIP",
            ),
            (
                Err(Refusal {
                    found: "found".to_owned(),
                    remedy: "remedy".to_owned(),
                }),
                &[],
                Verdict::Warn,
                "found",
            ),
        ] {
            let finding = judge_dns(services, given);
            assert_eq!(finding.result, result, "{finding:?}");
            assert!(finding.found.contains(words), "{finding:?}");
        }
    }
}
