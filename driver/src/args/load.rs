//! From arguments to a load: targets that have an address, and the bytes that go to each.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use url::Url;

use super::Args;
use crate::http::request::{Request, Template};
use crate::scenario::{self, Exchange, Expect};

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
        "{connections} connection{} cannot be spread over {threads} thread{}{}: {}",
        if *.connections == 1 { "" } else { "s" },
        if *.threads == 1 { "" } else { "s" },
        if *.shards > 1 { format!(" in each of {shards} drivers") } else { String::new() },
        match connections / shards {
            0 => format!("use `-c {shards}` or more"),
            most => format!("use `-t {most}` or fewer"),
        }
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
#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

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
    fn urls_that_are_not_http_are_refused() {
        for url in ["127.0.0.1:80", "https://127.0.0.1/", "ftp://127.0.0.1/", "http://", "/x"] {
            assert!(parse(&[url]).unwrap().load().is_err(), "{url}");
        }
    }

    #[test]
    fn more_threads_than_connections_is_an_error_that_says_what_to_do() {
        let args = parse(&["http://127.0.0.1:1/", "-c", "1", "-t", "2"]).unwrap();
        let error = args.load().unwrap_err().to_string();
        assert!(error.contains("use `-t 1`"), "{error}");
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
}
