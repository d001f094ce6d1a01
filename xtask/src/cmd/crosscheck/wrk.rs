//! wrk beside our driver: how to call it, and what its output says.

/// What one run of wrk found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    pub requests: u64,
    /// Requests per second.
    pub rate: f64,
    /// Mean latency in seconds.
    pub latency: f64,
    /// Socket errors and answers that were not 2xx or 3xx.
    pub errors: u64,
}

/// Output that is not wrk's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("wrk's output has no `{missing}` line:\n{output}")]
pub struct ParseError {
    missing: &'static str,
    output: String,
}

/// Reads wrk's text.
///
/// # Errors
/// The first line that is missing or has no figure where wrk has one.
pub fn parse(output: &str) -> Result<Found, ParseError> {
    let find = |missing: &'static str, read: fn(&str) -> Option<f64>| {
        let error = || ParseError { missing, output: output.to_owned() };
        output.lines().find_map(read).ok_or_else(error)
    };
    let requests =
        find("N requests in T", |line| line.split_once(" requests in ")?.0.trim().parse().ok())?;
    let rate =
        find("Requests/sec:", |line| line.strip_prefix("Requests/sec:")?.trim().parse().ok())?;
    let latency = find("Latency", |line| {
        seconds(line.trim().strip_prefix("Latency ")?.split_whitespace().next()?)
    })?;
    let errors = output.lines().filter_map(|line| {
        let line = line.trim();
        let counts = line
            .strip_prefix("Socket errors:")
            .or_else(|| line.strip_prefix("Non-2xx or 3xx responses:"))?;
        let numbers = counts.split(|c: char| !c.is_ascii_digit());
        Some(numbers.filter_map(|number| number.parse::<u64>().ok()).sum::<u64>())
    });
    Ok(Found { requests: requests as u64, rate, latency, errors: errors.sum() })
}

/// `2.33ms` in seconds.
fn seconds(text: &str) -> Option<f64> {
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

    const OUTPUT: &str = "\
Running 10s test @ http://localhost:7770/ping
  4 threads and 20000 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    64.98ms   11.16ms   1.98s    99.19%
    Req/Sec    30.07k     8.92k   66.73k    76.26%
  1185278 requests in 10.07s, 179.73MB read
  Socket errors: connect 0, read 2094, write 0, timeout 120
  Non-2xx or 3xx responses: 7
Requests/sec: 117676.17
Transfer/sec:     17.84MB
";

    #[test]
    fn figures_and_errors_are_read() {
        let found = parse(OUTPUT).unwrap();
        assert_eq!((found.requests, found.rate, found.errors), (1_185_278, 117_676.17, 2221));
        assert!((found.latency - 0.06498).abs() < 1e-12);
    }

    #[test]
    fn the_unit_is_heeded() {
        for (text, expected) in [("12.43us", 12.43e-6), ("1.50s", 1.5), ("2.00m", 120.0)] {
            assert!((seconds(text).unwrap() - expected).abs() < 1e-12, "{text}");
        }
        assert_eq!(seconds("12"), None);
        assert_eq!(seconds("ms"), None);
    }

    #[test]
    fn other_output_is_shown_in_the_error() {
        let error = parse("unable to connect").unwrap_err().to_string();
        assert!(error.contains("N requests in T") && error.contains("unable"), "{error}");
    }
}
