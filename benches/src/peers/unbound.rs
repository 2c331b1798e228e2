//! unbound: a cache in front of an upstream, with the cluster's names as local data.

use std::fmt::Write as _;

use super::{Served, TTL};

/// Its configuration file, by the advice of its page on performance tuning.
///
/// As many threads as processors, each with a socket of its own (`so-reuseport`); as many slabs as threads, rounded up
/// to a power of two, so that they hardly meet at a lock; room for bursts. Nothing is validated: the others do not
/// either.
pub(super) fn configuration(served: &Served<'_>, threads: usize) -> String {
    let Served {
        listen,
        domain,
        names,
        upstream,
    } = served;
    let slabs = threads.next_power_of_two();
    let mut text = format!(
        "\
server:
    interface: {ip}@{port}
    access-control: 0.0.0.0/0 allow
    do-ip6: no
    do-not-query-localhost: no
    username: \"\"
    chroot: \"\"
    directory: \"\"
    pidfile: \"\"
    use-syslog: no
    module-config: \"iterator\"
    num-threads: {threads}
    so-reuseport: yes
    msg-cache-slabs: {slabs}
    rrset-cache-slabs: {slabs}
    infra-cache-slabs: {slabs}
    key-cache-slabs: {slabs}
    msg-cache-size: 50m
    rrset-cache-size: 100m
    outgoing-range: 8192
    num-queries-per-thread: 4096
    so-rcvbuf: 4m
    so-sndbuf: 4m
    local-zone: \"{domain}.\" static
",
        ip = listen.ip(),
        port = listen.port(),
    );
    for (name, address) in *names {
        // Writing to a string can't fail.
        let _ = writeln!(text, "    local-data: \"{name}. {TTL} IN A {address}\"");
    }
    let _ = write!(
        text,
        "forward-zone:\n    name: \".\"\n    forward-addr: {}@{}\n",
        upstream.ip(),
        upstream.port()
    );
    text
}

#[cfg(test)]
mod tests {
    use super::{super::tests::with_served, *};

    #[test]
    fn every_name_is_local_data() {
        with_served(|served| {
            let text = configuration(served, 3);
            let line =
                "    local-data: \"service-2.default.svc.cluster.local. 30 IN A 10.97.0.2\"\n";
            assert!(text.contains(line), "{text}");
            assert!(text.contains("    num-threads: 3\n"), "{text}");
            assert!(text.contains("    msg-cache-slabs: 4\n"), "{text}");
            assert!(text.contains("    interface: 10.96.0.10@53\n"), "{text}");
            assert!(
                text.ends_with("    forward-addr: 127.0.0.4@5300\n"),
                "{text}"
            );
        });
    }
}
