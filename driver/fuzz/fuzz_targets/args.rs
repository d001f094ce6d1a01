//! Whatever the command line holds, the driver does not panic, and what it sends is one request.
//!
//! Input: lines: path and query, method, body, time, rate, shard, pipeline, moment, source, and headers.

#![no_main]

use clap::Parser as _;
use driver::args::{Cli, duration};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (path, method, body, time) = (line(), line(), line(), line());
    let (rate, shard, pipeline, moment, source) = (line(), line(), line(), line(), line());
    let headers: Vec<String> = lines.map(|header| format!("-H{header}")).collect();

    let _ = duration(time);
    // Only addresses, so that nothing is looked up in the DNS.
    let url = format!("http://127.0.0.1:9/{path}");
    let (method, body) = (format!("-m{method}"), format!("-b{body}"));
    // An empty line leaves the flag out.
    let flags = [
        ("rate", rate),
        ("shard", shard),
        ("pipeline", pipeline),
        ("start-at", moment),
        ("source", source),
    ];
    let flags: Vec<String> = flags
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("--{name}={value}"))
        .collect();
    let mut argv = vec!["driver", &url, &method, &body];
    argv.extend(flags.iter().map(String::as_str));
    argv.extend(headers.iter().map(String::as_str));
    let Ok(cli) = Cli::try_parse_from(argv) else { return };
    let args = cli.load;
    let Ok(mut load) = args.load() else { return };
    assert!((1..=args.connections).contains(&args.own_connections()));

    let request = load.endpoints[0].request.with(0);
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(request) {
        Ok(httparse::Status::Complete(len)) => {
            assert_eq!(&request[len..], args.body.as_deref().unwrap_or_default().as_bytes());
            let given = args.headers.len();
            assert!((given..=given + 2).contains(&parsed.headers.len()));
        }
        Err(httparse::Error::TooManyHeaders) => {}
        other => panic!("{other:?}: {:?}", String::from_utf8_lossy(request)),
    }
});
