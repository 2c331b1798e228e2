//! What the API server is asked for.

use super::*;

#[tokio::test]
async fn what_is_wanted_is_what_is_asked_for() {
    // Waits for the last of all lists, so that every kind was asked for.
    const LISTS: usize = 6;
    let everything = Wanted {
        slices: vec![SliceList::Headless, SliceList::Foreign],
        pods: true,
        namespaces: None,
        namespace_selector: Some("team in (a, b)".parse().unwrap()),
        service_selector: Some("!internal".parse().unwrap()),
        config_map: Some(ObjectKey::new("kube-system", "kube-dns")),
    };
    let one = Wanted {
        namespaces: Some(BTreeSet::from(["shop".into()])),
        ..everything.clone()
    };
    let two = Wanted {
        namespaces: Some(BTreeSet::from(["shop".into(), "bar".into()])),
        ..everything.clone()
    };
    for (case, wanted, place, fields) in [
        ("all", everything, "", None),
        ("one", one, "namespaces/shop/", Some("metadata.name=shop")),
        ("two", two, "", None),
    ] {
        let server = Server::start("/none", |_| Reply::Status(500)).await;
        let mut running = Running::start(&server, wanted);
        running.config_map().await;
        let mut lists = 1;
        while lists < LISTS {
            let done = matches!(
                running.event().await,
                Event::Service(Change::InitDone)
                    | Event::Namespace(Change::InitDone)
                    | Event::EndpointSlice(_, Change::InitDone)
                    | Event::Pod(Change::InitDone)
            );
            lists += usize::from(done);
        }
        let paths = BTreeSet::from([
            "/api/v1/namespaces".to_owned(),
            format!("/api/v1/{place}services"),
            format!("/apis/discovery.k8s.io/v1/{place}endpointslices"),
            format!("/api/v1/{place}pods"),
            "/api/v1/namespaces/kube-system/configmaps".to_owned(),
        ]);
        assert_eq!(server.paths(), paths, "{case}");
        let selectors = |path: &str, parameter: &str| -> BTreeSet<Option<String>> {
            let asked = server.asked(path);
            asked
                .iter()
                .map(|query| query.get(parameter).cloned())
                .collect()
        };
        for (path, parameter, expected) in [
            ("namespaces", "labelSelector", vec![Some("team in (a,b)")]),
            ("namespaces", "fieldSelector", vec![fields]),
            (
                &format!("{place}services"),
                "labelSelector",
                vec![Some("!internal")],
            ),
            (
                &format!("{place}pods"),
                "fieldSelector",
                vec![Some(
                    "status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown",
                )],
            ),
            (&format!("{place}pods"), "labelSelector", vec![None]),
            (
                "namespaces/kube-system/configmaps",
                "fieldSelector",
                vec![Some("metadata.name=kube-dns")],
            ),
        ] {
            let expected = expected
                .into_iter()
                .map(|text| text.map(ToOwned::to_owned))
                .collect();
            let got = selectors(&format!("/api/v1/{path}"), parameter);
            assert_eq!(got, expected, "{case}: {parameter} of {path}");
        }
        let slices = format!("/apis/discovery.k8s.io/v1/{place}endpointslices");
        let expected = [
            "service.kubernetes.io/headless",
            "!service.kubernetes.io/headless,\
             endpointslice.kubernetes.io/managed-by!=endpointslice-controller.k8s.io",
        ]
        .map(|text| Some(text.to_owned()));
        assert_eq!(
            selectors(&slices, "labelSelector"),
            BTreeSet::from(expected),
            "{case}"
        );
    }
}

#[tokio::test]
async fn the_slices_of_dns_are_asked_for_where_it_is() {
    for (only, place) in [(None, ""), (Some("shop"), "namespaces/shop/")] {
        let server = Server::start("/none", |_| Reply::Status(500)).await;
        let policy = Policy {
            dns_endpoints: true,
            namespaces: only.map(|name: &str| BTreeSet::from([name.into()])),
            ..Policy::default()
        };
        let mut running = Running::start(&server, Wanted::from(&policy));
        running.store = Store::new(policy);
        running.until(|store| store.zone().synced()).await;
        let asked = server.asked("/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices");
        let selector = asked[0].get("labelSelector").map(String::as_str);
        assert_eq!(selector, Some("k8s-app=kube-dns"));
        let others = server.asked(&format!("/apis/discovery.k8s.io/v1/{place}endpointslices"));
        let of_dns =
            |query: &server::Query| query.get("labelSelector").unwrap().contains("kube-dns");
        assert!(
            others.len() >= 2 && !others.iter().any(of_dns),
            "{others:?}"
        );
    }
}
