//! This very test program in the role of a server, good or bad.

use std::env;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process;
use std::thread;

/// Answers on one connection after which the mortal server ends: more than the conformance cases
/// ask on any, and few for a driver.
const MORTAL: u32 = 150;
/// Of a mortal server.
pub const LAST_WORDS: &str = "the stack of cards has fallen";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Good,
    /// Ends before it listens.
    Stillborn,
    /// Answers every ping with the next one's number.
    Wrong,
    /// Ends in the middle of the load.
    Mortal,
}

/// `run` of a manifest for a server that behaves so: `good`, `stillborn`, `wrong` or `mortal`.
pub fn run(behaviour: &str) -> String {
    let program = env::current_exe().expect("a test is a program").display().to_string();
    let behaviour = format!("behaviour={behaviour}");
    let argv = [&program, "--exact", "server::as_server", "--nocapture", "port={port}", &behaviour];
    format!("run = {argv:?}")
}

/// The server, when the harness starts this program with [`run`]'s arguments; else nothing.
#[test]
fn as_server() {
    let argument =
        |name: &str| env::args().find_map(|word| word.strip_prefix(name).map(str::to_owned));
    let (Some(port), Some(behaviour)) = (argument("port="), argument("behaviour=")) else {
        return;
    };
    let behaviour = match behaviour.as_str() {
        "good" => Behaviour::Good,
        "stillborn" => Behaviour::Stillborn,
        "wrong" => Behaviour::Wrong,
        "mortal" => Behaviour::Mortal,
        other => panic!("no behaviour {other}"),
    };
    if behaviour == Behaviour::Stillborn {
        eprintln!("no card to stack");
        process::exit(3);
    }
    let port: u16 = port.parse().expect("the harness gives a number");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
    for stream in listener.incoming().flatten() {
        // What a client does to its connection is no concern of this server.
        thread::spawn(move || drop(serve(stream, behaviour)));
    }
}

fn serve(mut stream: TcpStream, behaviour: Behaviour) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let mut answers = 0;
    loop {
        while let Some((length, body)) = request(&received)? {
            let answer = answer(body, behaviour);
            received.drain(..length);
            stream.write_all(answer.as_bytes())?;
            answers += 1;
            if behaviour == Behaviour::Mortal && answers == MORTAL {
                eprintln!("{LAST_WORDS}");
                process::exit(7);
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => received.extend(&buffer[..count]),
        }
    }
}

/// The length and the body of the first request, once it is whole. What is none is an error.
fn request(received: &[u8]) -> io::Result<Option<(usize, &[u8])>> {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(received).map_err(io::Error::other)?
    else {
        return Ok(None);
    };
    let length = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .map_or(Ok(0), |header| String::from_utf8_lossy(header.value).parse::<usize>())
        .map_err(io::Error::other)?;
    Ok(received.get(head..head.saturating_add(length)).map(|body| (head + length, body)))
}

fn answer(body: &[u8], behaviour: Behaviour) -> String {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Ping {
        sequence: u64,
    }
    let (status, body) = match serde_json::from_slice::<Ping>(body) {
        Ok(mut ping) => {
            ping.sequence = ping.sequence.wrapping_add((behaviour == Behaviour::Wrong).into());
            ("200 OK", serde_json::to_string(&ping).expect("a plain struct"))
        }
        Err(_) => ("400 Bad Request", String::new()),
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\
         Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
