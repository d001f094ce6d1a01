//! hey: a goroutine for each connection, and Go's own HTTP client.

use super::generator::{Found, Generator, Load, Unreadable, figure, number, words};

pub const GENERATOR: Generator = Generator {
    name: "hey",
    get: "go install github.com/rakyll/hey@latest or brew install hey",
    arguments,
    read,
};

/// Mean latency from which the four decimals that it gives are exact to 1 %, in seconds.
const EXACT: f64 = 0.005;

fn arguments(load: &Load<'_>) -> Vec<String> {
    words([
        "-cpus",
        &load.threads.to_string(),
        "-c",
        &load.connections.to_string(),
        "-z",
        &format!("{}s", load.seconds),
        "-m",
        "POST",
        "-T",
        "application/json",
        "-D",
        load.body,
        load.url,
    ])
}

fn read(output: &str) -> Result<Found, Unreadable> {
    let seconds = figure(output, "Total:", number)?;
    // NaN when nothing was completed.
    let mean: f64 = figure(output, "Average:", number)?;
    // `[200]	14631 responses`, and `[7]	Post "http://…": dial tcp …` for errors.
    let counts = |heading: &'static str| {
        let lines = output.lines().skip_while(move |line| *line != heading).skip(1);
        lines.map_while(|line| line.trim().strip_prefix('[')?.split_once(']'))
    };
    let (mut requests, mut errors) = (0, 0);
    for (status, rest) in counts("Status code distribution:") {
        let count: u64 = number(rest).unwrap_or(0);
        match status.starts_with(['2', '3']) {
            true => requests += count,
            false => errors += count,
        }
    }
    for (count, _) in counts("Error distribution:") {
        errors += number::<u64>(count).unwrap_or(0);
    }
    Ok(Found { requests, seconds, latency: (mean >= EXACT).then_some(mean), errors })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
Summary:
  Total:	3.6785 secs
  Slowest:	3.5678 secs
  Fastest:	0.5467 secs
  Average:	1.8653 secs
  Requests/sec:	3977.3975
  
  Total data:	365775 bytes
  Size/request:	25 bytes

Response time histogram:
  0.547 [1]	|
  0.849 [1392]	|■■■■■■■■■■■■■■■■■
  3.568 [26]	|


Latency distribution:
  10%% in 0.9968 secs
  99%% in 3.2057 secs

Details (average, fastest, slowest):
  DNS+dialup:	0.9169 secs, 0.0000 secs, 2.8741 secs
  resp read:	0.0017 secs, 0.0000 secs, 0.0174 secs

Status code distribution:
  [200]	14631 responses



";

    const REFUSED: &str = "
Summary:
  Total:	1.0051 secs
  Slowest:	0.0000 secs
  Fastest:	0.0000 secs
  Average:	 NaN secs
  Requests/sec:	17085.5492
  

Response time histogram:


Latency distribution:

Details (average, fastest, slowest):
  DNS+dialup:	 NaN secs, 0.0000 secs, 0.0000 secs
  resp read:	 NaN secs, 0.0000 secs, 0.0000 secs

Status code distribution:

Error distribution:
  [17173]	Post \"http://127.0.0.1:18091/ping\": dial tcp 127.0.0.1:18091: connect: connection refused

";

    const NOT_FOUND: &str = "
Summary:
  Total:	1.0036 secs
  Slowest:	0.0108 secs
  Fastest:	0.0000 secs
  Average:	0.0002 secs
  Requests/sec:	11298.0561

Status code distribution:
  [404]	11339 responses
";

    #[test]
    fn figures_are_read() {
        let found = read(OUTPUT).unwrap();
        let latency = Some(1.8653);
        assert_eq!(found, Found { requests: 14_631, seconds: 3.6785, latency, errors: 0 });
    }

    #[test]
    fn what_failed_is_an_error_and_not_throughput() {
        let found = read(REFUSED).unwrap();
        assert_eq!((found.requests, found.latency, found.errors), (0, None, 17_173));
        let found = read(NOT_FOUND).unwrap();
        assert_eq!((found.requests, found.errors), (0, 11_339));
    }

    #[test]
    fn a_mean_that_is_rounded_away_is_none() {
        assert_eq!(read(NOT_FOUND).unwrap().latency, None);
    }
}
