//! Single lines of a block for all names: the flags they come to, and how many lines have no counterpart.

use super::*;

/// Lines, what the command then has in it, and how many of them are listed as lost.
const LINES: &[(&str, &str, usize)] = &[
    (
        "kubernetes a.test b.test",
        "--cluster-domain a.test --cluster-domain b.test",
        0,
    ),
    ("kubernetes a.test x.a.test", "--cluster-domain a.test", 1),
    ("kubernetes", "", 1),
    (
        "kubernetes a.test {\n ttl 3601\n}",
        "--cluster-domain a.test",
        1,
    ),
    ("forward . dns.google", "--resolv-conf /dev/null", 1),
    (
        "forward . /run/resolv.conf",
        "--resolv-conf /run/resolv.conf",
        0,
    ),
    (
        "forward . 1.1.1.1 /run/resolv.conf",
        "--upstream 1.1.1.1",
        1,
    ),
    (
        "forward . 1.1.1.1\nforward . 8.8.8.8",
        "--upstream 1.1.1.1",
        1,
    ),
    ("forward . 1.1.1.1 1.1.1.1", "--upstream 1.1.1.1", 0),
    (
        "forward . 1.1.1.1 {\n tls_servername a.b\n}",
        "--upstream 1.1.1.1",
        0,
    ),
    (
        "forward . 1.1.1.1 {\n max_concurrent 0\n}",
        "--upstream 1.1.1.1",
        1,
    ),
    (
        "forward . 1.1.1.1 {\n max_concurrent 99999\n}",
        "--upstream-concurrency 65536",
        1,
    ),
    (
        "forward x.test 1.1.1.1\nforward . /etc/resolv.conf",
        "--stub-domain x.test=1.1.1.1",
        0,
    ),
    (
        "forward x.test /etc/resolv.conf\nforward . /etc/resolv.conf",
        "",
        0,
    ),
    ("cache", "--prefetch 0 --serve-stale 0", 0),
    (
        "cache 86400",
        "--cache-max-ttl 86400 --cache-max-negative-ttl 10800",
        1,
    ),
    ("cache 0", "", 1),
    ("cache {\n success 100\n}", "--cache-size 10084", 0),
    ("cache {\n serve_stale\n}", "--serve-stale 3600", 0),
    ("cache 30 x.test", "--cache-max-ttl 30", 1),
    ("cache {\n denial many\n}", "", 1),
    (
        "errors\nloop\nreload\nloadbalance\ndebug",
        "--log-level debug",
        0,
    ),
    (
        "bind 10.0.0.1 ::1",
        "--listen 10.0.0.1:53 --listen '[::1]:53'",
        0,
    ),
    ("bind eth0", "", 1),
    ("cancel 10ms", "", 1),
    ("cancel", "", 0),
    ("bufsize 1232", "", 0),
    ("bufsize 4096", "", 1),
    (
        "prometheus :9153\nhealth\nready",
        "--metrics-listen 0.0.0.0:9153",
        0,
    ),
    (
        "prometheus :9153\nprometheus :9154",
        "--metrics-listen 0.0.0.0:9153",
        1,
    ),
    ("health node.example:80", "", 1),
    ("loadbalance weighted f", "", 1),
    ("nosuchplugin {\n a {\n b\n}\n}", "", 3),
];

#[test]
fn single_lines_come_to_flags_or_reasons() {
    for (line, flags, lost) in LINES {
        let report = report(&format!(". {{\n{line}\n}}\n"));
        assert!(
            report.command.contains(flags),
            "{line}: {flags} in {}",
            report.command
        );
        assert_eq!(
            report.no_counterpart.len(),
            *lost,
            "{line}: {:?}",
            report.no_counterpart
        );
        config(&report.args);
    }
}
