//! wrk: a thread is an event loop. Its mean latency is too low when it is busy, because the time
//! between a parsed answer and the next write is not counted; and far too high after a pause, because
//! it adds the samples that it believes to have missed, as if requests had been due at a fixed rate.

use super::generator::{Found, Generator, Load, Unreadable, figure, number, seconds, sum, words};

pub const GENERATOR: Generator = Generator {
    name: "wrk",
    get: "apt-get install wrk (Debian, Ubuntu) or brew install wrk",
    arguments,
    read,
};

fn arguments(load: &Load<'_>) -> Vec<String> {
    words([
        "--duration",
        &load.seconds.to_string(),
        "--connections",
        &load.connections.to_string(),
        "--threads",
        &load.threads.to_string(),
        "--script",
        load.script,
        load.url,
    ])
}

fn read(output: &str) -> Result<Found, Unreadable> {
    const REQUESTS: &str = "N requests in T";
    let answered: u64 = output
        .lines()
        .find_map(|line| line.split_once(" requests in ")?.0.trim().parse().ok())
        .ok_or_else(|| Unreadable::Line { label: REQUESTS, output: output.to_owned() })?;
    let rate: f64 = figure(output, "Requests/sec:", number)?;
    let latency = figure(output, "Latency ", |text| seconds(text.split_whitespace().next()?))?;
    // These lines are there only when there is something to say.
    let count = |label| figure(output, label, |text| Some(sum(text))).unwrap_or(0);
    let error_status = count("Non-2xx or 3xx responses:");
    Ok(Found {
        requests: answered.saturating_sub(error_status),
        // More exact than the two digits that it gives.
        seconds: answered as f64 / rate,
        latency: Some(latency),
        errors: error_status + count("Socket errors:"),
    })
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

    const NOTHING: &str = "\
Running 3s test @ http://127.0.0.1:18080/ping
  1 threads and 19900 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     0.00us    0.00us   0.00us    -nan%
    Req/Sec     0.00      0.00     0.00      -nan%
  0 requests in 7.41s, 0.00B read
Requests/sec:      0.00
Transfer/sec:       0.00B
";

    #[test]
    fn figures_and_errors_are_read() {
        let found = read(OUTPUT).unwrap();
        assert_eq!((found.requests, found.errors), (1_185_271, 2221));
        assert!((found.seconds - 10.072).abs() < 0.001, "{found:?}");
        assert!((found.latency.unwrap() - 0.06498).abs() < 1e-12);
    }

    #[test]
    fn nothing_completed_is_no_error() {
        let found = read(NOTHING).unwrap();
        assert_eq!((found.requests, found.errors), (0, 0));
    }
}
