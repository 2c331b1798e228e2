//! Whatever changes what is known makes another scope, and nothing else does.

use std::collections::HashMap;

use clap::Parser as _;

use super::*;
use crate::{
    args::{Cli, Command},
    zone::Policy,
};

fn scope(arguments: &str, surroundings: &Surroundings) -> String {
    let words = ["dns-ctl", "run"]
        .into_iter()
        .chain(arguments.split_whitespace());
    let Command::Run(args) = Cli::parse_from(words).command else {
        unreachable!("`run` is given");
    };
    let config = Config::try_from(*args).unwrap();
    Scope::of(&config, surroundings).to_string()
}

fn in_cluster() -> Surroundings {
    Surroundings {
        service_host: Some("10.0.0.1".into()),
        ..Surroundings::default()
    }
}

#[test]
fn the_text_says_what_was_asked_for() {
    assert_eq!(
        scope(
            "--kubeconfig /a --context b --namespace y,x --service-selector team=a --pods verified",
            &in_cluster()
        ),
        format!(
            "source=kubeconfig \"/a\" context \"b\"; namespaces={{\"x\", \"y\"}}; namespace-selector=all; \
             service-selector=\"team=a\"; slices={:?}; pods=Verified; endpoints=Headless; \
             ignore-empty-services=false",
            Policy::default().slice_lists()
        )
    );
    let of_all = scope("--endpoints all", &in_cluster());
    assert!(
        of_all.starts_with("source=in-cluster \"10.0.0.1\"; "),
        "{of_all}"
    );
    assert!(of_all.contains("slices=[All]"), "{of_all}");
}

#[test]
fn flags_that_decide_what_is_known_make_another_scope() {
    let mut seen = HashMap::new();
    for arguments in [
        "",
        "--kubeconfig /a",
        "--kubeconfig /b",
        "--kubeconfig /a --context a",
        "--kubeconfig /a --context b",
        "--namespace a",
        "--namespace a,b",
        "--namespace-selector a",
        "--service-selector a",
        "--pods disabled",
        "--pods verified",
        "--endpoints all",
        "--ignore-empty-services",
        "--manifests /a",
    ] {
        let before = seen.insert(scope(arguments, &in_cluster()), arguments);
        assert_eq!(before, None, "{arguments}");
    }
    for same in [
        "--ttl 7",
        "--mode accelerate",
        "--cluster-domain a,b",
        "--state-dir /x",
    ] {
        assert_eq!(
            scope(same, &in_cluster()),
            scope("", &in_cluster()),
            "{same}"
        );
    }
}

#[test]
fn the_server_is_the_one_that_would_be_connected_to() {
    let all = Surroundings {
        kubeconfig: Some("/env".into()),
        home_kubeconfig: Some("/home/.kube/config".into()),
        service_host: Some("10.0.0.1".into()),
    };
    let begins = |arguments: &str, surroundings: &Surroundings, expected: &str| {
        let got = scope(arguments, surroundings);
        assert!(got.starts_with(&format!("source={expected}; ")), "{got}");
    };
    begins("--kubeconfig /given", &all, "kubeconfig \"/given\"");
    begins("", &all, "kubeconfig \"/env\"");
    let home = Surroundings {
        kubeconfig: None,
        ..all
    };
    begins("", &home, "kubeconfig \"/home/.kube/config\"");
    begins("", &in_cluster(), "in-cluster \"10.0.0.1\"");
    begins("", &Surroundings::default(), "in-cluster \"\"");
}

#[test]
fn what_comes_from_outside_does_not_read_like_something_else() {
    let tricky = Surroundings {
        kubeconfig: Some("/a\" context \"b".into()),
        ..Surroundings::default()
    };
    assert_ne!(
        scope("", &tricky),
        scope("--kubeconfig /a --context b", &Surroundings::default())
    );
}
