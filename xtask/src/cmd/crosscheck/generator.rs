//! What a load generator is to the crosscheck: how it is called, and what its output says. A new
//! one is a file like `hey.rs` and a line in [`super::OTHERS`].

use std::str::FromStr;

/// Lines of an output that nobody could read that are shown.
const LINES_SHOWN: usize = 12;

#[derive(Debug)]
pub struct Generator {
    /// Its program's name.
    pub name: &'static str,
    /// How to get it.
    pub get: &'static str,
    /// What stands behind the program's name to make it send a load.
    pub arguments: fn(&Load<'_>) -> Vec<String>,
    /// Reads what it wrote to its standard output.
    pub read: fn(&str) -> Result<Found, Unreadable>,
}

/// What each generator is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    pub url: &'a str,
    pub connections: u32,
    pub threads: u32,
    /// Whole, because some generators take nothing else.
    pub seconds: u64,
    /// File that holds the body of the request.
    pub body: &'a str,
    /// File that holds the request as wrk takes it.
    pub script: &'a str,
}

/// What one run of a generator says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Requests that were answered, and not by an error status.
    pub requests: u64,
    /// The time that they took together; without a meaning when there were none.
    pub seconds: f64,
    /// Mean latency in seconds; `None` where it says none, or not exactly enough.
    pub latency: Option<f64>,
    /// What it counts as failed: sockets, timeouts, error statuses.
    pub errors: u64,
}

/// Output that is not the generator's usual one.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("its output has no `{label}` with a figure:\n{}", first_lines(.output))]
    Line { label: &'static str, output: String },
    #[error("its output is not the expected JSON ({reason}):\n{}", first_lines(.output))]
    Json { reason: serde_json::Error, output: String },
}

fn first_lines(output: &str) -> String {
    output.trim().lines().take(LINES_SHOWN).collect::<Vec<_>>().join("\n")
}

pub fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).into()
}

/// What follows `label` in the first line that begins with it, as `parse` takes it.
///
/// # Errors
/// There is no such line, or `parse` does not take it.
pub fn figure<T>(
    output: &str,
    label: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Unreadable> {
    let mut lines = output.lines().map(str::trim);
    let figure = lines.find_map(|line| line.strip_prefix(label)).and_then(parse);
    figure.ok_or_else(|| Unreadable::Line { label, output: output.to_owned() })
}

/// The first word as a number.
pub fn number<T: FromStr>(text: &str) -> Option<T> {
    text.split_whitespace().next()?.parse().ok()
}

/// All whole numbers in a text, added.
pub fn sum(text: &str) -> u64 {
    let numbers = text.split(|c: char| !c.is_ascii_digit());
    numbers.filter_map(|number| number.parse().ok()).fold(0, u64::saturating_add)
}

/// `2.33ms` in seconds.
pub fn seconds(text: &str) -> Option<f64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_heeded() {
        for (text, expected) in [("12.43us", 12.43e-6), ("1.50s", 1.5), ("2.00m", 120.0)] {
            assert!((seconds(text).unwrap() - expected).abs() < 1e-12, "{text}");
        }
        assert_eq!(seconds("12"), None);
        assert_eq!(seconds("ms"), None);
    }
}
