//! Texts and files that name upstreams, good and bad.

use super::*;

fn upstream(text: &str) -> Upstream {
    text.parse().unwrap()
}

#[test]
fn addresses_with_and_without_port() {
    for (text, address) in [
        ("10.0.0.1", "10.0.0.1:53"),
        ("10.0.0.1:5353", "10.0.0.1:5353"),
        ("[::1]:54", "[::1]:54"),
        ("[::1]", "[::1]:53"),
        ("2001:db8::1", "[2001:db8::1]:53"),
    ] {
        assert_eq!(upstream(text).to_string(), address, "{text}");
    }
}

#[test]
fn tls_has_a_port_and_a_name_of_its_own() {
    for (text, shown, name) in [
        ("tls://10.0.0.1", "tls://10.0.0.1:853", "10.0.0.1"),
        ("tls://10.0.0.1:8853", "tls://10.0.0.1:8853", "10.0.0.1"),
        (
            "tls://2001:db8::1",
            "tls://[2001:db8::1]:853",
            "2001:db8::1",
        ),
        (
            "tls://[::1]:54#dns.example",
            "tls://[::1]:54#dns.example",
            "dns.example",
        ),
        ("tls://10.0.0.1#10.0.0.1", "tls://10.0.0.1:853", "10.0.0.1"),
    ] {
        let upstream = upstream(text);
        assert_eq!(upstream.to_string(), shown, "{text}");
        assert_eq!(upstream.server_name().unwrap().to_str(), name, "{text}");
        assert_eq!(shown.parse(), Ok(upstream), "{text}");
    }
    assert_eq!(upstream("10.0.0.1").server_name(), None);

    let text = "10.0.0.1#dns.example";
    let error = text.parse::<Upstream>().unwrap_err();
    assert_eq!(error, UpstreamError::NameWithoutTls(text.to_owned()));
    assert!(
        error
            .to_string()
            .contains("write tls://10.0.0.1#dns.example")
    );
    for text in ["tls://10.0.0.1#", "tls://10.0.0.1#a b", "tls://::1#-.x"] {
        let error = text.parse::<Upstream>().unwrap_err();
        assert_eq!(error, UpstreamError::ServerName(text.to_owned()));
    }
}

#[test]
fn other_texts_are_refused_with_the_form_wanted() {
    for text in [
        "",
        "dns.google",
        "10.0.0.1:",
        "10.0.0",
        "1.2.3.4:99999",
        "[::1",
        "a:53",
        "tls://",
        "tls://dns.google",
        "TLS://10.0.0.1",
        "https://10.0.0.1",
    ] {
        let error = text.parse::<Upstream>().unwrap_err();
        assert_eq!(error, UpstreamError::Syntax(text.to_owned()));
        assert!(error.to_string().contains("10.0.0.53:5353"));
    }
    for text in [
        "0.0.0.0",
        "[::]:53",
        "10.0.0.1:0",
        "224.0.0.251",
        "tls://0.0.0.0#a.b",
    ] {
        let error = text.parse::<Upstream>().unwrap_err();
        assert_eq!(error, UpstreamError::Unusable(text.to_owned()));
    }
}

#[test]
fn resolv_conf_keeps_order_and_tells_what_it_leaves_out() {
    let found = upstreams(
        "# made by hand\nsearch example.com\nnameserver 10.0.0.2\nnameserver 10.0.0.1\n\
         nameserver 10.0.0.2\nnameserver fe80::1%eth0\nnameserver fe80::1%3\n\
         nameserver nonsense\noptions ndots:5 edns0 no-such-option\n",
    );
    let addresses: Vec<_> = found.upstreams.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.0.0.2:53", "10.0.0.1:53", "[fe80::1%3]:53"]);
    assert!(
        found
            .ignored
            .iter()
            .any(|line| line.contains("fe80::1%eth0")),
        "{found:?}"
    );
    assert!(found.ignored.len() >= 2, "{found:?}");
    assert_eq!(upstreams("").upstreams, []);
}

#[test]
fn an_upstream_must_not_be_this_server() {
    let local: IpAddr = "192.0.2.7".parse().unwrap();
    for (upstream_text, listen, own) in [
        ("10.0.0.1", "10.0.0.1:53", true),
        ("10.0.0.1:5353", "10.0.0.1:53", false),
        ("10.0.0.2", "10.0.0.1:53", false),
        ("127.0.0.1", "0.0.0.0:53", true),
        ("192.0.2.7", "0.0.0.0:53", true),
        ("192.0.2.8", "0.0.0.0:53", false),
        ("::1", "0.0.0.0:53", false),
        ("::1", "[::]:53", true),
    ] {
        let result = check_not_own(
            &[upstream("198.51.100.1"), upstream(upstream_text)],
            &[listen.parse().unwrap()],
            |address| address == local,
        );
        assert_eq!(result.is_err(), own, "{upstream_text} at {listen}");
        if let Err(error) = result {
            assert!(error.to_string().contains(listen), "{error}");
        }
    }
}
