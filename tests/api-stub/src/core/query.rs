//! Query strings: what the parameters of list and watch mean, and which contradict each other.

use super::field_selector::FieldSelector;
use super::filter::Filter;
use super::kind::Kind;
use super::label_selector::LabelSelector;
use super::list::{ListQuery, Token, Version};
use super::status::{ApiError, Cause};
use super::watch::{Start, WatchQuery};

/// The parameters of a URL, in order.
#[derive(Clone, Debug, Default)]
pub struct Params(pub Vec<(String, String)>);

impl Params {
    /// A parameter's value, empty if it is not given.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// A flag: given and not `0` or `false`.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        let value = self.get(name);
        self.has(name) && value != "0" && !value.eq_ignore_ascii_case("false")
    }

    fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(None);
        }
        let refuse = |_| {
            ApiError::bad_request(format!(
                "{name}: Invalid value: {text:?}: must be a number that is not negative"
            ))
        };
        text.parse().map(Some).map_err(refuse)
    }
}

/// Reads the parameters of a list.
pub fn list_query(
    kind: Kind,
    namespace: Option<&str>,
    params: &Params,
) -> Result<ListQuery, ApiError> {
    let given = params.number("resourceVersion")?;
    let wanted = params.get("resourceVersionMatch");
    let mut causes = Vec::new();
    if !wanted.is_empty() {
        if given.is_none() {
            causes.push(match_forbidden(
                "resourceVersionMatch is forbidden unless resourceVersion is provided",
            ));
        }
        if params.has("continue") {
            causes.push(match_forbidden(
                "resourceVersionMatch is forbidden when continue is provided",
            ));
        }
        if !matches!(wanted, "Exact" | "NotOlderThan") {
            causes.push(not_supported(wanted, "\"Exact\", \"NotOlderThan\""));
        }
        if wanted == "Exact" && given == Some(0) {
            causes.push(match_forbidden(
                "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
            ));
        }
    }
    if params.has("sendInitialEvents") {
        causes.push(Cause::forbidden(
            "sendInitialEvents",
            "sendInitialEvents is forbidden for list",
        ));
    }
    if !causes.is_empty() {
        return Err(ApiError::invalid_options(&causes));
    }
    let token = match params.get("continue") {
        "" => None,
        text => Some(Token::decode(text)?),
    };
    if token.is_some() && given.is_some_and(|revision| revision != 0) {
        return Err(ApiError::bad_request(
            "specifying resource version is not allowed when using continue",
        ));
    }
    let limit = params.number("limit")?.unwrap_or(0);
    let version = match (given, wanted) {
        (None, _) => Version::Newest,
        (Some(0), _) => Version::Any,
        (Some(revision), "Exact") => Version::Exact(revision),
        // Without a match, a limit makes an older client mean exactly that version.
        (Some(revision), "") if limit > 0 => Version::Exact(revision),
        (Some(revision), _) => Version::NotOlderThan(revision),
    };
    Ok(ListQuery {
        filter: filter(kind, namespace, params)?,
        version,
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
        token,
    })
}

/// Reads the parameters of a watch; `streaming` says whether this server knows streaming lists.
pub fn watch_query(
    kind: Kind,
    namespace: Option<&str>,
    params: &Params,
    streaming: bool,
) -> Result<WatchQuery, ApiError> {
    let initial = params
        .has("sendInitialEvents")
        .then(|| params.flag("sendInitialEvents"));
    let wanted = params.get("resourceVersionMatch");
    let mut causes = Vec::new();
    if initial.is_some() {
        if wanted != "NotOlderThan" {
            causes.push(match_forbidden(
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ));
        }
        if !streaming {
            causes.push(Cause::forbidden(
                "sendInitialEvents",
                "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
            ));
        }
    }
    if !wanted.is_empty() {
        if initial.is_none() {
            causes.push(match_forbidden(
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            ));
        }
        if wanted != "NotOlderThan" {
            causes.push(not_supported(wanted, "\"NotOlderThan\""));
        }
    }
    if !causes.is_empty() {
        return Err(ApiError::invalid_options(&causes));
    }
    let given = params.number("resourceVersion")?.unwrap_or(0);
    let start = match (initial, given) {
        (Some(true), _) => Start::StateThenBookmark,
        (Some(false), 0) => Start::Now,
        (None, 0) => Start::State,
        (_, revision) => Start::After(revision),
    };
    Ok(WatchQuery {
        filter: filter(kind, namespace, params)?,
        start,
        bookmarks: params.flag("allowWatchBookmarks"),
        timeout: params
            .number("timeoutSeconds")?
            .filter(|seconds| *seconds > 0),
        not_older_than: if start == Start::StateThenBookmark {
            given
        } else {
            0
        },
    })
}

/// Reads namespace and selectors.
pub fn filter(kind: Kind, namespace: Option<&str>, params: &Params) -> Result<Filter, ApiError> {
    Ok(Filter {
        namespace: namespace.map(str::to_owned),
        labels: LabelSelector::parse(params.get("labelSelector"))?,
        fields: FieldSelector::parse(kind, params.get("fieldSelector"))?,
    })
}

fn match_forbidden(why: &str) -> Cause {
    Cause::forbidden("resourceVersionMatch", why)
}

fn not_supported(value: &str, allowed: &str) -> Cause {
    Cause {
        field: "resourceVersionMatch".into(),
        reason: "FieldValueNotSupported",
        message: format!("Unsupported value: {value:?}: supported values: {allowed}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Params(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(a, b)| (a.into(), b.into()))
                .collect(),
        )
    }

    fn code<T: std::fmt::Debug>(result: Result<T, ApiError>) -> u16 {
        result.expect_err("must be refused").code
    }

    #[test]
    fn list_versions() {
        let table = [
            ("", Version::Newest),
            ("resourceVersion=", Version::Newest),
            ("resourceVersion=0&limit=500", Version::Any),
            ("resourceVersion=7", Version::NotOlderThan(7)),
            ("resourceVersion=7&limit=5", Version::Exact(7)),
            (
                "resourceVersion=7&limit=5&resourceVersionMatch=NotOlderThan",
                Version::NotOlderThan(7),
            ),
            (
                "resourceVersion=7&resourceVersionMatch=Exact",
                Version::Exact(7),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(
                list_query(Kind::Service, None, &params(text))
                    .expect(text)
                    .version,
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn list_refusals() {
        let table = [
            ("resourceVersion=x", 400),
            ("limit=-1", 400),
            ("continue=nonsense", 400),
            ("labelSelector=a=b=c", 400),
            ("fieldSelector=spec.nope=1", 400),
            ("resourceVersionMatch=Exact", 422),
            ("resourceVersionMatch=Sometimes&resourceVersion=1", 422),
            ("resourceVersionMatch=Exact&resourceVersion=0", 422),
            ("sendInitialEvents=true", 422),
        ];
        for (text, expected) in table {
            // Values with '=' in them: cut at the first only.
            assert_eq!(
                code(list_query(Kind::Service, None, &params(text))),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn watch_starts() {
        let table = [
            ("watch=1", Start::State),
            ("watch=1&resourceVersion=0", Start::State),
            ("watch=1&resourceVersion=5", Start::After(5)),
            (
                "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
                Start::StateThenBookmark,
            ),
            (
                "watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan",
                Start::Now,
            ),
        ];
        for (text, expected) in table {
            assert_eq!(
                watch_query(Kind::Service, None, &params(text), true)
                    .expect(text)
                    .start,
                expected,
                "{text}"
            );
        }
        let streaming = params("sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
        assert_eq!(
            code(watch_query(Kind::Service, None, &streaming, false)),
            422
        );
        assert_eq!(
            code(watch_query(
                Kind::Service,
                None,
                &params("sendInitialEvents=true"),
                true
            )),
            422
        );
        assert_eq!(
            code(watch_query(
                Kind::Service,
                None,
                &params("resourceVersionMatch=NotOlderThan"),
                true
            )),
            422
        );
        assert_eq!(
            code(watch_query(
                Kind::Service,
                None,
                &params("timeoutSeconds=soon"),
                true
            )),
            400
        );
    }
}
