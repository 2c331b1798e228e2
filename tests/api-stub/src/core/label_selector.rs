//! Label selectors: `a=b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, `a>1`, `a<1`.

use std::collections::BTreeMap;

use super::status::ApiError;

/// Requirements on labels; an object matches if it meets all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Exists,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

impl LabelSelector {
    /// Reads a selector; an empty text selects everything.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        split(text)
            .into_iter()
            .map(|part| requirement(part.trim()))
            .collect::<Result<_, _>>()
            .map(Self)
            .map_err(|why| {
                ApiError::bad_request(format!("unable to parse labelSelector {text:?}: {why}"))
            })
    }

    /// Whether an object with these labels is selected.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0
            .iter()
            .all(|requirement| requirement.test.holds(labels.get(&requirement.key)))
    }

    /// Whether everything is selected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Test {
    fn holds(&self, value: Option<&String>) -> bool {
        match (self, value) {
            (Self::Exists, value) => value.is_some(),
            (Self::Missing, value) => value.is_none(),
            (Self::In(allowed), Some(value)) => allowed.contains(value),
            // A label that is not there is also not in the set.
            (Self::NotIn(refused), value) => value.is_none_or(|value| !refused.contains(value)),
            (Self::Above(bound), Some(value)) => {
                value.parse::<i64>().is_ok_and(|value| value > *bound)
            }
            (Self::Below(bound), Some(value)) => {
                value.parse::<i64>().is_ok_and(|value| value < *bound)
            }
            (Self::In(_) | Self::Above(_) | Self::Below(_), None) => false,
        }
    }
}

/// Splits at the commas that are not inside parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    })
    .collect()
}

fn requirement(text: &str) -> Result<Requirement, String> {
    if let Some(key) = text.strip_prefix('!') {
        return Ok(Requirement {
            key: label_key(key.trim())?,
            test: Test::Missing,
        });
    }
    let end = text
        .find(|letter: char| letter.is_whitespace() || "=!<>(),".contains(letter))
        .unwrap_or(text.len());
    let key = label_key(&text[..end])?;
    let rest = text[end..].trim();
    let condition = if rest.is_empty() {
        Test::Exists
    } else if let Some(value) = rest.strip_prefix("!=") {
        Test::NotIn(vec![label_value(value.trim())?])
    } else if let Some(value) = rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')) {
        Test::In(vec![label_value(value.trim())?])
    } else if let Some(value) = rest.strip_prefix('>') {
        Test::Above(integer(value.trim())?)
    } else if let Some(value) = rest.strip_prefix('<') {
        Test::Below(integer(value.trim())?)
    } else if let Some(values) = rest.strip_prefix("notin") {
        Test::NotIn(set(values)?)
    } else if let Some(values) = rest.strip_prefix("in") {
        Test::In(set(values)?)
    } else {
        return Err(format!(
            "found {rest:?} after {key:?}, expected: in, notin, =, ==, !=, >, <"
        ));
    };
    Ok(Requirement {
        key,
        test: condition,
    })
}

fn set(text: &str) -> Result<Vec<String>, String> {
    let inner = text
        .trim()
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'));
    let inner = inner.ok_or_else(|| format!("found {text:?}, expected a set such as (a,b)"))?;
    inner
        .split(',')
        .map(|value| label_value(value.trim()))
        .collect()
}

fn integer(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not an integer, as '>' and '<' need"))
}

/// Checks a label's name: an optional DNS prefix and a name of at most 63 letters.
pub(super) fn label_key(key: &str) -> Result<String, String> {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_ok = prefix.is_none_or(super::admit::is_subdomain);
    if prefix_ok && !name.is_empty() && label_value(name).is_ok() {
        return Ok(key.to_owned());
    }
    Err(format!("{key:?} is not a label name"))
}

/// Checks a label's value: empty, or at most 63 letters, digits, '-', '_', '.', beginning and ending with one of the first two.
pub(super) fn label_value(value: &str) -> Result<String, String> {
    let inside = |letter: u8| letter.is_ascii_alphanumeric() || b"-_.".contains(&letter);
    let outside = |letter: Option<&u8>| letter.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = value.as_bytes();
    if bytes.len() <= 63
        && bytes.iter().copied().all(inside)
        && outside(bytes.first())
        && outside(bytes.last())
    {
        return Ok(value.to_owned());
    }
    Err(format!("{value:?} is not a label value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> BTreeMap<String, String> {
        let pairs = text.split(' ').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(a, b)| (a.into(), b.into()))
            .collect()
    }

    #[test]
    fn selects() {
        let table = [
            ("", "a=1", true),
            ("a=1", "a=1", true),
            ("a==1", "a=2", false),
            ("a!=1", "", true),
            ("a!=1", "a=1", false),
            ("a", "a=", true),
            ("a", "b=1", false),
            ("!a", "b=1", true),
            ("! a", "a=1", false),
            ("a in (1, 2)", "a=2", true),
            ("a in (1,2)", "", false),
            ("a notin (1,2)", "", true),
            ("a notin (1,2),b=3", "a=3 b=3", true),
            ("a notin(1,2),b=3", "a=3 b=4", false),
            ("n>5", "n=6", true),
            ("n<5", "n=x", false),
            (
                "service.kubernetes.io/headless",
                "service.kubernetes.io/headless=",
                true,
            ),
            ("io.k8s/x!=y , a=1", "a=1", true),
            ("a=", "a=", true),
            ("in=1", "in=1", true),
        ];
        for (selector, given, expected) in table {
            let selector_read = LabelSelector::parse(selector).expect(selector);
            assert_eq!(
                selector_read.matches(&labels(given)),
                expected,
                "{selector} on {given}"
            );
        }
    }

    #[test]
    fn refuses() {
        for garbage in [
            "a=b=c", ",", "a,,b", "a in 1", "a in (1", "=x", "a b", "a>x", "-a", "a=-", "a=b c",
            "!",
        ] {
            let error = LabelSelector::parse(garbage).expect_err(garbage);
            assert_eq!((error.code, error.reason), (400, "BadRequest"), "{garbage}");
        }
    }
}
