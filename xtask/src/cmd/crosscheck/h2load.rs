//! h2load: a thread is an event loop. Its window begins when its connections are open.

use super::generator::{Found, Generator, Load, Unreadable, figure, number, seconds, words};

pub const GENERATOR: Generator = Generator {
    name: "h2load",
    get: "apt-get install nghttp2-client (Debian, Ubuntu) or brew install nghttp2",
    arguments,
    read,
};

fn arguments(load: &Load<'_>) -> Vec<String> {
    words([
        "--h1",
        "--duration",
        &load.seconds.to_string(),
        "--clients",
        &load.connections.to_string(),
        "--threads",
        &load.threads.to_string(),
        "--header",
        "Content-Type: application/json",
        // With a body, the method is POST.
        "--data",
        load.body,
        load.url,
    ])
}

fn read(output: &str) -> Result<Found, Unreadable> {
    // `finished in 2.00s, 32776.00 req/s, 4.16MB/s`: the first includes opening the connections.
    let rate: f64 = figure(output, "finished in", |text| number(text.split_once(", ")?.1))?;
    // `65552 total, 65554 started, 65552 done, 65552 succeeded, 0 failed, 0 errored, 0 timeout`
    let count = |name: &'static str| {
        figure(output, "requests:", |text| {
            let mut counts = text.split(',').filter_map(|count| count.trim().split_once(' '));
            counts.find(|(_, its)| *its == name)?.0.parse::<u64>().ok()
        })
    };
    // Least, greatest, mean, standard deviation.
    let latency =
        figure(output, "time for request:", |text| seconds(text.split_whitespace().nth(2)?))?;
    Ok(Found {
        requests: count("succeeded")?,
        seconds: count("done")? as f64 / rate,
        latency: Some(latency),
        // Of these, those that were errors of a socket and those that were too late are parts.
        errors: count("failed")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
starting benchmark...
spawning thread #0: 19900 total client(s). Timing-based test with 0s of warm-up time and 3s of main duration for measurements.
Warm-up started for thread #0.
progress: 100% of clients started
Warm-up phase is over for thread #0.
Main benchmark duration is started for thread #0.
Application protocol: http/1.1
Main benchmark duration is over for thread #0. Stopping all clients.
Stopped all clients for thread #0

finished in 10.15s, 63226.67 req/s, 8.02MB/s
requests: 189680 total, 209580 started, 189680 done, 189680 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 189680 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 24.06MB (25227440) total, 14.61MB (15323000) headers (space savings 0.00%), 4.74MB (4975000) data
                     min         max         mean         sd        +/- sd
time for request:   160.49ms    667.47ms    289.08ms     71.24ms    86.41%
time for connect:     2.64ms    406.62ms    209.07ms    141.00ms    49.95%
time to 1st byte:   441.50ms    808.96ms    632.90ms    155.46ms    38.50%
req/s           :       2.61        3.21        2.92        0.24    51.97%
";

    const NOT_FOUND: &str = "\
finished in 1.00s, 23362.00 req/s, 1.83MB/s
requests: 23362 total, 23364 started, 23362 done, 0 succeeded, 23362 failed, 0 errored, 0 timeout
status codes: 0 2xx, 0 3xx, 23362 4xx, 0 5xx
traffic: 1.83MB (1915684) total, 1.07MB (1121472) headers (space savings 0.00%), 0B (0) data
                     min         max         mean         sd        +/- sd
time for request:       10us      5.26ms        85us       133us    92.86%
";

    const NOTHING: &str = "\
finished in 1.00s, 0.00 req/s, 0B/s
requests: 0 total, 2 started, 0 done, 0 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 0 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 0B (0) total, 0B (0) headers (space savings 0.00%), 0B (0) data
                     min         max         mean         sd        +/- sd
time for request:        0us         0us         0us         0us     0.00%
time for connect:        4us        24us        14us        13us   100.00%
time to 1st byte:        0us         0us         0us         0us     0.00%
req/s           :       0.00        0.00        0.00        0.00   100.00%
";

    #[test]
    fn the_window_is_the_one_behind_its_rate() {
        let found = read(OUTPUT).unwrap();
        assert_eq!((found.requests, found.errors), (189_680, 0));
        assert!((found.seconds - 3.0).abs() < 1e-6, "{found:?}");
        assert!((found.latency.unwrap() - 0.28908).abs() < 1e-12);
    }

    #[test]
    fn an_error_status_is_not_throughput() {
        let found = read(NOT_FOUND).unwrap();
        assert_eq!((found.requests, found.errors), (0, 23_362));
    }

    #[test]
    fn nothing_completed_is_no_error() {
        let found = read(NOTHING).unwrap();
        assert_eq!((found.requests, found.errors), (0, 0));
    }
}
