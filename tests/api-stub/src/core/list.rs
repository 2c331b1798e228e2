//! LIST: which version, which objects, which page.

use std::sync::Arc;

use super::filter::Filter;
use super::kind::Kind;
use super::object::{Key, Object};
use super::status::ApiError;
use super::store::Store;

/// Which state of the collection a reader asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// The newest.
    #[default]
    Newest,
    /// Whatever is at hand (`resourceVersion=0`); a limit is then ignored, as a watch cache does.
    Any,
    /// At least that new.
    NotOlderThan(u64),
    /// Exactly that.
    Exact(u64),
}

/// A list request, read and checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListQuery {
    /// Which objects.
    pub filter: Filter,
    /// Which state.
    pub version: Version,
    /// At most so many objects; 0 is no limit.
    pub limit: usize,
    /// Where the page before ended.
    pub token: Option<Token>,
}

/// Where to go on with a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The revision the list began with; `None` goes on with the newest state (an inconsistent list).
    pub revision: Option<u64>,
    /// The last object given.
    pub after: Key,
}

/// One page of a list.
#[derive(Debug)]
pub struct Page {
    /// `metadata.resourceVersion` of the list.
    pub revision: u64,
    /// The objects.
    pub items: Vec<Arc<Object>>,
    /// `metadata.continue`, if there is more.
    pub token: Option<String>,
    /// `metadata.remainingItemCount`, if it is known.
    pub remaining: Option<usize>,
}

/// Lists objects of a kind.
pub fn list(store: &Store, kind: Kind, query: &ListQuery) -> Result<Page, ApiError> {
    let revision = revision(store, query)?;
    let state = store.all_at(kind, revision);
    let from = query.token.as_ref().map_or(0, |token| {
        state.partition_point(|object| *object.key() <= token.after)
    });
    let limit = match query.version {
        Version::Any if query.token.is_none() => 0,
        _ => query.limit,
    };
    let mut items: Vec<_> = state[from..]
        .iter()
        .filter(|object| query.filter.matches(object))
        .cloned()
        .collect();
    let (mut token, mut remaining) = (None, None);
    if limit > 0 && items.len() > limit {
        remaining = (!query.filter.selects()).then_some(items.len() - limit);
        items.truncate(limit);
        let last = items
            .last()
            .map(|object| object.key().clone())
            .unwrap_or_default();
        token = Some(
            Token {
                revision: Some(revision),
                after: last,
            }
            .encode(),
        );
    }
    Ok(Page {
        revision,
        items,
        token,
        remaining,
    })
}

fn revision(store: &Store, query: &ListQuery) -> Result<u64, ApiError> {
    let current = store.revision();
    let asked = match (&query.token, query.version) {
        (Some(token), _) => token.revision.unwrap_or(current),
        (None, Version::Exact(revision)) => revision,
        (None, Version::NotOlderThan(revision)) if revision > current => revision,
        _ => current,
    };
    if asked > current {
        return Err(ApiError::version_too_large(asked, current));
    }
    if asked >= store.oldest() {
        return Ok(asked);
    }
    let Some(token) = &query.token else {
        return Err(ApiError::expired(format!(
            "The resourceVersion for the provided list is too old: {asked} ({})",
            store.oldest()
        )));
    };
    let fresh = Token {
        revision: None,
        after: token.after.clone(),
    };
    Err(ApiError {
        resume: Some(fresh.encode()),
        ..ApiError::expired(
            "The provided continue parameter is too old to display a consistent list result. Start a new list \
             without it, or go on with the continue token of this answer and get an inconsistent list.",
        )
    })
}

impl Token {
    /// The token as clients carry it: opaque letters.
    #[must_use]
    pub fn encode(&self) -> String {
        let revision = self
            .revision
            .map_or("-".into(), |revision| revision.to_string());
        let plain = format!("{revision}/{}/{}", self.after.0, self.after.1);
        plain
            .bytes()
            .flat_map(|byte| [hex(byte >> 4), hex(byte & 15)])
            .collect()
    }

    /// Reads a token back.
    pub fn decode(text: &str) -> Result<Self, ApiError> {
        decode(text)
            .ok_or_else(|| ApiError::bad_request(format!("continue key is not valid: {text:?}")))
    }
}

fn hex(digit: u8) -> char {
    char::from_digit(u32::from(digit), 16).unwrap_or('0')
}

fn decode(text: &str) -> Option<Token> {
    let digits: Vec<_> = text
        .chars()
        .map(|letter| letter.to_digit(16))
        .collect::<Option<_>>()?;
    if digits.len() % 2 != 0 {
        return None;
    }
    let bytes = digits
        .chunks_exact(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]));
    let plain = String::from_utf8(bytes.collect::<Result<_, _>>().ok()?).ok()?;
    let mut parts = plain.splitn(3, '/');
    let revision = match parts.next()? {
        "-" => None,
        number => Some(number.parse().ok()?),
    };
    Some(Token {
        revision,
        after: (parts.next()?.into(), parts.next()?.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn store(names: &[&str]) -> Store {
        let mut store = Store::new(100);
        for name in names {
            store.put(
                Kind::Service,
                json!({ "metadata": { "name": name, "namespace": "a" } }),
            );
        }
        store
    }

    fn names(page: &Page) -> Vec<&str> {
        page.items
            .iter()
            .map(|object| object.key().1.as_str())
            .collect()
    }

    fn next(page: &Page, limit: usize) -> ListQuery {
        let token = page
            .token
            .as_deref()
            .map(|token| Token::decode(token).unwrap());
        ListQuery {
            limit,
            token,
            ..ListQuery::default()
        }
    }

    #[test]
    fn pages_show_one_state() {
        let mut store = store(&["a", "b", "c", "d", "e"]);
        let first = list(
            &store,
            Kind::Service,
            &ListQuery {
                limit: 2,
                ..ListQuery::default()
            },
        )
        .unwrap();
        assert_eq!((names(&first), first.remaining), (vec!["a", "b"], Some(3)));
        store.remove(Kind::Service, &("a".into(), "d".into()));
        store.put(
            Kind::Service,
            json!({ "metadata": { "name": "bb", "namespace": "a" } }),
        );
        let second = list(&store, Kind::Service, &next(&first, 2)).unwrap();
        assert_eq!(
            (names(&second), second.revision),
            (vec!["c", "d"], first.revision)
        );
        store.compact();
        let error = list(&store, Kind::Service, &next(&second, 2)).unwrap_err();
        assert_eq!((error.code, error.reason), (410, "Expired"));
        let resume = Token::decode(&error.resume.unwrap()).unwrap();
        let last = list(
            &store,
            Kind::Service,
            &ListQuery {
                token: Some(resume),
                ..ListQuery::default()
            },
        )
        .unwrap();
        assert_eq!((names(&last), last.revision), (vec!["e"], store.revision()));
    }

    #[test]
    fn versions() {
        let mut store = store(&["a", "b", "c"]);
        let ask = |store: &Store, version, limit| {
            list(
                store,
                Kind::Service,
                &ListQuery {
                    version,
                    limit,
                    ..ListQuery::default()
                },
            )
        };
        assert_eq!(
            names(&ask(&store, Version::Any, 1).unwrap()),
            ["a", "b", "c"]
        );
        assert_eq!(names(&ask(&store, Version::Exact(2), 0).unwrap()), ["a"]);
        assert_eq!(
            names(&ask(&store, Version::NotOlderThan(2), 0).unwrap()),
            ["a", "b", "c"]
        );
        assert_eq!(
            ask(&store, Version::NotOlderThan(99), 0).unwrap_err().code,
            504
        );
        store.compact();
        assert_eq!(ask(&store, Version::Exact(2), 0).unwrap_err().code, 410);
        assert_eq!(Token::decode("zz").unwrap_err().code, 400);
    }
}
