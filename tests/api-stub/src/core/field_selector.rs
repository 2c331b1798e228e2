//! Field selectors: `metadata.name=a,spec.type!=b`, on the fields each kind offers.

use super::kind::Kind;
use super::object::Object;
use super::status::ApiError;

/// Requirements on fields; an object matches if it meets all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq)]
struct Requirement {
    path: String,
    value: String,
    equal: bool,
}

impl FieldSelector {
    /// Reads a selector for a kind; an empty text selects everything.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, ApiError> {
        let parts = split(text).into_iter().filter(|part| !part.is_empty());
        parts
            .map(|part| requirement(kind, &part))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether an object is selected.
    #[must_use]
    pub fn matches(&self, object: &Object) -> bool {
        self.0
            .iter()
            .all(|wanted| (object.field(&wanted.path) == wanted.value) == wanted.equal)
    }

    /// Whether everything is selected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Splits at commas; a backslash takes the meaning from the letter after it.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let last = parts.last_mut().expect("never empty");
        match letter {
            ',' => parts.push(String::new()),
            '\\' => {
                last.push(letter);
                last.extend(letters.next());
            }
            _ => last.push(letter),
        }
    }
    parts
}

fn requirement(kind: Kind, text: &str) -> Result<Requirement, ApiError> {
    let refuse = |why: &str| {
        Err(ApiError::bad_request(format!(
            "invalid field selector {text:?}: {why}"
        )))
    };
    let Some(at) = text.find('=') else {
        return refuse("expected field=value, field==value or field!=value");
    };
    let (path, equal) = match text[..at].strip_suffix('!') {
        Some(path) => (path, false),
        None => (&text[..at], true),
    };
    let value = &text[at + 1..];
    let value = if equal {
        value.strip_prefix('=').unwrap_or(value)
    } else {
        value
    };
    let value = match unescape(value) {
        Ok(value) => value,
        Err(why) => return refuse(why),
    };
    let offered = kind.resource().fields;
    if !matches!(path, "metadata.name" | "metadata.namespace") && !offered.contains(&path) {
        let all = [&["metadata.name", "metadata.namespace"], offered]
            .concat()
            .join(", ");
        return Err(ApiError::bad_request(format!(
            "field label not supported: {path} ({kind} offers {all})"
        )));
    }
    Ok(Requirement {
        path: path.into(),
        value,
        equal,
    })
}

fn unescape(value: &str) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some(escaped @ ('\\' | ',' | '=')) => plain.push(escaped),
                _ => {
                    return Err(
                        "a backslash stands before a backslash, a comma or an equals sign only",
                    );
                }
            },
            '=' => return Err("an equals sign in a value needs a backslash"),
            _ => plain.push(letter),
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selects() {
        let service = json!({
            "metadata": { "name": "web", "namespace": "shop" },
            "spec": { "clusterIP": "10.96.0.9", "type": "ClusterIP" },
        });
        let service = Object::new(Kind::Service, service, 7);
        let table = [
            ("", true),
            ("metadata.name=web", true),
            ("metadata.name==web,metadata.namespace=shop", true),
            ("metadata.namespace!=shop", false),
            ("spec.clusterIP=10.96.0.9", true),
            ("spec.clusterIP!=None", true),
            ("spec.type=ExternalName", false),
            ("metadata.name=we\\,b", false),
            ("metadata.name=", false),
        ];
        for (selector, expected) in table {
            let read = FieldSelector::parse(Kind::Service, selector).expect(selector);
            assert_eq!(read.matches(&service), expected, "{selector}");
        }
    }

    #[test]
    fn refuses() {
        for garbage in [
            "spec.ports=1",
            "metadata.name",
            "status.phase=Running",
            "metadata.name=a=b",
            "metadata.name=a\\b",
        ] {
            assert_eq!(
                FieldSelector::parse(Kind::Service, garbage)
                    .expect_err(garbage)
                    .code,
                400
            );
        }
        let error = FieldSelector::parse(Kind::Service, "spec.foo=1").expect_err("unknown field");
        assert!(error.message.contains("spec.clusterIP"), "{error}");
    }
}
