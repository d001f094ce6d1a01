use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::builder::RangedU64ValueParser;
use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};

/// The command line of every Rust server.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
pub struct Options {
    /// Address to listen on; anything but a loopback address is reachable from the network
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub addr: IpAddr,

    /// Port to listen on
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,

    /// Threads that serve requests, from 1 to 1024
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024)
    )]
    pub threads: usize,

    /// JSON library that reads requests and writes answers
    #[arg(long, value_name = "LIBRARY", value_enum, default_value_t = Json::SerdeJson)]
    pub json: Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Json {
    #[value(name = "serde_json")]
    SerdeJson,
    #[value(name = "simd-json")]
    SimdJson,
}

impl Options {
    /// Reads the command line of the program called `server`; on a bad value or `--help` this
    /// prints what to do and ends the program.
    #[must_use]
    pub fn parse_for(server: &'static str) -> Self {
        let mut command = Self::command_for(server);
        Self::from_arg_matches(&command.get_matches_mut())
            .unwrap_or_else(|error| error.format(&mut command).exit())
    }

    fn command_for(server: &'static str) -> clap::Command {
        Self::command()
            .name(server)
            .about("Answers POST /ping with the JSON that it was sent, until SIGTERM or SIGINT")
            .after_help(format!(
                "Examples:\n  \
                 {server} --port 8080\n  \
                 {server} --port 8080 --threads 4 --json simd-json\n  \
                 curl -H 'Content-Type: application/json' -d '{{\"sequence\":7}}' \
                 http://127.0.0.1:8080/ping"
            ))
    }

    /// Where to listen.
    #[must_use]
    pub fn socket_addr(&self) -> SocketAddr {
        SocketAddr::new(self.addr, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        let arguments = ["server-x"].iter().chain(arguments);
        Options::command_for("server-x")
            .try_get_matches_from(arguments)
            .and_then(|matches| Options::from_arg_matches(&matches))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_is_well_formed() {
        Options::command_for("server-x").debug_assert();
    }

    #[test]
    fn listens_on_loopback_unless_told_otherwise() {
        let options = parse(&[]).expect("no option is required");
        assert!(options.addr.is_loopback());
        assert_eq!((options.threads, options.json), (1, Json::SerdeJson));
    }

    #[test]
    fn takes_what_the_manifests_pass() {
        let options =
            parse(&["--addr", "::1", "--port", "9000", "--threads", "4", "--json", "simd-json"])
                .expect("legal options");
        assert_eq!(options.socket_addr().to_string(), "[::1]:9000");
        assert_eq!((options.threads, options.json), (4, Json::SimdJson));
    }

    #[test]
    fn a_bad_value_is_named_with_its_option() {
        for (option, value) in [
            ("--addr", "localhost"),
            ("--port", "0"),
            ("--port", "65536"),
            ("--threads", "0"),
            ("--threads", "1025"),
            ("--json", "sonic"),
        ] {
            let error = parse(&[option, value]).expect_err(value);
            assert!(error.contains(option) && error.contains(value), "{error}");
        }
    }
}
