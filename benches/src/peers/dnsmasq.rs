//! dnsmasq: the cluster's names in a hosts file, all others from an upstream by its cache; kube-dns had it in front.

use std::{ffi::OsString, fmt::Write as _, path::Path};

use super::{Served, TTL};

/// Answers that it keeps: the most for which its manual sees a use.
const CACHE: u32 = 10_000;
/// Queries that wait for the upstream, at most; as many as the Corefile of kubeadm allows.
const WAITING: u32 = 1000;

/// The lines of its hosts file.
pub(super) fn hosts(served: &Served<'_>) -> String {
    let mut text = String::new();
    for (name, address) in served.names {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{address} {name}");
    }
    text
}

/// Its command line: in the foreground, without any of the machine's own files.
pub(super) fn arguments(served: &Served<'_>, hosts: &Path) -> Vec<OsString> {
    let Served {
        listen,
        domain,
        upstream,
        ..
    } = served;
    let mut arguments: Vec<OsString> = [
        "--keep-in-foreground",
        "--log-facility=-",
        "--user=root",
        "--conf-file=/dev/null",
        "--pid-file=",
        "--no-resolv",
        "--no-hosts",
        "--bind-interfaces",
    ]
    .map(OsString::from)
    .into();
    let settings = [
        format!("--listen-address={}", listen.ip()),
        format!("--port={}", listen.port()),
        format!("--server={}#{}", upstream.ip(), upstream.port()),
        format!("--local=/{domain}/"),
        format!("--local-ttl={TTL}"),
        format!("--cache-size={CACHE}"),
        format!("--dns-forward-max={WAITING}"),
    ];
    arguments.extend(settings.map(OsString::from));
    let mut file = OsString::from("--addn-hosts=");
    file.push(hosts);
    arguments.push(file);
    arguments
}

#[cfg(test)]
mod tests {
    use super::{super::tests::with_served, *};

    #[test]
    fn every_name_is_a_line() {
        with_served(|served| {
            let text = hosts(served);
            assert_eq!(text.lines().count(), 2);
            assert!(
                text.starts_with("10.97.0.1 service-1.default.svc.cluster.local\n"),
                "{text}"
            );
            let arguments = arguments(served, Path::new("/x/hosts"));
            for wanted in [
                "--server=127.0.0.4#5300",
                "--local=/cluster.local/",
                "--addn-hosts=/x/hosts",
            ] {
                assert!(
                    arguments.iter().any(|argument| argument == wanted),
                    "{arguments:?}"
                );
            }
        });
    }
}
