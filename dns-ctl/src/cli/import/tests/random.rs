//! Random Corefiles: whatever they say, each line is accounted for once, and the flags are good flags.

use proptest::prelude::*;

use super::*;

/// Directives, options, and words that may stand behind them; some fit together, most do not.
const NAMES: &[&str] = &[
    "kubernetes",
    "forward",
    "cache",
    "bind",
    "prometheus",
    "health",
    "ready",
    "errors",
    "log",
    "loop",
    "reload",
    "hosts",
    "rewrite",
    "cancel",
    "bufsize",
    "debug",
    "view",
    "unheard-of",
    "ttl",
    "pods",
    "namespaces",
    "labels",
    "namespace_labels",
    "kubeconfig",
    "fallthrough",
    "ignore",
    "noendpoints",
    "success",
    "denial",
    "prefetch",
    "serve_stale",
    "disable",
    "max_concurrent",
    "policy",
    "tls_servername",
    "except",
    "force_tcp",
    "lameduck",
    "loadbalance",
];
const WORDS: &[&str] = &[
    ".",
    "cluster.local",
    "a.test",
    "b.a.test",
    "in-addr.arpa",
    "10.0.0.0/9",
    "30",
    "0",
    "7200",
    "99999999",
    "4294967296",
    "-1",
    "1h",
    "5s",
    "10.0.0.1",
    "10.0.0.2:5353",
    "::1",
    "[::1]:54",
    "/etc/resolv.conf",
    "/run/x",
    "insecure",
    "verified",
    "empty_service",
    "app=web",
    "team-a",
    "Bad_Name!",
    "success",
    "denial",
    "verify",
    "immediate",
    ":9153",
    "localhost:8080",
    "eth0",
    "0.0.0.0",
    "sequential",
    "random",
    "10%",
    "a..b",
];
const KEYS: &[&str] = &[
    ".",
    ".:53",
    "cluster.local:53",
    "a.test",
    "b.a.test:1053",
    "in-addr.arpa",
    "10.0.0.0/9",
    "tls://.",
    "dns://a.test:53",
    "gopher://x",
    "a..b",
];

fn line() -> impl Strategy<Value = String> {
    let words = prop::collection::vec(prop::sample::select(WORDS), 0..4);
    (prop::sample::select(NAMES), words).prop_map(|(name, words)| {
        let mut line = name.to_owned();
        for word in words {
            line += " ";
            line += word;
        }
        line
    })
}

/// A directive as lines of text, braces in lines of their own.
fn directive() -> impl Strategy<Value = Vec<String>> {
    (line(), prop::collection::vec(line(), 0..5)).prop_map(|(line, options)| {
        let mut lines = vec![line];
        if !options.is_empty() {
            lines.push("{".to_owned());
            lines.extend(options);
            lines.push("}".to_owned());
        }
        lines
    })
}

fn corefile() -> impl Strategy<Value = Vec<String>> {
    let block = (
        prop::sample::select(KEYS),
        prop::collection::vec(directive(), 0..7),
    )
        .prop_map(|(key, directives)| {
            let mut lines = vec![key.to_owned(), "{".to_owned()];
            lines.extend(directives.into_iter().flatten());
            lines.push("}".to_owned());
            lines
        });
    prop::collection::vec(block, 0..4).prop_map(|blocks| blocks.into_iter().flatten().collect())
}

proptest! {
    #[test]
    fn each_line_ends_in_exactly_one_list(lines in corefile()) {
        let report = report(&lines.join("\n"));
        let mut told: Vec<(usize, String)> = [
            &report.carried_over,
            &report.on_by_itself,
            &report.no_counterpart,
        ]
        .into_iter()
        .flatten()
        .map(|line| (line.line as usize, line.text.clone()))
        .collect();
        told.sort();
        let written: Vec<(usize, String)> = (1..)
            .zip(&lines)
            .filter(|(_, text)| !["{", "}"].contains(&text.as_str()))
            .map(|(number, text)| (number, text.clone()))
            .collect();
        prop_assert_eq!(told, written);
    }

    #[test]
    fn the_flags_are_taken(lines in corefile()) {
        let report = report(&lines.join("\n"));
        config(&report.args);
    }
}
