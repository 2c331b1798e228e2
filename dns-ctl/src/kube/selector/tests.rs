//! Selectors as people write them, what they select, and another parser's opinion.

use api_stub::core::label_selector::LabelSelector as Oracle;
use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

fn labels(text: &str) -> BTreeMap<String, String> {
    text.split_whitespace()
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn selects_as_kubernetes_does() {
    for (selector, given, expected) in [
        ("team=a", "team=a", true),
        ("team=a", "team=b", false),
        ("team=a", "", false),
        ("team==a", "team=a", true),
        ("team!=a", "team=b", true),
        ("team!=a", "team=a", false),
        ("team!=a", "", true),
        ("team", "team=", true),
        ("team", "tier=a", false),
        ("!team", "tier=a", true),
        ("! team", "team=a", false),
        ("team in (a, b)", "team=b", true),
        ("team in (a,b)", "team=c", false),
        ("team in (a,b)", "", false),
        ("team in(a)", "team=a", true),
        ("team notin (a,b)", "team=a", false),
        ("team notin (a,b)", "team=c", true),
        ("team notin (a,b)", "", true),
        ("team in (,a)", "team=", true),
        ("team in (a,)", "team=", true),
        ("team in (,)", "team=", true),
        ("team in (,)", "team=a", false),
        ("team=", "team=", true),
        ("team=,tier=x", "team= tier=x", true),
        ("team!=", "team=", false),
        ("team=a,tier!=test", "team=a tier=prod", true),
        ("team=a,tier!=test", "team=a tier=test", false),
        (" team = a ,\ttier notin ( x ) ", "team=a", true),
        ("a.example/team=a", "a.example/team=a", true),
        ("in=in,notin notin (notin)", "in=in", true),
        ("in in (in)", "in=x", false),
        ("Team=A_b.c-D", "Team=A_b.c-D", true),
    ] {
        let parsed: LabelSelector = selector.parse().unwrap();
        assert_eq!(
            parsed.matches(&labels(given)),
            expected,
            "{selector} on {given}"
        );
    }
}

#[test]
fn the_server_gets_one_plain_form() {
    for (selector, form) in [
        (" team == a , !tier", "team=a,!tier"),
        ("team in (b, a)", "team in (a,b)"),
        ("team in (a)", "team=a"),
        ("team in (,)", "team="),
        ("team notin ( a )", "team!=a"),
        ("team notin (,a)", "team notin (,a)"),
        ("team", "team"),
    ] {
        let parsed: LabelSelector = selector.parse().unwrap();
        assert_eq!(parsed.to_string(), form, "{selector}");
        assert_eq!(form.parse(), Ok(parsed), "{form}");
    }
}

#[test]
fn errors_name_the_place() {
    let long = format!("team={}", "a".repeat(64));
    for (selector, place, problem) in [
        ("", 1, "a requirement is missing"),
        ("  ", 3, "a requirement is missing"),
        ("team=a,", 8, "the name of a label is expected, but it ends"),
        (",team=a", 1, "the name of a label is expected, not `,`"),
        ("a,,b", 3, "the name of a label is expected, not `,`"),
        ("=a", 1, "the name of a label is expected, not `=`"),
        ("!", 2, "the name of a label is expected, but it ends"),
        ("!a=b", 3, "`,` or the end is expected, not `=`"),
        ("a=b=c", 4, "`,` or the end is expected, not `=`"),
        ("a=b c", 5, "`,` or the end is expected, not `c`"),
        ("a b", 3, "`=`, `!=`, `in`, `notin` or `,` is expected"),
        ("a in b", 6, "`(` is expected, not `b`"),
        ("a in", 5, "`(` is expected, but it ends"),
        ("a in ()", 7, "the set is empty"),
        ("a in (b", 8, "`,` or `)` is expected, but it ends"),
        ("a in (b c)", 9, "`,` or `)` is expected, not `c`"),
        ("a in (b,=)", 9, "a label's value is expected, not `=`"),
        ("a>1", 2, "`>` is not supported"),
        ("a=-b", 3, "`-b` is not a label's value"),
        ("ä=b", 1, "`ä` is not the name of a label"),
        ("a=ä, b", 3, "`ä` is not a label's value"),
        ("a=b,ö", 5, "`ö` is not the name of a label"),
        ("A.b/c=d", 1, "before `/` goes a lower-case DNS name"),
        ("/c=d", 1, "before `/` goes a lower-case DNS name"),
        ("a/=d", 1, "`a/` is not the name of a label"),
        ("a/b/c", 1, "`a/b/c` is not the name of a label"),
        (&long, 6, "is not a label's value"),
    ] {
        let error = selector.parse::<LabelSelector>().unwrap_err();
        assert_eq!(error.place, place, "{error}");
        assert!(error.problem.contains(problem), "{error}");
        let text = error.to_string();
        assert!(text.contains("kubectl"), "{text}");
    }
}

/// Labels over few names and values, so that selectors hit them.
fn some_labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    let key = select(vec!["a", "b", "in", "x.y/a"]);
    let value = select(vec!["", "a", "b", "notin"]);
    vec((key, value), 0..4).prop_map(|pairs| {
        pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    })
}

/// Texts made of a selector's pieces, right and wrong.
fn some_text() -> impl Strategy<Value = String> {
    let pieces = vec![
        "a", "b", "in", "notin", "x.y/a", "=", "==", "!=", "!", ",", "(", ")", " ", "-", " in (",
        ") ,", "a=b", "\t",
    ];
    vec(select(pieces), 1..9).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn another_parser_agrees(text in some_text(), labels in some_labels()) {
        // The other one takes an empty selector and an empty set, which here are mistakes.
        let dense: String = text.split_whitespace().collect();
        if dense.is_empty() || dense.contains("()") {
            prop_assert!(text.parse::<LabelSelector>().is_err());
            return Ok(());
        }
        match (text.parse::<LabelSelector>(), Oracle::parse(&text)) {
            (Ok(ours), Ok(theirs)) => {
                prop_assert_eq!(ours.matches(&labels), theirs.matches(&labels));
                let form = ours.to_string();
                let sent = Oracle::parse(&form);
                prop_assert!(sent.is_ok_and(|sent| sent.matches(&labels) == ours.matches(&labels)), "{}", form);
                prop_assert_eq!(form.parse(), Ok(ours));
            }
            (ours, theirs) => prop_assert!(ours.is_err() && theirs.is_err(), "{:?} {:?}", ours, theirs),
        }
    }
}
