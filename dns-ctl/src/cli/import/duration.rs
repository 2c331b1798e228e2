//! Durations as Go writes them: `5s`, `1h30m`, `0.5s`.

use std::time::Duration;

const UNITS: [(&str, f64); 6] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// Reads a duration that is not negative; `None` if it is not one.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(digits);
        let unit_end = behind
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_end);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total += number.parse::<f64>().ok()? * factor;
        rest = behind;
    }
    (!text.is_empty())
        .then(|| Duration::try_from_secs_f64(total).ok())
        .flatten()
}

/// The whole seconds of a duration, rounded up.
pub(super) fn seconds(text: &str) -> Option<u32> {
    let duration = parse(text)?;
    u32::try_from(duration.as_millis().div_ceil(1000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go() {
        for (text, milliseconds) in [
            ("5s", Some(5000)),
            ("1h30m", Some(5_400_000)),
            ("0.5s", Some(500)),
            ("100ms", Some(100)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("", None),
            ("5", None),
            ("s", None),
            ("5 s", None),
            ("-5s", None),
            ("1d", None),
        ] {
            let found = parse(text).map(|duration| duration.as_millis());
            assert_eq!(found, milliseconds, "{text}");
        }
        assert_eq!(seconds("1500ms"), Some(2));
    }
}
