//! The command line: what may be said, and what it comes to.

use std::fmt;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use jiff::Timestamp;
use url::Url;

use crate::http::request::{Request, Template};
use crate::pace::HIGHEST_RATE;
use crate::report::Rate;
use crate::scenario::{self, Exchange, Expect};
use crate::source::SourceRange;

/// The lowest rate: a request in about eleven days.
const LOWEST_RATE: f64 = 1e-6;
/// Requests in flight on one connection beyond which it only costs memory.
const DEEPEST_PIPELINE: u32 = 1024;

const EXAMPLES: &str = "\
Examples:
  driver http://127.0.0.1:8080/
      10 connections, 2 threads, 10 seconds
  driver http://127.0.0.1:8080/ping -c 400 -t 1 -d 30s --scenario ping
      POST /ping with a number that changes, every answer checked against its request
  driver http://127.0.0.1:8080/users -m POST -b '{\"name\":\"a\"}' -H 'Content-Type: application/json'
  driver http://127.0.0.1:8001/ http://127.0.0.1:8002/ -c 40000 -t 4 --json
      two instances of one server, the connections spread evenly, the result as JSON
  driver http://127.0.0.1:8080/ -c 100000 -t 6 --source 127.0.0.1-127.0.0.4
      more connections than one address has ports: from four addresses of this host

  driver http://127.0.0.1:8080/ping -c 100 --rate 20k --scenario ping --deadline 50ms
      20,000 requests a second, whatever the server does; latency from the scheduled moment

Exit status: 0 measured, 1 nothing could be measured, 2 bad usage, 3 measured but not what was asked
for (the rate was not reached), 4 the driver was the limit (with --strict), 130 interrupted.";

/// Loads an HTTP/1.1 server and says how many right answers it gave, and how late.
#[derive(Debug, Parser)]
#[command(name = "driver", version, after_help = EXAMPLES)]
pub struct Args {
    /// Where to send requests; connection i goes to URL i modulo their number
    #[arg(value_name = "URL", required = true)]
    pub urls: Vec<String>,
    /// Connections to keep open, over all threads
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    pub connections: u32,
    /// Threads to send from, each with its own connections and descriptor table
    #[arg(short, long, value_name = "N", default_value_t = 2, value_parser = at_least_one)]
    pub threads: u32,
    /// Addresses of this host to connect from, in turn: 127.0.0.2 or 127.0.0.2-127.0.0.9; several
    /// with commas or by repeating it [default: the kernel's choice]
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    pub source: Vec<SourceRange>,
    /// Open loop: send at this rate per second over all connections, whatever the server does; A..B
    /// goes from A to B while measuring. Latency then counts from the scheduled moment
    #[arg(short = 'R', long, value_name = "RATE", value_parser = rate)]
    pub rate: Option<Rate>,
    /// How long to measure, e.g. 10s, 500ms, 2m; a bare number is seconds
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = positive_duration)]
    pub duration: Duration,
    /// How long to load the server before measuring
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    pub warmup: Duration,
    /// A request without a complete answer this long after it was sent has failed
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = positive_duration)]
    pub timeout: Duration,
    /// A right answer later than this after its request was due counts as an error, and its
    /// connection goes on [default: none]
    #[arg(long, value_name = "TIME", value_parser = positive_duration)]
    pub deadline: Option<Duration>,
    /// Requests that each connection has in flight
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = pipeline)]
    pub pipeline: u32,
    /// Open a connection for each request; latency includes opening it
    #[arg(long, conflicts_with = "pipeline")]
    pub no_keepalive: bool,
    /// Whether to open a connection again when it has ended
    #[arg(long, value_name = "WHEN", default_value = "always")]
    pub reconnect: Reconnect,
    /// Begin the load at this time (RFC 3339, or Unix seconds), with all connections open
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub start_at: Option<Timestamp>,
    /// Be driver I of N that share connections and rate
    #[arg(long, value_name = "I/N", default_value = "1/1", hide_default_value = true)]
    pub shard: Shard,
    /// How long opening all connections may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = positive_duration)]
    pub connect_timeout: Duration,
    /// Request method [default: GET]
    #[arg(short, long, value_name = "METHOD", value_parser = token)]
    pub method: Option<String>,
    /// Request body
    #[arg(short, long, value_name = "BODY")]
    pub body: Option<String>,
    /// A header to add, `Name: value`; may be given more than once
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = header)]
    pub headers: Vec<(String, String)>,
    /// Requests and answers of a named scenario instead of a method and a body of your own
    #[arg(long, value_name = "NAME", value_parser = scenario::NAMES, conflicts_with_all = ["method", "body"])]
    pub scenario: Option<String>,
    /// Print the result as JSON (see FORMAT.md) instead of text in wrk's layout
    #[arg(long)]
    pub json: bool,
    /// Record the window second by second
    #[arg(long)]
    pub intervals: bool,
    /// Exit with 4 when the driver, not the server, was the limit
    #[arg(long)]
    pub strict: bool,
    /// Before the result, say what happens as it happens: one JSON object a line
    #[arg(long, requires = "json")]
    pub progress: bool,
}

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

/// What happens to a connection that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reconnect {
    /// It is opened again: at once when the server closed it after an answer, after a growing pause
    /// when it failed
    Always,
    /// It stays closed, and is reported as lost
    Never,
}

/// Something in the arguments that cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    #[error("`{url}` is not a URL: {source}")]
    Url { url: String, source: url::ParseError },
    #[error("`{url}`: only http:// is spoken here{}", if .url.starts_with("https:") { ", no TLS yet" } else { "" })]
    Scheme { url: String },
    #[error("`{url}` does not resolve: {reason}")]
    Resolve { url: String, reason: String },
    #[error(
        "--source {source_address} and `{url}` are addresses of different kinds: use {} source, or \
         another target",
        if .source_address.is_ipv4() { "an IPv6" } else { "an IPv4" }
    )]
    Source { source_address: IpAddr, url: String },
    #[error(
        "{connections} connection{} cannot be spread over {threads} threads{}: use `-t {}` or fewer",
        if *.connections == 1 { "" } else { "s" },
        if *.shards > 1 { format!(" of {shards} drivers") } else { String::new() },
        (connections / shards).max(1)
    )]
    Threads { connections: u32, threads: u32, shards: u32 },
    #[error("--start-at {0} is in the past; it is {1} now")]
    Past(Timestamp, Timestamp),
}

/// One target and what is sent to it.
#[derive(Debug)]
pub struct Endpoint {
    pub url: String,
    pub address: SocketAddr,
    pub request: Template,
}

/// The load that the arguments ask for.
#[derive(Debug)]
pub struct Load {
    pub endpoints: Vec<Endpoint>,
    /// Local addresses to connect from, in turn; none leaves it to the kernel.
    pub sources: Arc<[IpAddr]>,
    pub method: String,
    pub expect: Expect,
}

impl Args {
    /// Resolves the targets and builds the requests.
    ///
    /// # Errors
    /// [`UsageError`].
    pub fn load(&self) -> Result<Load, UsageError> {
        let shards = self.shard.of;
        if u64::from(self.threads) * u64::from(shards) > u64::from(self.connections) {
            return Err(UsageError::Threads {
                connections: self.connections,
                threads: self.threads,
                shards,
            });
        }
        let now = Timestamp::now();
        if let Some(start_at) = self.start_at.filter(|start_at| *start_at < now) {
            return Err(UsageError::Past(start_at, now));
        }
        let mut exchange = self.exchange();
        exchange.request.headers.extend(self.headers.iter().cloned());
        if self.no_keepalive {
            exchange.request.headers.push(("Connection".into(), "close".into()));
        }
        let sources: Arc<[IpAddr]> =
            self.source.iter().flat_map(|range| range.addresses()).collect();
        let endpoints = self
            .urls
            .iter()
            .map(|text| endpoint(text, &sources, &exchange.request))
            .collect::<Result<_, _>>()?;
        Ok(Load { endpoints, sources, method: exchange.request.method, expect: exchange.expect })
    }

    /// Connections of this driver, which may be one of several shards.
    pub fn own_connections(&self) -> u32 {
        let shares = (0..self.threads).map(|worker| self.share(worker).1);
        shares.sum()
    }

    /// First connection and number of connections of worker `worker` of this driver, in the count
    /// over all shards.
    pub(crate) fn share(&self, worker: u32) -> (u32, u32) {
        let (workers, index) = (self.workers(), self.worker(worker));
        let (each, rest) = (self.connections / workers, self.connections % workers);
        (index.saturating_mul(each) + index.min(rest), each + u32::from(index < rest))
    }

    /// Workers of all shards. [`Self::load`] has checked that there are no more than connections.
    pub(crate) fn workers(&self) -> u32 {
        self.shard.of.saturating_mul(self.threads)
    }

    /// Position of worker `local` of this driver among those of all shards.
    pub(crate) fn worker(&self, local: u32) -> u32 {
        self.shard.index.saturating_mul(self.threads).saturating_add(local)
    }

    /// Whether the window is recorded second by second.
    pub(crate) fn records_intervals(&self) -> bool {
        self.intervals
    }

    fn exchange(&self) -> Exchange {
        match self.scenario.as_deref().and_then(scenario::find) {
            Some(exchange) => exchange,
            None => Exchange {
                request: Request {
                    method: self.method.clone().unwrap_or_else(|| "GET".into()),
                    path: "/".into(),
                    headers: Vec::new(),
                    body: Template::fixed(self.body.clone().unwrap_or_default()),
                },
                expect: Expect::Success,
            },
        }
    }
}

fn endpoint(text: &str, sources: &[IpAddr], request: &Request) -> Result<Endpoint, UsageError> {
    let url = Url::parse(text).map_err(|source| UsageError::Url { url: text.into(), source })?;
    if url.scheme() != "http" {
        return Err(UsageError::Scheme { url: text.into() });
    }
    let mut addresses = url
        .socket_addrs(|| None)
        .map_err(|error| UsageError::Resolve { url: text.into(), reason: error.to_string() })?;
    // A name often has addresses of both kinds.
    for source in sources {
        let of_its_kind = |target: &SocketAddr| target.is_ipv4() == source.is_ipv4();
        if !addresses.is_empty() && !addresses.iter().any(of_its_kind) {
            return Err(UsageError::Source { source_address: *source, url: text.into() });
        }
        addresses.retain(of_its_kind);
    }
    let address = reachable(&addresses).ok_or_else(|| UsageError::Resolve {
        url: text.into(),
        reason: "it has no address".into(),
    })?;
    let mut request = request.clone();
    // A bare address means the scenario's own path.
    if url.path() != "/" || url.query().is_some() {
        request.path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
    }
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = request.encode(host);
    Ok(Endpoint { url: text.into(), address, request })
}

/// The first address that takes a connection, when there is a choice (`localhost` is often both
/// `::1` and `127.0.0.1`, and a server often only one of them); else the first.
fn reachable(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    let first = *addresses.first()?;
    if addresses.len() == 1 {
        return Some(first);
    }
    let answers = |address: &&SocketAddr| {
        TcpStream::connect_timeout(address, Duration::from_millis(500)).is_ok()
    };
    Some(addresses.iter().find(answers).copied().unwrap_or(first))
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
        // A year: more than any run, and far from where arithmetic on times could overflow.
        Some(duration) if duration <= Duration::from_secs(366 * 24 * 3600) => Ok(duration),
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
fn rate(text: &str) -> Result<Rate, String> {
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
fn moment(text: &str) -> Result<Timestamp, String> {
    let seconds = text.trim().parse::<f64>().ok();
    let moment = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds)
            .ok()
            .and_then(|since| Timestamp::UNIX_EPOCH.checked_add(since).ok()),
        None => text.trim().parse().ok(),
    };
    moment
        .ok_or_else(|| "expected a time such as 2030-01-31T12:00:00Z, or seconds since 1970".into())
}

fn pipeline(text: &str) -> Result<u32, String> {
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

fn token(text: &str) -> Result<String, String> {
    if is_token(text) {
        Ok(text.into())
    } else {
        Err("expected a method name such as GET or POST".into())
    }
}

fn header(text: &str) -> Result<(String, String), String> {
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

    fn parse(args: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from([&["driver"], args].concat())
    }

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
    fn zeros_are_refused() {
        for args in [["-c", "0"], ["-t", "0"], ["-d", "0"], ["--timeout", "0ms"]] {
            let error = parse(&[&["http://127.0.0.1:1/"][..], &args].concat()).unwrap_err();
            assert!(error.to_string().contains(args[0]), "{error}");
        }
        assert!(parse(&["http://127.0.0.1:1/", "--warmup", "0"]).is_ok());
    }

    #[test]
    fn more_threads_than_connections_is_an_error_that_says_what_to_do() {
        let args = parse(&["http://127.0.0.1:1/", "-c", "1", "-t", "2"]).unwrap();
        let error = args.load().unwrap_err().to_string();
        assert!(error.contains("use `-t 1`"), "{error}");
    }

    #[test]
    fn every_connection_belongs_to_exactly_one_worker_of_one_shard() {
        for (connections, threads, shards) in
            [(1, 1, 1), (10, 3, 1), (400, 7, 3), (20_000, 2, 4), (8, 4, 2)]
        {
            let mut next = 0;
            for shard in 1..=shards {
                let args = parse(&[
                    "http://127.0.0.1:1/",
                    &format!("-c{connections}"),
                    &format!("-t{threads}"),
                    &format!("--shard={shard}/{shards}"),
                ])
                .unwrap();
                let before = next;
                for worker in 0..threads {
                    let (first, count) = args.share(worker);
                    assert_eq!(first, next);
                    assert!(count.abs_diff(connections / threads / shards) <= 1);
                    next += count;
                }
                assert_eq!(args.own_connections(), next - before);
            }
            assert_eq!(next, connections);
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
    fn a_moment_is_a_time_or_seconds() {
        assert_eq!(moment("1.5").unwrap().as_millisecond(), 1500);
        assert_eq!(moment("1970-01-01T00:00:02Z").unwrap().as_second(), 2);
        for text in ["", "now", "12:00", "-5", "1e300", "NaN"] {
            assert!(moment(text).is_err(), "{text}");
        }
        let past = parse(&["http://127.0.0.1:1/", "--start-at", "1"]).unwrap().load();
        assert!(past.unwrap_err().to_string().contains("in the past"));
    }

    #[test]
    fn the_request_is_what_was_asked_for() {
        let args = parse(&[
            "http://127.0.0.1:81/a?b=c",
            "-m",
            "PUT",
            "-b",
            "xyz",
            "-H",
            "X-One: 1",
            "-H",
            "Host: h",
        ]);
        let mut load = args.unwrap().load().unwrap();
        let request = load.endpoints[0].request.with(0);
        assert_eq!(
            std::str::from_utf8(request).unwrap(),
            "PUT /a?b=c HTTP/1.1\r\nX-One: 1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyz"
        );
    }

    #[test]
    fn methods_that_take_a_body_say_when_there_is_none() {
        let head_with = |args: &[&str]| {
            let args = parse(&[&["http://127.0.0.1:81/"], args].concat()).unwrap();
            let mut load = args.load().unwrap();
            String::from_utf8(load.endpoints[0].request.with(0).to_vec()).unwrap()
        };
        assert!(head_with(&["-m", "POST"]).contains("\r\nContent-Length: 0\r\n"));
        assert!(!head_with(&["-m", "GET"]).contains("Content-Length"));
        let chunked = ["-m", "POST", "-H", "Transfer-Encoding: chunked", "-b", "0\r\n\r\n"];
        assert!(!head_with(&chunked).contains("Content-Length"));
    }

    #[test]
    fn a_scenario_patches_its_number_into_the_request() {
        let args = parse(&["http://127.0.0.1:81", "--scenario", "ping"]).unwrap();
        let mut load = args.load().unwrap();
        let request = load.endpoints[0].request.with(123_456_789_012);
        assert_eq!(
            std::str::from_utf8(request).unwrap(),
            "POST /ping HTTP/1.1\r\nHost: 127.0.0.1:81\r\nContent-Type: application/json\r\n\
             Content-Length: 25\r\n\r\n{\"sequence\":123456789012}"
        );
    }

    #[test]
    fn sources_are_listed_repeated_and_ranges() {
        let args = ["http://127.0.0.1:81/", "--source", "127.0.0.9,127.0.0.2-127.0.0.3"];
        let args = parse(&[&args[..], &["--source", "127.0.0.7"]].concat()).unwrap();
        let expected: Vec<IpAddr> = ["127.0.0.9", "127.0.0.2", "127.0.0.3", "127.0.0.7"]
            .map(|address| address.parse().unwrap())
            .to_vec();
        assert_eq!(*args.load().unwrap().sources, *expected);
        assert!(parse(&["http://127.0.0.1:81/", "--source", "here"]).is_err());
    }

    #[test]
    fn a_source_of_the_other_kind_is_an_error_that_names_it_and_the_target() {
        for (url, sources, wrong) in [
            ("http://127.0.0.1:81/", "::1", "::1"),
            ("http://[::1]:81/", "127.0.0.1", "127.0.0.1"),
            ("http://127.0.0.1:81/", "127.0.0.1,::2", "::2"),
        ] {
            let args = parse(&[url, "--source", sources]).unwrap();
            let error = args.load().unwrap_err().to_string();
            assert!(error.contains(url) && error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn headers_that_would_break_the_request_are_refused() {
        for text in ["no-colon", "a b: c", ": v", "X: a\r\nY: b", "X: \u{7f}"] {
            assert!(header(text).is_err(), "{text}");
        }
        assert_eq!(header("X:  a b "), Ok(("X".into(), "a b".into())));
    }

    #[test]
    fn urls_that_are_not_http_are_refused() {
        for url in ["127.0.0.1:80", "https://127.0.0.1/", "ftp://127.0.0.1/", "http://", "/x"] {
            assert!(parse(&[url]).unwrap().load().is_err(), "{url}");
        }
    }
}
