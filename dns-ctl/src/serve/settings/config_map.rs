//! The ConfigMap of kube-dns: `stubDomains` and `upstreamNameservers`, as JSON in texts.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use crate::{
    serve::upstream::{StubDomain, Upstream, UpstreamError},
    zone::name::{Domain, NameError},
};

const STUB_DOMAINS: &str = "stubDomains";
const UPSTREAMS: &str = "upstreamNameservers";
/// Names of other clusters' Services, a feature that Kubernetes has given up.
const FEDERATIONS: &str = "federations";

/// What a ConfigMap states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// Domains with servers of their own; `None` if it does not say.
    pub stubs: Option<Vec<StubDomain>>,
    /// Servers for all other names; `None` if it does not say, or names none, which kube-dns took for the same.
    pub upstreams: Option<Vec<Upstream>>,
    /// Keys that mean nothing here, in words.
    pub ignored: Vec<String>,
}

/// A mistake in a ConfigMap, and where it is.
#[derive(Debug, thiserror::Error)]
pub enum Mistake {
    /// The text of a key is not JSON, or not of the form wanted.
    #[error("{key} is not {wanted}: {error}")]
    Json {
        /// The key.
        key: &'static str,
        /// The form wanted, with an example.
        wanted: &'static str,
        /// Says the line and the column.
        error: serde_json::Error,
    },
    /// Something else stands where a list of servers is wanted.
    #[error("{0} is not a list of servers; write [\"10.0.0.53\"]")]
    NoList(String),
    /// A domain without servers.
    #[error("{0} has no server; write at least one, or remove the domain")]
    NoServer(String),
    /// Something else stands where a server is wanted.
    #[error("{0} is not a text; write \"10.0.0.53\"")]
    NoText(String),
    /// A text is not a server.
    #[error("{at}: {error}")]
    Server {
        /// The key, and the indexes.
        at: String,
        /// What is wrong with the text.
        error: UpstreamError,
    },
    /// A text is not a domain.
    #[error("{at}: {error}")]
    Domain {
        /// The key, and the index.
        at: String,
        /// What is wrong with the text.
        error: NameError,
    },
    /// A domain stands there twice.
    #[error("{0} stands there twice; put all its servers into one list")]
    Twice(String),
}

/// Reads the data of a ConfigMap; all mistakes are told at once.
pub fn parse(data: &BTreeMap<String, String>) -> Result<Stated, Vec<Mistake>> {
    let mut stated = Stated::default();
    let mut mistakes = Vec::new();
    for (key, text) in data {
        match key.as_str() {
            STUB_DOMAINS => stated.stubs = Some(stub_domains(text, &mut mistakes)),
            UPSTREAMS => {
                let found = upstreams(text, &mut mistakes);
                stated.upstreams = (!found.is_empty()).then_some(found);
            }
            FEDERATIONS => stated.ignored.push(format!(
                "`{FEDERATIONS}` is ignored: Kubernetes has no federations any more; remove it"
            )),
            _ => stated.ignored.push(format!(
                "`{key}` is ignored: only `{STUB_DOMAINS}` and `{UPSTREAMS}` mean something here"
            )),
        }
    }
    if mistakes.is_empty() {
        Ok(stated)
    } else {
        Err(mistakes)
    }
}

fn stub_domains(text: &str, mistakes: &mut Vec<Mistake>) -> Vec<StubDomain> {
    let pairs = match serde_json::from_str::<Pairs>(text) {
        Ok(Pairs(pairs)) => pairs,
        Err(error) => {
            mistakes.push(Mistake::Json {
                key: STUB_DOMAINS,
                wanted: r#"an object of lists, as {"acme.local": ["10.0.0.53"]}"#,
                error,
            });
            return Vec::new();
        }
    };
    let mut stubs: Vec<StubDomain> = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        let at = format!("{STUB_DOMAINS}[{}]", Value::from(name.as_str()));
        let upstreams = match value {
            Value::Array(items) if items.is_empty() => {
                mistakes.push(Mistake::NoServer(at.clone()));
                Vec::new()
            }
            Value::Array(items) => servers(&at, items, mistakes),
            _ => {
                mistakes.push(Mistake::NoList(at.clone()));
                Vec::new()
            }
        };
        match name.parse::<Domain>() {
            Ok(domain) if stubs.iter().any(|stub| stub.domain == domain) => {
                mistakes.push(Mistake::Twice(at));
            }
            Ok(domain) => stubs.push(StubDomain { domain, upstreams }),
            Err(error) => mistakes.push(Mistake::Domain { at, error }),
        }
    }
    stubs
}

fn upstreams(text: &str, mistakes: &mut Vec<Mistake>) -> Vec<Upstream> {
    match serde_json::from_str(text) {
        Ok(items) => servers(UPSTREAMS, items, mistakes),
        Err(error) => {
            mistakes.push(Mistake::Json {
                key: UPSTREAMS,
                wanted: r#"a list of servers, as ["10.0.0.53", "10.0.0.54:5353"]"#,
                error,
            });
            Vec::new()
        }
    }
}

/// The servers of a list, each once.
fn servers(at: &str, items: Vec<Value>, mistakes: &mut Vec<Mistake>) -> Vec<Upstream> {
    let mut found = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let at = format!("{at}[{index}]");
        let Value::String(text) = item else {
            mistakes.push(Mistake::NoText(at));
            continue;
        };
        match text.parse::<Upstream>() {
            Ok(upstream) if found.contains(&upstream) => {}
            Ok(upstream) => found.push(upstream),
            Err(error) => mistakes.push(Mistake::Server { at, error }),
        }
    }
    found
}

/// A JSON object as it is written: in its order, and with what stands there twice.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Stated, Vec<Mistake>> {
        let data = pairs
            .iter()
            .map(|&(key, text)| (key.to_owned(), text.to_owned()))
            .collect();
        parse(&data)
    }

    #[test]
    fn the_example_of_kube_dns_is_read() {
        let stated = read(&[
            (
                "stubDomains",
                "{\"abc.com\" : [\"1.2.3.4\", \"1.2.3.4:53\"],\n \"My.Cluster.Local\" : [\"2.3.4.5:5300\"]}\n",
            ),
            ("upstreamNameservers", r#"["8.8.8.8", "[2001:4860:4860::8888]:53"]"#),
        ])
        .unwrap();
        let stubs: Vec<_> = stated
            .stubs
            .unwrap()
            .iter()
            .map(|stub| {
                let servers: Vec<_> = stub.upstreams.iter().map(ToString::to_string).collect();
                format!("{}={}", stub.domain, servers.join(","))
            })
            .collect();
        assert_eq!(
            stubs,
            ["abc.com=1.2.3.4:53", "my.cluster.local=2.3.4.5:5300"]
        );
        let upstreams: Vec<_> = stated
            .upstreams
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(upstreams, ["8.8.8.8:53", "[2001:4860:4860::8888]:53"]);
        assert!(stated.ignored.is_empty());
    }

    #[test]
    fn what_is_not_said_is_not_replaced() {
        assert_eq!(read(&[]).unwrap(), Stated::default());
        let stated = read(&[("stubDomains", "{}"), ("upstreamNameservers", "[]")]).unwrap();
        assert_eq!(stated.stubs, Some(Vec::new()));
        assert_eq!(stated.upstreams, None);
    }

    #[test]
    fn keys_without_meaning_are_told() {
        let stated = read(&[("federations", "not: looked at"), ("upstream", "[]")]).unwrap();
        let [federations, unknown] = stated.ignored.as_slice() else {
            panic!("{stated:?}");
        };
        assert!(federations.contains("federations") && federations.contains("remove it"));
        assert!(unknown.contains("`upstream`") && unknown.contains("`upstreamNameservers`"));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (key, text, told) in [
            (
                "stubDomains",
                "",
                &["stubDomains is not an object", "line 1 column 0"][..],
            ),
            (
                "stubDomains",
                "{\n \"a.b\": [\"10.0.0.1\",]}",
                &["line 2 column 21"],
            ),
            (
                "stubDomains",
                "[]",
                &["as {\"acme.local\"", "expected an object", "line 1"],
            ),
            (
                "stubDomains",
                "{} {}",
                &["trailing characters", "line 1 column 4"],
            ),
            (
                "stubDomains",
                r#"{"a.b": "10.0.0.1"}"#,
                &["stubDomains[\"a.b\"] is not a list"],
            ),
            (
                "stubDomains",
                r#"{"a.b": []}"#,
                &["stubDomains[\"a.b\"] has no server"],
            ),
            (
                "stubDomains",
                r#"{"a.b": ["10.0.0.1", 53]}"#,
                &["stubDomains[\"a.b\"][1] is not a text"],
            ),
            (
                "stubDomains",
                r#"{"a.b": ["10.0.0.1", "ns.a.b"]}"#,
                &["stubDomains[\"a.b\"][1]: `ns.a.b`", "write an IP address"],
            ),
            (
                "stubDomains",
                r#"{"a..b": ["10.0.0.1"]}"#,
                &["stubDomains[\"a..b\"]:", "empty label"],
            ),
            (
                "stubDomains",
                r#"{"a.b": ["10.0.0.1"], "A.b.": ["10.0.0.2"]}"#,
                &["[\"A.b.\"]", "twice"],
            ),
            (
                "upstreamNameservers",
                "8.8.8.8",
                &["upstreamNameservers is not a list", "line 1"],
            ),
            (
                "upstreamNameservers",
                r#"{"a": 1}"#,
                &["expected a sequence"],
            ),
            (
                "upstreamNameservers",
                r#"["8.8.8.8", null]"#,
                &["upstreamNameservers[1] is not a text"],
            ),
            (
                "upstreamNameservers",
                r#"["0.0.0.0"]"#,
                &["upstreamNameservers[0]:", "no query can be sent"],
            ),
        ] {
            let mistakes = read(&[(key, text)]).unwrap_err();
            let [mistake] = mistakes.as_slice() else {
                panic!("{text}: {mistakes:?}");
            };
            let mistake = mistake.to_string();
            for part in told {
                assert!(mistake.contains(part), "{text}: {mistake}");
            }
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let mistakes = read(&[
            ("stubDomains", r#"{"a..b": ["x", 1], "c.d": []}"#),
            ("upstreamNameservers", r#"["y", "8.8.8.8:0"]"#),
        ])
        .unwrap_err();
        assert_eq!(mistakes.len(), 6, "{mistakes:?}");
    }
}
