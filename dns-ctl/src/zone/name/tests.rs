//! Names: parsing, order, and their parts.

use super::*;

fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.') {
        wire.push(u8::try_from(label.len()).unwrap());
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

#[test]
fn within_finds_the_relative_part_in_any_case() {
    let domain: Domain = "Cluster.Local.".parse().unwrap();
    let name = RelativeName::within(&wire("NGINX.default.Svc.cluster.LOCAL"), &domain);
    assert_eq!(name, RelativeName::service("default", "nginx").ok());
    assert_eq!(
        RelativeName::within(&wire("cluster.local"), &domain),
        Some(RelativeName::apex())
    );
    assert_eq!(RelativeName::within(&wire("local"), &domain), None);
    assert_eq!(RelativeName::within(&wire("example.com"), &domain), None);
}

#[test]
fn a_suffix_inside_a_label_is_not_the_domain() {
    let domain: Domain = "local".parse().unwrap();
    // One label of six octets whose last octets are those of the domain's wire form.
    assert_eq!(RelativeName::within(b"\x07a\x05local\0", &domain), None);
}

#[test]
fn parents_lead_to_the_apex() {
    let name = RelativeName::service("default", "nginx").unwrap();
    let parent = name.parent().unwrap();
    assert_eq!(parent, RelativeName::namespace("default").unwrap());
    assert_eq!(parent.to_string(), "default.svc");
    assert_eq!(
        parent.parent().unwrap().parent(),
        Some(RelativeName::apex())
    );
    assert_eq!(RelativeName::apex().parent(), None);
}

#[test]
fn a_domain_is_written_as_text_and_read_if_it_is_one() {
    let domain: Domain = "Cluster.Local".parse().unwrap();
    let text = serde_json::to_string(&domain).unwrap();
    assert_eq!(text, r#""cluster.local""#);
    assert_eq!(serde_json::from_str::<Domain>(&text).unwrap(), domain);
    for (text, reason) in [
        (r#""""#, "has an empty label"),
        (r#""a..b""#, "has an empty label"),
        (r#""a.b c""#, "has the character ' '"),
        ("7", "expected a string"),
    ] {
        let error = serde_json::from_str::<Domain>(text).unwrap_err();
        assert!(error.to_string().contains(reason), "{text}: {error}");
    }
}

#[test]
fn bad_names_are_refused_by_reason() {
    let long = "a".repeat(64);
    assert!(matches!(
        RelativeName::service("d", ""),
        Err(NameError::EmptyLabel(_))
    ));
    assert!(matches!(
        RelativeName::service("d", &long),
        Err(NameError::LongLabel(_))
    ));
    assert!(matches!(
        RelativeName::service("d", "a.b"),
        Err(NameError::Character { character: '.', .. })
    ));
    assert!(matches!(
        "a..b".parse::<Domain>(),
        Err(NameError::EmptyLabel(_))
    ));
    let label = "a".repeat(63);
    assert!(matches!(
        [label.as_str(); 4].join(".").parse::<Domain>(),
        Err(NameError::LongName(_))
    ));
}
