//! Services: the defaults, address allocation and rules a real API server applies to them.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::address::Pool;
use super::admit::is_label;
use super::object::{object_mut, text};
use super::status::Cause;

/// Fills in what the writer left out and checks the rest; `old` is the service before an update.
///
/// Addresses are chosen but not yet taken: a later check may still refuse the object.
pub fn admit(service: &mut Value, old: Option<&Value>, pool: &mut Pool) -> Vec<Cause> {
    object_mut(service, "spec");
    let mut causes = Vec::new();
    set_default(service, "type", "ClusterIP");
    set_default(service, "sessionAffinity", "None");
    let kind = text(service, "/spec/type").to_owned();
    match kind.as_str() {
        "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName" => {}
        other => causes.push(Cause {
            field: "spec.type".into(),
            reason: "FieldValueNotSupported",
            message: format!(
                "Unsupported value: {other:?}: supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\""
            ),
        }),
    }
    ports(service, &kind, &mut causes);
    if kind == "ExternalName" {
        if text(service, "/spec/externalName").is_empty() {
            causes.push(Cause::required("spec.externalName", ""));
        }
        if !addresses_given(service).is_empty() {
            causes.push(Cause::forbidden(
                "spec.clusterIPs",
                "may not be set when `type` is 'ExternalName'",
            ));
        }
        return causes;
    }
    set_default(service, "internalTrafficPolicy", "Cluster");
    if kind == "LoadBalancer" || kind == "NodePort" {
        set_default(service, "externalTrafficPolicy", "Cluster");
    }
    families(service, old, pool, &mut causes);
    causes
}

/// The addresses a service holds; none for headless and external ones.
#[must_use]
pub fn addresses(service: &Value) -> Vec<IpAddr> {
    addresses_given(service)
        .iter()
        .filter_map(|address| address.parse().ok())
        .collect()
}

fn set_default(service: &mut Value, field: &str, value: &str) {
    if text(service, &format!("/spec/{field}")).is_empty() {
        service["spec"][field] = value.into();
    }
}

fn addresses_given(service: &Value) -> Vec<String> {
    let list = service
        .pointer("/spec/clusterIPs")
        .and_then(Value::as_array);
    let many: Vec<_> = list
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    match text(service, "/spec/clusterIP") {
        one if many.is_empty() && !one.is_empty() => vec![one.to_owned()],
        _ => many,
    }
}

fn families(service: &mut Value, old: Option<&Value>, pool: &mut Pool, causes: &mut Vec<Cause>) {
    let mut given = addresses_given(service);
    let held = old.map(addresses_given).unwrap_or_default();
    if given.is_empty() {
        // An update that leaves the address out keeps it.
        given.clone_from(&held);
    }
    let primary = text(service, "/spec/clusterIP");
    if !primary.is_empty() && given.first().is_some_and(|first| first != primary) {
        causes.push(Cause::invalid(
            "spec.clusterIPs",
            &given,
            "first value must match `clusterIP`",
        ));
        return;
    }
    if let (Some(was), Some(is)) = (held.first(), given.first())
        && was != is
    {
        causes.push(Cause::invalid(
            "spec.clusterIPs[0]",
            &given,
            "may not change once set",
        ));
        return;
    }
    for (at, address) in given
        .iter()
        .enumerate()
        .filter(|(_, address)| *address != "None")
    {
        let field = format!("spec.clusterIPs[{at}]");
        match address.parse::<IpAddr>() {
            Err(_) => causes.push(Cause::invalid(
                &field,
                address,
                "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            )),
            Ok(parsed) if !held.contains(address) => {
                causes.extend(
                    pool.check(parsed)
                        .err()
                        .map(|why| Cause::invalid(&field, &given, &why)),
                );
            }
            Ok(_) => {}
        }
    }
    if !causes.is_empty() {
        return;
    }
    let families = families_of(service, &given);
    if given.first().is_none_or(|first| first != "None") {
        for family in families.iter().skip(given.len()) {
            given.push(pool.propose(*family == "IPv6").to_string());
        }
    }
    let policy = if families.len() > 1 {
        "RequireDualStack"
    } else {
        "SingleStack"
    };
    set_default(service, "ipFamilyPolicy", policy);
    service["spec"]["ipFamilies"] = json!(families);
    service["spec"]["clusterIP"] = json!(given.first());
    service["spec"]["clusterIPs"] = json!(given);
}

/// The families a service has: of its addresses, then those asked for, then what the policy needs.
fn families_of(service: &Value, given: &[String]) -> Vec<&'static str> {
    let named = |v6: bool| if v6 { "IPv6" } else { "IPv4" };
    let mut families: Vec<_> = given
        .iter()
        .filter_map(|address| address.parse().ok())
        .map(|ip: IpAddr| named(ip.is_ipv6()))
        .collect();
    let asked = service
        .pointer("/spec/ipFamilies")
        .and_then(Value::as_array);
    for family in asked.into_iter().flatten().filter_map(Value::as_str) {
        let family = named(family == "IPv6");
        if !families.contains(&family) {
            families.push(family);
        }
    }
    if families.is_empty() {
        families.push("IPv4");
    }
    if families.len() == 1 && text(service, "/spec/ipFamilyPolicy").ends_with("DualStack") {
        families.push(named(families[0] == "IPv4"));
    }
    families
}

fn ports(service: &mut Value, kind: &str, causes: &mut Vec<Cause>) {
    let headless = text(service, "/spec/clusterIP") == "None";
    let Some(ports) = service["spec"]
        .get_mut("ports")
        .and_then(Value::as_array_mut)
        .filter(|ports| !ports.is_empty())
    else {
        if !headless && kind != "ExternalName" {
            causes.push(Cause::required("spec.ports", ""));
        }
        return;
    };
    let many = ports.len() > 1;
    let (mut names, mut pairs) = (Vec::new(), Vec::new());
    for (at, port) in ports.iter_mut().enumerate() {
        let field = |name: &str| format!("spec.ports[{at}].{name}");
        if text(port, "/protocol").is_empty() {
            port["protocol"] = "TCP".into();
        }
        let number = port["port"].as_i64().unwrap_or(0);
        if !(1..=65535).contains(&number) {
            causes.push(Cause::invalid(
                &field("port"),
                number,
                "must be between 1 and 65535, inclusive",
            ));
        }
        if port["targetPort"].is_null() {
            port["targetPort"] = number.into();
        }
        if !matches!(text(port, "/protocol"), "TCP" | "UDP" | "SCTP") {
            let why = "supported values: \"SCTP\", \"TCP\", \"UDP\"";
            causes.push(Cause::invalid(
                &field("protocol"),
                text(port, "/protocol"),
                why,
            ));
        }
        let name = text(port, "/name").to_owned();
        if name.is_empty() && many {
            causes.push(Cause::required(&field("name"), ""));
        } else if !name.is_empty() && !is_label(&name) {
            causes.push(Cause::invalid(
                &field("name"),
                &name,
                "must be a DNS label (RFC 1123)",
            ));
        }
        let pair = (number, text(port, "/protocol").to_owned());
        if !name.is_empty() && names.contains(&name) {
            causes.push(duplicate(&field("name"), &name));
        }
        if pairs.contains(&pair) {
            causes.push(duplicate(
                &format!("spec.ports[{at}]"),
                &format!("{}/{}", pair.1, pair.0),
            ));
        }
        names.push(name);
        pairs.push(pair);
    }
}

fn duplicate(field: &str, value: &str) -> Cause {
    Cause {
        field: field.into(),
        reason: "FieldValueDuplicate",
        message: format!("Duplicate value: {value:?}"),
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
