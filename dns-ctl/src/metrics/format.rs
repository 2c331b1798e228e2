//! The text formats of the page: `OpenMetrics`, as the library writes it, and the older one of Prometheus, made of that.

use std::fmt::Write as _;

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `OpenMetrics` 1.0.
    Open,
    /// Prometheus' own, version 0.0.4: what `promtool check metrics` and all older programs read.
    Classic,
}

impl Format {
    /// The one to send to a client that says in the header `Accept` what it takes: `OpenMetrics` only if it is named.
    #[must_use]
    pub fn accepted(accept: Option<&str>) -> Self {
        let names = |range: &str| {
            let mut parts = range.split(';').map(str::trim);
            let is_open = parts
                .next()
                .is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
            is_open && !parts.any(|part| matches!(part, "q=0" | "q=0.0"))
        };
        if accept.is_some_and(|accept| accept.split(',').any(names)) {
            Self::Open
        } else {
            Self::Classic
        }
    }

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Open => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// A page that is written as `OpenMetrics`, in this format.
    #[must_use]
    pub fn of(self, page: String) -> String {
        match self {
            Self::Open => page,
            Self::Classic => classic(&page),
        }
    }
}

/// The page in the older format: there a counter's name ends in `_total` everywhere, an info is a gauge, and units
/// and the end are not told. The samples are the same.
fn classic(page: &str) -> String {
    let mut text = String::with_capacity(page.len() + page.len() / 16);
    let mut help = "";
    for line in page.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(_), Some(words)) => help = words,
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", kind),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    kind => ("", kind),
                };
                // Writing to a `String` can't fail.
                let _infallible = writeln!(
                    text,
                    "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}"
                );
            }
            (Some("#"), ..) => {}
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_those_who_name_it() {
        for (accept, expected) in [
            (None, Format::Classic),
            (Some("*/*"), Format::Classic),
            (Some("text/plain;version=0.0.4;q=0.5"), Format::Classic),
            (
                Some("application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1"),
                Format::Open,
            ),
            (
                Some("text/html, Application/OpenMetrics-Text ; q=0.3"),
                Format::Open,
            ),
            (Some("application/openmetrics-text;q=0"), Format::Classic),
            (Some("application/openmetrics-texts"), Format::Classic),
        ] {
            assert_eq!(Format::accepted(accept), expected, "{accept:?}");
        }
    }

    #[test]
    fn the_older_format_has_the_same_samples_under_names_that_it_knows() {
        let open = "\
# HELP a Counts # things.
# TYPE a counter
a_total{x=\"# TYPE y\"} 1
# HELP b_seconds Takes time.
# TYPE b_seconds histogram
# UNIT b_seconds seconds
b_seconds_sum 0.5
b_seconds_bucket{le=\"+Inf\"} 1
# HELP build The version.
# TYPE build info
build_info{version=\"1\"} 1
# HELP g Stands.
# TYPE g gauge
g 3
# EOF
";
        let classic = "\
# HELP a_total Counts # things.
# TYPE a_total counter
a_total{x=\"# TYPE y\"} 1
# HELP b_seconds Takes time.
# TYPE b_seconds histogram
b_seconds_sum 0.5
b_seconds_bucket{le=\"+Inf\"} 1
# HELP build_info The version.
# TYPE build_info gauge
build_info{version=\"1\"} 1
# HELP g Stands.
# TYPE g gauge
g 3
";
        assert_eq!(Format::Classic.of(open.to_owned()), classic);
        assert_eq!(Format::Open.of(open.to_owned()), open);
    }
}
