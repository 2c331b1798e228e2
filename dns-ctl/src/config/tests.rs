//! Defaults that depend on the mode, and contradictions by name.

use clap::Parser as _;

use super::*;
use crate::args::{Cli, Command};

fn config(arguments: &str) -> Result<Config, ConfigError> {
    let words = ["dns-ctl", "run"]
        .into_iter()
        .chain(arguments.split_whitespace());
    let Command::Run(args) = Cli::parse_from(words).command else {
        unreachable!("`run` is given");
    };
    Config::try_from(*args)
}

#[test]
fn the_mode_decides_whether_there_is_a_server_by_default() {
    assert_eq!(config("").unwrap().listen, ["0.0.0.0:53".parse().unwrap()]);
    assert_eq!(config("--mode accelerate").unwrap().listen, []);
    let given = config("--mode accelerate --listen 127.0.0.1:5353,[::1]:53").unwrap();
    assert_eq!(given.listen.len(), 2);
}

#[test]
fn the_kernel_denies_unless_another_dns_may_know_more() {
    for (arguments, negative) in [
        ("", true),
        ("--kernel-negative off", false),
        ("--mode accelerate", false),
        (
            "--mode accelerate --kernel-negative on --endpoints all",
            true,
        ),
        ("--namespace a --kernel-negative on", true),
    ] {
        let kernel = config(arguments).unwrap().kernel.unwrap();
        assert_eq!(kernel.negative, negative, "{arguments}");
    }
}

#[test]
fn clients_are_given_time_to_go_where_somebody_sees_readiness_fall() {
    for (arguments, seconds) in [
        ("", 0),
        ("--metrics-listen 127.0.0.1:9153", 5),
        ("--metrics-listen 127.0.0.1:9153 --lameduck 2", 2),
        ("--metrics-listen 127.0.0.1:9153 --mode accelerate", 0),
    ] {
        let lameduck = config(arguments).unwrap().stopping.lameduck;
        assert_eq!(lameduck, Duration::from_secs(seconds), "{arguments}");
    }
    assert!(config("--answer-endpoints --namespace a,kube-system").is_ok());
}

#[test]
fn the_defaults_watch_as_little_as_possible() {
    let config = config("").unwrap();
    assert_eq!(config.policy, Policy::default());
    assert_eq!(config.resolving.limits.stale, Duration::from_hours(1));
}

#[test]
fn lists_can_be_given_in_one_flag_or_several() {
    let given = config("--namespace a,b --namespace c").unwrap();
    let names = ["a", "b", "c"].map(Into::into);
    assert_eq!(given.policy.namespaces, Some(names.into()));
    let given =
        config("--stub-domain acme.local=10.0.0.1:54,10.0.0.2 --stub-domain b.local=10.0.0.3")
            .unwrap();
    let servers: Vec<_> = given
        .resolving
        .stubs
        .iter()
        .map(|stub| stub.upstreams.len())
        .collect();
    assert_eq!(servers, [2, 1]);
}

#[test]
fn contradictions_are_named() {
    let overlap = |inner: &str, outer: &str| ConfigError::DomainInDomain {
        inner: inner.parse().unwrap(),
        outer: outer.parse().unwrap(),
    };
    for (arguments, error) in [
        (
            "--hook off --interface eth0",
            ConfigError::InterfaceWithoutHook,
        ),
        ("--hook off --mode accelerate", ConfigError::NothingToDo),
        (
            "--mode accelerate --upstream 1.1.1.1",
            ConfigError::NoServer("--upstream"),
        ),
        (
            "--mode accelerate --config-map a/b",
            ConfigError::NoServer("--config-map"),
        ),
        (
            "--stub-domain a.b=1.1.1.1 --stub-domain A.b.=1.1.1.2",
            ConfigError::StubTwice("a.b".parse().unwrap()),
        ),
        (
            "--stub-domain x.cluster.local=1.1.1.1",
            ConfigError::StubInDomain {
                stub: "x.cluster.local".parse().unwrap(),
                domain: "cluster.local".parse().unwrap(),
            },
        ),
        ("--probe a.b", ConfigError::ProbeWithoutMetrics),
        (
            "--hook off --kernel-negative on",
            ConfigError::NegativeWithoutKernel,
        ),
        (
            "--mode accelerate --kernel-negative on --namespace a",
            ConfigError::DeniesHidden("--namespace"),
        ),
        (
            "--mode accelerate --kernel-negative on",
            ConfigError::DeniesHidden("--endpoints headless"),
        ),
        (
            "--mode accelerate --kernel-negative on --endpoints all --pods verified",
            ConfigError::DeniesHidden("--pods disabled or verified"),
        ),
        (
            "--answer-endpoints --namespace a",
            ConfigError::EndpointsHidden,
        ),
        (
            "--cluster-domain a,b,c,d,e,f,g,h,i",
            ConfigError::TooManyDomains(9),
        ),
        ("--cluster-domain a.b,A.b.", overlap("a.b", "a.b")),
        ("--cluster-domain a.b,svc.a.b", overlap("svc.a.b", "a.b")),
        ("--cluster-domain svc.a.b,a.b", overlap("svc.a.b", "a.b")),
    ] {
        assert_eq!(config(arguments).unwrap_err(), error, "{arguments}");
    }
}
