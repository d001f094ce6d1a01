//! The command line: what may be said, and what it comes to.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use url::Url;

use crate::request::{Request, Template};
use crate::scenario::{self, Exchange, Expect};
use crate::source::SourceRange;

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

Exit status: 0 measured, 1 nothing could be measured, 2 bad usage, 130 interrupted.";

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
    /// How long to measure, e.g. 10s, 500ms, 2m; a bare number is seconds
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = positive_duration)]
    pub duration: Duration,
    /// How long to load the server before measuring
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    pub warmup: Duration,
    /// A request without a complete answer after this long has failed
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = positive_duration)]
    pub timeout: Duration,
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
    /// Before the result, say what happens as it happens: one JSON object a line
    #[arg(long, requires = "json")]
    pub progress: bool,
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
        "{connections} connection{} cannot be spread over {threads} threads: use `-t {connections}` or fewer",
        if *.connections == 1 { "" } else { "s" }
    )]
    Threads { connections: u32, threads: u32 },
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
        if self.threads > self.connections {
            return Err(UsageError::Threads {
                connections: self.connections,
                threads: self.threads,
            });
        }
        let mut exchange = self.exchange();
        exchange.request.headers.extend(self.headers.iter().cloned());
        let sources: Arc<[IpAddr]> =
            self.source.iter().flat_map(|range| range.addresses()).collect();
        let endpoints = self
            .urls
            .iter()
            .map(|text| endpoint(text, &sources, &exchange.request))
            .collect::<Result<_, _>>()?;
        Ok(Load { endpoints, sources, method: exchange.request.method, expect: exchange.expect })
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
