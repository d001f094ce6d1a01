//! The values that arguments take, and what is said of those that are none.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

use crate::pace::HIGHEST_RATE;
use crate::report::Rate;

/// The lowest rate: a request in about eleven days.
const LOWEST_RATE: f64 = 1e-6;
/// Requests in flight on one connection beyond which it only costs memory.
const DEEPEST_PIPELINE: u32 = 1024;
/// The longest length of time: more than any run, and far from where sums of them could overflow.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Which part of a load that several drivers share this one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    pub of: u32,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, of)| {
            Some((index.trim().parse::<u32>().ok()?, of.trim().parse::<u32>().ok()?))
        });
        match parts {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Self { index: index - 1, of }),
            _ => Err("expected I/N with I from 1 to N, such as 2/4".into()),
        }
    }
}
/// A length of time: `10s`, `500ms`, `1m 30s`, or a bare number of seconds.
///
/// # Errors
/// What would be right, for a person.
pub fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let seconds = text.parse::<f64>().ok().map(Duration::try_from_secs_f64);
    let parsed = match seconds {
        Some(parsed) => parsed.ok(),
        None => text
            .parse::<jiff::SignedDuration>()
            .ok()
            .and_then(|signed| Duration::try_from(signed).ok()),
    };
    match parsed {
        Some(duration) if duration <= LONGEST => Ok(duration),
        _ => Err("expected a length of time such as 10s, 500ms or 2m".into()),
    }
}

/// The same, and more than nothing.
///
/// # Errors
/// What would be right, for a person.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than 0".into()),
        duration => Ok(duration),
    }
}

/// A count of one or more.
///
/// # Errors
/// What would be right, for a person.
pub fn at_least_one(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("expected a whole number from 1 to {}", u32::MAX)),
    }
}

/// A rate: `1000`, `20k`, `1.5M`, `100..20k`.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let number = |text: &str| {
        let (digits, unit) = match text.strip_suffix(['k', 'K']) {
            Some(digits) => (digits, 1e3),
            None => text.strip_suffix('M').map_or((text, 1.0), |digits| (digits, 1e6)),
        };
        let rate = digits.trim().parse::<f64>().ok().map(|number| number * unit);
        rate.filter(|rate| (LOWEST_RATE..=HIGHEST_RATE).contains(rate)).ok_or_else(|| {
            format!("expected a rate per second from {LOWEST_RATE} to 1000M, such as 1000 or 20k, or two of them: 100..20k")
        })
    };
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    Ok(Rate { from: number(from.trim())?, to: number(to.trim())? })
}

/// A moment, in RFC 3339 or in seconds since 1970.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    let seconds = text.trim().parse::<f64>().ok();
    let moment = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds)
            .ok()
            .and_then(|since| Timestamp::UNIX_EPOCH.checked_add(since).ok()),
        None => text.trim().parse().ok(),
    };
    let moment =
        moment.ok_or("expected a time such as 2030-01-31T12:00:00Z, or seconds since 1970")?;
    let ahead = Duration::try_from(moment.duration_since(Timestamp::now()));
    if ahead.is_ok_and(|ahead| ahead > LONGEST) {
        return Err("must be within a year from now".into());
    }
    Ok(moment)
}

pub(super) fn pipeline(text: &str) -> Result<u32, String> {
    match at_least_one(text)? {
        depth @ ..=DEEPEST_PIPELINE => Ok(depth),
        _ => Err(format!("must be at most {DEEPEST_PIPELINE}")),
    }
}

fn is_token(text: &str) -> bool {
    // RFC 9110 §5.6.2
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

pub(super) fn token(text: &str) -> Result<String, String> {
    if is_token(text) {
        Ok(text.into())
    } else {
        Err("expected a method name such as GET or POST".into())
    }
}

pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected `Name: value`")?;
    let value = value.trim();
    if !is_token(name) {
        return Err(format!("`{name}` is not a header name"));
    }
    if value.bytes().any(|b| (b < b' ' && b != b'\t') || b == 0x7f) {
        return Err("a header value cannot hold control characters".into());
    }
    Ok((name.into(), value.into()))
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_or_are_seconds() {
        for (text, millis) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1m 30s", 90_000),
            ("3", 3_000),
            ("0.5", 500),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "-1", "-5s", "ten", "10 parsecs", "inf", "NaN", "1e300", "99999999999999s"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_numbers_or_ranges_of_them() {
        let both = |rate| Ok(Rate { from: rate, to: rate });
        assert_eq!(rate("1000"), both(1000.0));
        assert_eq!(rate("20k"), both(20_000.0));
        assert_eq!(rate("0.5"), both(0.5));
        assert_eq!(rate("1.5M"), both(1.5e6));
        assert_eq!(rate("100..2k"), Ok(Rate { from: 100.0, to: 2000.0 }));
        for text in ["", "0", "-1", "k", "1..", "..1", "1e30", "NaN", "inf", "10/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_shard_is_one_of_some() {
        assert_eq!("2/4".parse(), Ok(Shard { index: 1, of: 4 }));
        for text in ["", "1", "0/1", "2/1", "1/0", "-1/2", "1/2/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn headers_that_would_break_the_request_are_refused() {
        for text in ["no-colon", "a b: c", ": v", "X: a\r\nY: b", "X: \u{7f}"] {
            assert!(header(text).is_err(), "{text}");
        }
        assert_eq!(header("X:  a b "), Ok(("X".into(), "a b".into())));
    }
}
