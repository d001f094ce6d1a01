//! ab, of the Apache HTTP server: one thread, whatever is asked for, and HTTP/1.0 with keep-alive.

use super::generator::{Found, Generator, Load, Unreadable, figure, number, words};

pub const GENERATOR: Generator = Generator {
    name: "ab",
    get: "apt-get install apache2-utils (Debian, Ubuntu); macOS has it",
    arguments,
    read,
};

/// More than it can send in a second: it ends after a number of requests, too, and takes memory for
/// that number in advance.
const REQUESTS_PER_SECOND: u64 = 1_000_000;

fn arguments(load: &Load<'_>) -> Vec<String> {
    words([
        "-q",
        // Keep-alive.
        "-k",
        // Errors of a socket are counted; else the first one ends it.
        "-r",
        "-t",
        &load.seconds.to_string(),
        // After -t, which sets it to 50,000.
        "-n",
        &load.seconds.saturating_mul(REQUESTS_PER_SECOND).to_string(),
        "-c",
        &load.connections.to_string(),
        "-T",
        "application/json",
        // With a body, the method is POST.
        "-p",
        load.body,
        load.url,
    ])
}

fn read(output: &str) -> Result<Found, Unreadable> {
    let completed: u64 = figure(output, "Complete requests:", number)?;
    let failed: u64 = figure(output, "Failed requests:", number)?;
    // This line is there only when there is something to say.
    let error_status: u64 = figure(output, "Non-2xx responses:", number).unwrap_or(0);
    let errors = failed + error_status;
    Ok(Found {
        requests: completed.saturating_sub(errors),
        seconds: figure(output, "Time taken for tests:", number)?,
        // `Time per request` is made of rate and connections, so it would say nothing about either;
        // the one that it has measured is given in whole milliseconds.
        latency: None,
        errors,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
Benchmarking 127.0.0.1 (be patient).....done


Server Software:        
Server Hostname:        127.0.0.1
Server Port:            18080

Document Path:          /ping
Document Length:        25 bytes

Concurrency Level:      400
Time taken for tests:   2.001 seconds
Complete requests:      438816
Failed requests:        0
Keep-Alive requests:    438816
Total transferred:      68894112 bytes
Total body sent:        83011824
HTML transferred:       10970400 bytes
Requests per second:    219330.36 [#/sec] (mean)
Time per request:       1.824 [ms] (mean)
Time per request:       0.005 [ms] (mean, across all concurrent requests)

Connection Times (ms)
              min  mean[+/-sd] median   max
Connect:        0    0   0.2      0       8
Total:          0    2   0.4      2      12
";

    const REFUSED: &str = "\
Concurrency Level:      2
Time taken for tests:   1.000 seconds
Complete requests:      61318
Failed requests:        91977
   (Connect: 0, Receive: 61318, Length: 0, Exceptions: 30659)
Keep-Alive requests:    0
Requests per second:    61317.82 [#/sec] (mean)
";

    const NOT_FOUND: &str = "\
Concurrency Level:      2
Time taken for tests:   1.000 seconds
Complete requests:      43778
Failed requests:        0
Non-2xx responses:      43778
Keep-Alive requests:    43778
Requests per second:    43776.86 [#/sec] (mean)
";

    #[test]
    fn figures_are_read() {
        let found = read(OUTPUT).unwrap();
        let expected = Found { requests: 438_816, seconds: 2.001, latency: None, errors: 0 };
        assert_eq!(found, expected);
    }

    #[test]
    fn what_failed_is_an_error_and_not_throughput() {
        for (output, errors) in [(REFUSED, 91_977), (NOT_FOUND, 43_778)] {
            let found = read(output).unwrap();
            assert_eq!((found.requests, found.errors), (0, errors));
        }
    }

    #[test]
    fn output_that_ends_early_is_not_read() {
        assert!(read("Benchmarking 127.0.0.1 (be patient)...").is_err());
    }
}
