//! Sequences of a watch's steps, and what each of them comes to.

use serde_json::{Value, json};

use super::*;
use crate::zone::object::{EndpointSlice, Pod, Service};

/// An object as a watch gets it.
fn arriving<T: Kind>(object: &Value) -> Arriving<T> {
    serde_json::from_value(object.clone()).unwrap()
}

fn service(name: &str, ip: &str) -> Arriving<Service> {
    arriving(&json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "resourceVersion": "8"},
        "spec": {"clusterIP": ip},
    }))
}

/// The change in short, and whether something is told.
fn short<T: Kind>(sifted: Sifted<T>) -> (String, bool) {
    let change = match sifted.change {
        None => String::new(),
        Some(Change::Init) => "init".to_owned(),
        Some(Change::InitApply(_)) => "init apply".to_owned(),
        Some(Change::InitDone) => "init done".to_owned(),
        Some(Change::Apply(_)) => "apply".to_owned(),
        Some(Change::Delete(key)) => format!("delete {key}"),
    };
    (change, sifted.complaint.is_some())
}

#[test]
fn an_invalid_object_loses_its_name_and_is_told_once() {
    use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
    const BAD: &str = "10.0.0.300";
    let mut sieve = Sieve::new();
    for (case, step, change, is_told, invalid) in [
        ("a list begins", Init, "init", false, 0),
        (
            "right",
            InitApply(service("a", "10.0.0.1")),
            "init apply",
            false,
            0,
        ),
        (
            "wrong from the start",
            InitApply(service("b", BAD)),
            "",
            true,
            1,
        ),
        ("it ends", InitDone, "init done", false, 1),
        (
            "broken",
            Apply(service("a", BAD)),
            "delete default/a",
            true,
            2,
        ),
        (
            "still",
            Apply(service("a", BAD)),
            "delete default/a",
            false,
            2,
        ),
        (
            "otherwise",
            Apply(service("a", "10.0.0")),
            "delete default/a",
            true,
            2,
        ),
        ("another list", Init, "init", false, 2),
        (
            "told before",
            InitApply(service("a", "10.0.0")),
            "",
            false,
            2,
        ),
        ("it ends", InitDone, "init done", false, 1),
        (
            "put right",
            Apply(service("a", "10.0.0.1")),
            "apply",
            false,
            0,
        ),
        (
            "broken again",
            Apply(service("a", "10.0.0")),
            "delete default/a",
            true,
            1,
        ),
        (
            "gone",
            Delete(service("a", "10.0.0")),
            "delete default/a",
            false,
            0,
        ),
        (
            "back, and broken",
            Apply(service("a", "10.0.0")),
            "delete default/a",
            true,
            1,
        ),
    ] {
        let got = short(sieve.sift(step));
        assert_eq!(got, (change.to_owned(), is_told), "{case}");
        assert_eq!(sieve.invalid(), invalid, "{case}");
    }
}

#[test]
fn complaints_name_the_object_and_the_reason() {
    let mut sieve = Sieve::new();
    let sifted = sieve.sift(watcher::Event::Apply(service("a", "10.0.0.300")));
    let complaint = sifted.complaint.unwrap();
    assert!(
        complaint.starts_with("Service default/a is left out: its clusterIP `10.0.0.300`"),
        "{complaint}"
    );
}

#[test]
fn a_part_that_is_left_out_is_told_once_and_the_rest_is_served() {
    let slice = |hostname: &str| {
        watcher::Event::Apply(arriving::<EndpointSlice>(&json!({
            "metadata": {
                "name": "a-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "a"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "hostname": hostname}],
        })))
    };
    let mut sieve = Sieve::new();
    for (hostname, is_told) in [
        ("a_b", true),
        ("a_b", false),
        ("good", false),
        ("a_b", true),
        ("c_d", true),
    ] {
        let got = short(sieve.sift(slice(hostname)));
        assert_eq!(got, ("apply".to_owned(), is_told), "{hostname}");
        assert_eq!(sieve.invalid(), 0);
    }
}

#[test]
fn what_dns_does_not_need_goes_without_a_word() {
    let pod = |phase: &str| {
        arriving::<Pod>(&json!({
            "metadata": {"name": "p", "namespace": "default"},
            "status": {"phase": phase, "podIP": "10.0.0.1"},
        }))
    };
    let mut sieve = Sieve::new();
    for (step, change) in [
        (watcher::Event::Init, "init"),
        (watcher::Event::InitApply(pod("Failed")), ""),
        (watcher::Event::InitDone, "init done"),
        (watcher::Event::Apply(pod("Running")), "apply"),
        (watcher::Event::Apply(pod("Succeeded")), "delete default/p"),
    ] {
        assert_eq!(short(sieve.sift(step)), (change.to_owned(), false));
    }
}
