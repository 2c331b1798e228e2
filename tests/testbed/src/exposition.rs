//! Reads figures out of the Prometheus text format.

/// The sum of a metric over all its label sets; `None` if the text does not have it.
///
/// `name` is the full name as it stands in the text (counters end in `_total`).
#[must_use]
pub fn sum(text: &str, name: &str) -> Option<f64> {
    text.lines()
        .filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let value = match rest.strip_prefix('{') {
                // A label's value may hold any character: the last brace closes the set.
                Some(labels) => labels.rsplit_once('}')?.1,
                None => rest.strip_prefix(' ')?,
            };
            value.split_whitespace().next()?.parse::<f64>().ok()
        })
        .reduce(|sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP kxdns_server_requests Requests.
# TYPE kxdns_server_requests counter
kxdns_server_requests_total{proto=\"udp\",name=\"a}b\"} 3
kxdns_server_requests_total{proto=\"tcp\"} 4 1700000000
kxdns_server_requests_total_other 100
kxdns_uptime_seconds 1.5
# EOF
";

    #[test]
    fn sums_over_labels() {
        for (name, expected) in [
            ("kxdns_server_requests_total", Some(7.0)),
            ("kxdns_uptime_seconds", Some(1.5)),
            ("kxdns_server_requests", None),
            ("absent", None),
        ] {
            assert_eq!(sum(TEXT, name), expected, "{name}");
        }
    }
}
