//! Whole Corefiles: what they come to, that no line is lost, and that others read what is printed.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _, process::Command};

use clap::Parser as _;

use super::*;
use crate::{
    args::{Cli, Command as Task},
    config::Config,
    serve::settings::config_map,
};

mod lines;
mod random;

/// The samples, the first of which have a counterpart in every line.
const SAMPLES: [(&str, &str); 6] = [
    ("nodelocal", include_str!("samples/nodelocal.Corefile")),
    ("eks", include_str!("samples/eks.Corefile")),
    ("kubeadm", include_str!("samples/kubeadm.Corefile")),
    ("stubs", include_str!("samples/stubs.Corefile")),
    ("snippets", include_str!("samples/snippets.Corefile")),
    ("foreign", include_str!("samples/foreign.Corefile")),
];

fn report(text: &str) -> Report {
    let surroundings = Surroundings {
        variable: &|name| match name {
            "METRICS_HOST" => Some(String::new()),
            "CLUSTER_DOMAIN" => Some("cluster.test".to_owned()),
            _ => None,
        },
        files: &|_, _| Ok(Vec::new()),
    };
    let corefile = corefile::parse("Corefile", text, &surroundings).unwrap();
    Report::new(translate::translate(&corefile))
}

fn sample(name: &str) -> Report {
    let (_, text) = SAMPLES.iter().find(|(known, _)| *known == name).unwrap();
    report(text)
}

fn parsed(args: &[String]) -> Task {
    let words = ["dns-ctl".to_owned()].into_iter().chain(args.to_owned());
    Cli::try_parse_from(words).unwrap().command
}

fn config(args: &[String]) -> Config {
    let Task::Run(run) = parsed(args) else {
        panic!("{args:?} is not `run`");
    };
    Config::try_from(*run).unwrap()
}

/// The lines without counterpart, as `NUMBER WORD`.
fn missing(report: &Report) -> Vec<String> {
    report
        .no_counterpart
        .iter()
        .map(|line| {
            let word = line.text.split(' ').next().unwrap_or_default();
            format!("{} {word}", line.line)
        })
        .collect()
}

#[test]
fn samples_come_to_flags() {
    for (name, flags, lost) in [
        (
            "kubeadm",
            "--cluster-domain cluster.local --pods insecure --endpoints all --ttl 30 \
             --resolv-conf /etc/resolv.conf --upstream-concurrency 1000 --cache-max-ttl 30 \
             --cache-max-negative-ttl 30 --prefetch 0 --serve-stale 0 --metrics-listen 0.0.0.0:9153 \
             --lameduck 5",
            &[][..],
        ),
        (
            "eks",
            "--cluster-domain cluster.local --pods insecure --endpoints all \
             --resolv-conf /etc/resolv.conf --cache-max-ttl 30 --cache-max-negative-ttl 30 \
             --prefetch 0 --serve-stale 0 --metrics-listen 0.0.0.0:9153",
            &[],
        ),
        (
            "nodelocal",
            "--cluster-domain cluster.local --listen 169.254.20.10:53 --listen 10.96.0.10:53 \
             --resolv-conf /etc/resolv.conf --cache-max-ttl 30 --cache-max-negative-ttl 30 \
             --prefetch 0 --serve-stale 0 --metrics-listen 0.0.0.0:9253",
            &[],
        ),
        (
            "stubs",
            "--cluster-domain cluster.local --namespace default --namespace team-a \
             --upstream 'tls://9.9.9.9#dns.quad9.net' --upstream 'tls://[2620:fe::fe]#dns.quad9.net' \
             --stub-domain partner.example=192.0.2.53 \
             --stub-domain acme.local=10.0.0.1,10.0.0.2:5353 \
             --stub-domain corp.example=10.0.0.1,10.0.0.2:5353 \
             --stub-domain 20.10.in-addr.arpa=10.0.0.3 --stub-domain 21.10.in-addr.arpa=10.0.0.3 \
             --kubeconfig /etc/kxdns/kubeconfig --context admin@cluster --pods verified \
             --endpoints all --service-selector 'app in (web, api)' --ignore-empty-services \
             --ttl 10 --upstream-concurrency 2000 --upstream-timeout 4000 --cache-size 7500 \
             --cache-max-ttl 3600 --cache-max-negative-ttl 300 --prefetch 10 --serve-stale 3600 \
             --metrics-listen 127.0.0.1:9153 --config-map kube-system/kube-dns",
            // One cache can't have two longest TTLs: that of most names is carried over.
            &["3 cache", "11 cache"],
        ),
        (
            "snippets",
            "--cluster-domain cluster.test --listen 0.0.0.0:1053 --listen 0.0.0.0:53 \
             --upstream 8.8.8.8 --upstream 8.8.4.4 --stub-domain example.org=10.1.1.1 \
             --pods insecure --endpoints all --namespace-selector 'team in (a, b),tier' \
             --upstream-concurrency 500 --cache-max-ttl 60 --cache-max-negative-ttl 60 \
             --prefetch 0 --serve-stale 0 --metrics-listen 127.0.0.1:8181 \
             --config-map kube-system/kube-dns",
            &["31 import"],
        ),
    ] {
        let report = sample(name);
        assert_eq!(report.command, format!("dns-ctl run {flags}"), "{name}");
        assert_eq!(missing(&report), lost, "{name}");
        assert_eq!(report.is_complete(), lost.is_empty(), "{name}");
    }
}

#[test]
fn what_has_no_counterpart_is_listed_with_a_reason() {
    let report = sample("foreign");
    assert_eq!(missing(&report).len(), 45, "{:#?}", report.no_counterpart);
    for (line, word) in [
        (2, "private"),
        (12, "kubeconfig"),
        (20, "EndpointSlice"),
        (24, "ExternalName"),
        (37, "addresses"),
        (44, "--cache-size 11984"),
        (57, "UDP and TCP only"),
        (59, "not offer"),
        (62, "go to the upstreams"),
    ] {
        let found = report
            .no_counterpart
            .iter()
            .find(|entry| entry.line == line);
        assert!(
            found.is_some_and(|entry| entry.explanation.contains(word)),
            "{line}: {found:?}"
        );
    }
    let lists = report.lists();
    assert!(
        lists.contains("No counterpart:\n  Corefile:2  log .\n"),
        "{lists}"
    );
}

#[test]
fn blocks_that_are_not_for_all_clients_are_not_carried_over() {
    let text = "tls://. {\n forward . 1.1.1.1\n}\nx.test {\n view v {\n expr true\n }\n forward . 2.2.2.2\n}\n. {\n forward . 3.3.3.3\n cache\n}\n";
    let report = report(text);
    assert!(
        report.command.contains("--upstream 3.3.3.3"),
        "{}",
        report.command
    );
    assert!(!report.command.contains("1.1.1.1") && !report.command.contains("2.2.2.2"));
    assert_eq!(
        missing(&report),
        [
            "1 tls://.",
            "2 forward",
            "4 x.test",
            "5 view",
            "6 expr",
            "8 forward"
        ]
    );
}

#[test]
fn what_no_line_says_is_told() {
    let report = report("cluster.local {\n kubernetes\n}\n");
    assert!(
        report.command.contains("--resolv-conf /dev/null"),
        "{}",
        report.command
    );
    assert!(
        report.command.contains("--cache-size 0"),
        "{}",
        report.command
    );
    assert!(
        report.command.contains("--pods disabled"),
        "{}",
        report.command
    );
    assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
    assert!(report.is_complete());
}

#[test]
fn a_shell_and_kubectl_read_what_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    for (program, body) in [
        ("dns-ctl", "printf '%s\\n' \"$@\" > args"),
        ("kubectl", "cat > config-map"),
    ] {
        let path = folder.path().join(program);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let hard = ". {\n kubernetes a.test {\n  kubeconfig \"/it's $HOME/a\\\"b\" \"x y\"\n }\n forward . 1.1.1.1\n cache\n}\n";
    for report in [sample("stubs"), sample("kubeadm"), report(hard)] {
        fs::write(folder.path().join("script"), report.script()).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let status = Command::new("sh")
            .arg("-eu")
            .arg("script")
            .current_dir(&folder)
            .env("PATH", path)
            .status()
            .unwrap();
        assert!(status.success());
        let args = fs::read_to_string(folder.path().join("args")).unwrap();
        assert_eq!(args.lines().collect::<Vec<_>>(), report.args);
        let Some(config_map) = &report.config_map else {
            continue;
        };
        let yaml = fs::read_to_string(folder.path().join("config-map")).unwrap();
        let read: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
        let mut expected = serde_json::to_value(config_map).unwrap();
        // A literal block ends with a line break.
        for value in expected["data"].as_object_mut().unwrap().values_mut() {
            *value = format!("{}\n", value.as_str().unwrap()).into();
        }
        assert_eq!(read, expected);
    }
}

#[test]
fn the_config_map_says_what_the_flags_say() {
    for (name, _) in SAMPLES {
        let report = sample(name);
        let values = |flag: &str| -> Vec<String> {
            let pairs = report.args.windows(2).filter(|pair| pair[0] == flag);
            pairs.map(|pair| pair[1].clone()).collect()
        };
        let data = |key: &str| {
            let config_map = report.config_map.as_ref();
            config_map.and_then(|map| map.data.get(key).cloned())
        };
        let stubs: BTreeMap<String, Vec<String>> = data("stubDomains")
            .map_or_else(BTreeMap::new, |text| serde_json::from_str(&text).unwrap());
        let mut stubs: Vec<_> = stubs
            .into_iter()
            .map(|(domain, servers)| format!("{domain}={}", servers.join(",")))
            .collect();
        let mut flags = values("--stub-domain");
        stubs.sort();
        flags.sort();
        assert_eq!(stubs, flags, "{name}");
        let upstreams: Vec<String> = data("upstreamNameservers")
            .map_or_else(Vec::new, |text| serde_json::from_str(&text).unwrap());
        assert_eq!(upstreams, values("--upstream"), "{name}");
    }
}

#[test]
fn the_config_map_is_taken_as_the_flags_are() {
    let report = sample("snippets");
    let data = report.config_map.unwrap().data;
    let data = data
        .into_iter()
        .map(|(key, text)| (key.to_owned(), text))
        .collect();
    let stated = config_map::parse(&data).unwrap();
    let Task::Run(run) = parsed(&report.args) else {
        unreachable!("`run` is what a Corefile comes to");
    };
    assert_eq!(stated.stubs, Some(run.stub_domain));
    assert_eq!(stated.upstreams, Some(run.upstream));
    assert!(stated.ignored.is_empty());
}

#[test]
fn json_has_the_fields_that_scripts_rely_on() {
    let json = serde_json::to_value(sample("snippets")).unwrap();
    assert_eq!(json["args"][0], "run");
    assert!(
        json["command"]
            .as_str()
            .unwrap()
            .starts_with("dns-ctl run ")
    );
    assert_eq!(json["config_map"]["apiVersion"], "v1");
    assert_eq!(json["config_map"]["metadata"]["name"], "kube-dns");
    for list in ["carried_over", "on_by_itself", "no_counterpart"] {
        let entry = &json[list][0];
        assert!(
            entry["line"].is_u64() && entry["text"].is_string(),
            "{list}"
        );
        assert_eq!(entry["file"], "Corefile", "{list}");
        assert!(entry["explanation"].is_string(), "{list}");
    }
    assert!(json["notes"].is_array());
}

#[test]
fn files_are_read_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("custom")).unwrap();
    fs::write(at("custom/a.server"), "a.test {\n forward . 10.0.0.1\n}\n").unwrap();
    fs::write(at("custom/b.txt"), "}").unwrap();
    fs::write(
        at("Corefile"),
        ". {\n cache\n forward . 10.0.0.2\n}\nimport custom/*.server\n",
    )
    .unwrap();
    let args = |name: &str| CorefileArgs {
        file: at(name),
        output: Output::Table,
    };
    let found = read(&args("Corefile")).unwrap();
    assert!(
        found.command.contains("--stub-domain a.test=10.0.0.1"),
        "{}",
        found.command
    );
    assert!(found.is_complete(), "{:?}", found.no_counterpart);

    let error = read(&args("nowhere")).unwrap_err().to_string();
    assert!(error.contains("nowhere can't be read"), "{error}");
    fs::write(at("Corefile"), ". {\nimport custom/c\n}\n").unwrap();
    let error = read(&args("Corefile")).unwrap_err().to_string();
    assert!(error.contains("Corefile:2: `custom/c`"), "{error}");
}
