//! What comes back is what was written, and nothing else is believed.

use super::*;
use crate::zone::{
    Policy,
    fixture::{Cluster, apply, external, ip, ips, list, namespace, pod, ports, service, slice},
    object::{Event, Reach, Service, SliceList},
    store::Store,
};

const SCOPE: &str = "kubeconfig \"/a\"; pods=Verified";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// One of each kind, of each way to be reached, of each protocol.
fn events() -> Vec<Event> {
    let dns = Service {
        ports: ports(&["dns/udp/53", "dns-tcp/tcp/53"]),
        ..service("kube-dns.kube-system", ips(&["10.0.0.10", "fd00::a"]))
    };
    let slice = slice("s.x", "h", &["h=10.1.0.1", "10.1.0.2"], &["/sctp/7"]);
    let of = |list: SliceList| move |change| Event::EndpointSlice(list, change);
    [
        list(vec![namespace("x")], Event::Namespace),
        list(vec![slice], of(SliceList::Headless)),
        list(vec![], of(SliceList::Foreign)),
        list(vec![pod("p.x", &["10.1.0.1", "fd00::7"])], Event::Pod),
        list(vec![dns], Event::Service),
    ]
    .concat()
}

fn store(events: Vec<Event>) -> Store {
    let mut store = Store::default();
    apply(&mut store, events);
    store
}

fn small() -> Vec<u8> {
    file(
        &payload(&store(events()).contents()),
        at(1_700_000_000),
        SCOPE,
    )
}

fn decoded(file: &[u8]) -> Decoded {
    match decode(file, SCOPE).unwrap() {
        Found::Snapshot(decoded) => decoded,
        other => panic!("{other:?}"),
    }
}

/// A file with this payload whose checksum is right.
fn sealed(payload: &str) -> Vec<u8> {
    file(payload.as_bytes(), at(0), SCOPE)
}

fn error(file: &[u8]) -> String {
    decode(file, SCOPE).unwrap_err().to_string()
}

#[test]
fn objects_come_back_as_they_were() {
    let decoded = decoded(&small());
    assert_eq!(decoded.written, at(1_700_000_000));
    assert_eq!(decoded.contents.into_events(), events());

    let reaches = [
        external("www.example.com"),
        Reach::Headless,
        Reach::Pending,
        ips(&["10.0.0.1"]),
    ];
    for reach in reaches {
        let events = list(vec![service("a.x", reach)], Event::Service);
        let file = file(&payload(&store(events.clone()).contents()), at(0), SCOPE);
        let Found::Snapshot(decoded) = decode(&file, SCOPE).unwrap() else {
            panic!("{events:?}");
        };
        assert_eq!(decoded.contents.into_events(), events);
    }
}

/// Other releases read what this one writes. If this fails, the version has to change.
#[test]
fn the_form_is_that_of_version_1() {
    let payload = concat!(
        r#"{"namespaces":[{"key":{"namespace":"","name":"x"}}],"#,
        r#""services":[{"key":{"namespace":"kube-system","name":"kube-dns"},"#,
        r#""reach":{"ClusterIps":["10.0.0.10","fd00::a"]},"#,
        r#""ports":[{"name":"dns","protocol":"Udp","number":53},{"name":"dns-tcp","protocol":"Tcp","number":53}],"#,
        r#""is_dns":true}],"#,
        r#""slices":[["Headless",[{"key":{"namespace":"x","name":"s"},"service":"h","#,
        r#""endpoints":[{"addresses":["10.1.0.1"],"hostname":"h"},{"addresses":["10.1.0.2"],"hostname":null}],"#,
        r#""ports":[{"name":"","protocol":"Sctp","number":7}]}]],["Foreign",[]]],"#,
        r#""pods":[{"key":{"namespace":"x","name":"p"},"addresses":["10.1.0.1","fd00::7"]}]}"#,
    );
    let header = concat!(
        r#"{"kxdns":"snapshot","version":1,"written":1700000000,"#,
        r#""scope":"kubeconfig \"/a\"; pods=Verified","octets":605,"#,
        r#""sha256":"b216596c72f3eac97a5dc941e5715fc1dda990666c236ffd1215e868289508a7"}"#,
    );
    assert_eq!(
        String::from_utf8(small()).unwrap(),
        format!("{header}\n{payload}")
    );
}

#[test]
fn every_truncation_is_noticed() {
    let file = small();
    for length in 0..file.len() {
        let cut = decode(&file[..length], SCOPE);
        assert!(cut.is_err(), "{length} of {}: {cut:?}", file.len());
    }
    let longer = [&file[..], b"\n"].concat();
    assert!(decode(&longer, SCOPE).is_err());
}

#[test]
fn every_changed_bit_is_noticed() {
    let file = small();
    let version = r#"{"kxdns":"snapshot","version":"#.len();
    for place in 0..file.len() {
        for bit in 0..8 {
            let mut changed = file.clone();
            changed[place] ^= 1 << bit;
            match decode(&changed, SCOPE) {
                // Only what has a version is known to have a checksum.
                Ok(Found::OtherVersion(_)) => assert_eq!(place, version),
                Ok(found) => panic!("bit {bit} of octet {place}: {found:?}"),
                Err(_) => {}
            }
        }
    }
}

#[test]
fn a_header_in_another_dress_is_refused() {
    let file = String::from_utf8(small()).unwrap();
    let (header, _) = file.split_once('\n').unwrap();
    for (case, other) in [
        (
            "a space",
            header.replace(r#""version":1"#, r#""version": 1"#),
        ),
        (
            "an escape",
            header
                .replace(r#""pods"#, r#""\u0070ods"#)
                .replace("; pods", "; \\u0070ods"),
        ),
        (
            "a field more",
            header.replace(r#","octets""#, r#","more":1,"octets""#),
        ),
        (
            "a field twice",
            header.replace(r#","octets""#, r#","written":1700000000,"octets""#),
        ),
        (
            "a field less",
            header.replace(r#""written":1700000000,"#, ""),
        ),
        (
            "another order",
            header.replace(
                r#""version":1,"written":1700000000"#,
                r#""written":1700000000,"version":1"#,
            ),
        ),
        ("not a snapshot", header.replace("snapshot", "shadow")),
        (
            "letters in capitals",
            header[..header.len() - 66].to_owned() + &header[header.len() - 66..].to_uppercase(),
        ),
    ] {
        assert_ne!(other, header, "{case}");
        let got = decode(file.replacen(header, &other, 1).as_bytes(), SCOPE);
        assert!(got.is_err(), "{case}: {got:?}");
    }
}

#[test]
fn another_scope_or_version_is_no_fault() {
    let file = small();
    assert_eq!(
        decode(&file, "other").unwrap(),
        Found::OtherScope(SCOPE.to_owned())
    );
    // But nothing is said of the scope of a file that was changed.
    let mut changed = file.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert!(matches!(
        decode(&changed, "other"),
        Err(FormatError::Checksum)
    ));
    let newer = b"{\"kxdns\":\"snapshot\",\"version\":2,\"packed\":true}\n\x01\x02";
    assert_eq!(decode(newer, SCOPE).unwrap(), Found::OtherVersion(2));
}

#[test]
fn errors_tell_what_is_wrong() {
    let file = small();
    let mut changed = file.clone();
    *changed.last_mut().unwrap() ^= 1;
    for (file, reason) in [
        (
            &b""[..],
            "it has no header: it is cut off, or not a snapshot",
        ),
        (
            &file[..100],
            "it has no header: it is cut off, or not a snapshot",
        ),
        (b"\n", "its header can't be read: EOF while parsing"),
        (b"[1]\n", "its header can't be read: "),
        (
            &file[..file.len() - 1],
            "605 octets should follow its header, but it has 604",
        ),
        (
            &changed,
            "its checksum is wrong: it was changed after it was written",
        ),
        (
            &sealed("{}"),
            "its objects can't be read: missing field `slices`",
        ),
        (
            &sealed(r#"{"slices":[["Sideways",[]]]}"#),
            "its objects can't be read: unknown variant `Sideways`",
        ),
        (
            &sealed(
                r#"{"slices":[],"services":[{"key":{"namespace":"x","name":"a"},"reach":{"ExternalName":"a..b"}}]}"#,
            ),
            "its objects can't be read: `a..b` has an empty label",
        ),
    ] {
        let got = error(file);
        assert!(got.starts_with(reason), "{got}");
    }
}

#[test]
fn no_time_is_too_odd_to_be_written_or_read() {
    let before_1970 = UNIX_EPOCH - Duration::from_secs(1);
    let payload = payload(&Store::default().contents());
    assert_eq!(decoded(&file(&payload, before_1970, SCOPE)).written, at(0));
    let far = at(1 << 40);
    assert_eq!(decoded(&file(&payload, far, SCOPE)).written, far);
    let mut header = Header {
        kxdns: KIND.to_owned(),
        version: VERSION,
        written: u64::MAX,
        scope: SCOPE.to_owned(),
        octets: payload.len() as u64,
        sha256: String::new(),
    };
    header.sha256 = header.checksum(&payload);
    let file = [header.line(), payload].concat();
    assert!(matches!(
        decode(&file, SCOPE),
        Err(FormatError::StrangeHeader)
    ));
}

#[test]
fn a_synced_store_comes_back_synced() {
    let cluster = Cluster {
        services: vec![service("a.x", ips(&["10.0.0.1"]))],
        namespaces: vec![namespace("x")],
        ..Cluster::default()
    };
    let listed = cluster.listed(&Policy::default());
    let file = file(&payload(&listed.contents()), at(5), SCOPE);
    let restored = store(decoded(&file).contents.into_events());
    assert!(restored.zone().synced());
    assert_eq!(restored.zone().pointers(ip("10.0.0.1")).len(), 1);
}
