//! Which source counts, what is told, and what stays when a source goes wrong.

use super::*;

fn upstreams(texts: &[&str]) -> Vec<Upstream> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Settings of a server on 0.0.0.0:53 of a host that has the address 192.0.2.7.
fn settings(upstreams_given: &[&str], stubs: &[&str]) -> Result<Settings, UpstreamError> {
    let given = Given {
        upstreams: upstreams(upstreams_given),
        stubs: stubs.iter().map(|text| text.parse().unwrap()).collect(),
        resolv_conf: "/etc/resolv.conf".into(),
        config_map: Some(ObjectKey::new("kube-system", "kube-dns")),
        listen: vec!["0.0.0.0:53".parse().unwrap()],
    };
    Settings::new(given, |address| address.to_string() == "192.0.2.7")
}

fn data(stubs: Option<&str>, upstreams: Option<&str>) -> BTreeMap<String, String> {
    [("stubDomains", stubs), ("upstreamNameservers", upstreams)]
        .into_iter()
        .filter_map(|(key, text)| Some((key.to_owned(), text?.to_owned())))
        .collect()
}

/// The routes in a line: stub domains, then the upstreams.
fn shown(settings: &Settings) -> String {
    let routes = settings.routes();
    let list = |upstreams: &[Upstream]| {
        let texts: Vec<_> = upstreams.iter().map(ToString::to_string).collect();
        texts.join(",")
    };
    let mut text = String::new();
    for stub in &routes.stubs {
        text = format!("{text}{}={} ", stub.domain, list(&stub.upstreams));
    }
    text + &list(&routes.upstreams)
}

#[test]
fn each_key_replaces_what_it_means() {
    let resolv_conf = "nameserver 10.0.0.3\n";
    for (case, flag, stubs, stated_upstreams, expected) in [
        ("flags", true, None, None, "f.test=10.0.0.2:53 10.0.0.1:53"),
        (
            "resolv.conf",
            false,
            None,
            None,
            "f.test=10.0.0.2:53 10.0.0.3:53",
        ),
        (
            "upstreams over flags",
            true,
            None,
            Some(r#"["10.0.0.4"]"#),
            "f.test=10.0.0.2:53 10.0.0.4:53",
        ),
        (
            "upstreams over resolv.conf",
            false,
            None,
            Some(r#"["10.0.0.4"]"#),
            "f.test=10.0.0.2:53 10.0.0.4:53",
        ),
        (
            "all stub domains over all stub domains",
            true,
            Some(r#"{"c.test": ["10.0.0.5"], "d.test": ["10.0.0.6"]}"#),
            None,
            "c.test=10.0.0.5:53 d.test=10.0.0.6:53 10.0.0.1:53",
        ),
        (
            "no stub domains",
            true,
            Some("{}"),
            Some("[]"),
            "10.0.0.1:53",
        ),
    ] {
        let flags: &[_] = if flag { &["10.0.0.1"] } else { &[] };
        let mut settings = settings(flags, &["f.test=10.0.0.2"]).unwrap();
        if settings.resolv_conf().is_some() {
            assert!(
                settings
                    .take_resolv_conf(Ok(resolv_conf.to_owned()))
                    .is_empty()
            );
        }
        let before = shown(&settings);
        assert!(settings.take_config_map(None).is_empty(), "{case}");
        let told = settings.take_config_map(Some(&data(stubs, stated_upstreams)));
        assert!(told.is_empty(), "{case}: {told:?}");
        assert_eq!(shown(&settings), expected, "{case}");
        settings.take_config_map(None);
        assert_eq!(shown(&settings), before, "{case}: deleted");
    }
}

#[test]
fn flags_make_resolv_conf_needless() {
    assert!(
        settings(&["10.0.0.1"], &[])
            .unwrap()
            .resolv_conf()
            .is_none()
    );
    assert_eq!(
        settings(&[], &[]).unwrap().resolv_conf(),
        Some(Path::new("/etc/resolv.conf"))
    );
}

#[test]
fn a_bad_config_map_is_told_once_and_changes_nothing() {
    let mut settings = settings(&["10.0.0.1"], &[]).unwrap();
    settings.take_config_map(Some(&data(Some(r#"{"c.test": ["10.0.0.5"]}"#), None)));
    let good = shown(&settings);
    // One key is good, but half a ConfigMap is not what was meant.
    let bad = data(Some("{"), Some(r#"["10.0.0.4"]"#));
    let told = settings.take_config_map(Some(&bad));
    assert!(
        told[0].starts_with("ConfigMap kube-system/kube-dns: stubDomains is not"),
        "{told:?}"
    );
    assert!(told[1].contains("nothing of it is taken"), "{told:?}");
    assert_eq!(shown(&settings), good);
    assert!(settings.take_config_map(Some(&bad)).is_empty());

    let other = data(Some("["), None);
    assert_eq!(settings.take_config_map(Some(&other)).len(), 1);
    assert!(settings.take_config_map(Some(&data(None, None))).is_empty());
    assert_eq!(shown(&settings), "10.0.0.1:53");
    // It was good meanwhile, so it is news again.
    assert_eq!(settings.take_config_map(Some(&other)).len(), 2);
}

#[test]
fn a_bad_resolv_conf_is_told_once_and_changes_nothing() {
    let missing = || Err(io::Error::from(io::ErrorKind::NotFound));
    let mut settings = settings(&[], &[]).unwrap();
    let told = settings.take_resolv_conf(missing());
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("/etc/resolv.conf: it can't be read: "),
        "{told:?}"
    );
    assert!(settings.routes().upstreams.is_empty());

    assert!(
        settings
            .take_resolv_conf(Ok("nameserver 10.0.0.3\n".to_owned()))
            .is_empty()
    );
    for (bad, word) in [
        (missing(), "can't be read"),
        (Ok(String::new()), "names no server"),
        (Ok("\u{1}\u{2} garbage".to_owned()), "not recognized"),
        // Another program has put this server there.
        (
            Ok("nameserver 127.0.0.1\n".to_owned()),
            "own listen address",
        ),
    ] {
        let told = settings.take_resolv_conf(bad).join("\n");
        assert!(told.contains(word), "{told}");
        assert_eq!(shown(&settings), "10.0.0.3:53");
    }
    assert!(
        settings
            .take_resolv_conf(Ok("nameserver 127.0.0.1\n".to_owned()))
            .is_empty()
    );
    settings.take_resolv_conf(Ok("nameserver 10.0.0.4\n".to_owned()));
    assert_eq!(shown(&settings), "10.0.0.4:53");
}

#[test]
fn this_server_is_an_error_in_flags_and_left_out_elsewhere() {
    assert!(settings(&["192.0.2.7"], &[]).is_err());
    assert!(settings(&[], &["f.test=10.0.0.1,127.0.0.1"]).is_err());
    assert!(settings(&["192.0.2.7:5353"], &["f.test=192.0.2.8"]).is_ok());

    let mut settings = settings(&["10.0.0.1"], &[]).unwrap();
    let told = settings.take_config_map(Some(&data(
        Some(r#"{"c.test": ["127.0.0.1", "10.0.0.5"], "d.test": ["192.0.2.7"]}"#),
        Some(r#"["192.0.2.7", "10.0.0.4"]"#),
    )));
    assert_eq!(shown(&settings), "c.test=10.0.0.5:53 10.0.0.4:53");
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(
        told.iter()
            .any(|text| text.contains("d.test has no other server")),
        "{told:?}"
    );

    let only_own = data(None, Some(r#"["192.0.2.7"]"#));
    settings.take_config_map(Some(&only_own));
    assert_eq!(shown(&settings), "10.0.0.1:53");
}
