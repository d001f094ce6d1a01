//! Starting the binary, waiting for its end, and what must hold of every run.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use driver::report::{Errors, Report};

use crate::misbehave::Server;

/// Far longer than any run here takes: what is not over by then hangs.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    #[track_caller]
    pub fn report(&self) -> Report {
        // With `--progress`, events come before it.
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }
}

pub fn driver(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driver"));
    command.args(args);
    command
}

pub fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for the end of `child`, which must come by itself.
#[track_caller]
pub fn ended(mut child: Child) -> Ended {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let stdout = thread::spawn(move || text(stdout));
    let stderr = thread::spawn(move || text(stderr));
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > DEADLINE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the driver did not end");
        }
        thread::sleep(Duration::from_millis(5));
    };
    Ended { code: status.code(), stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

pub fn text(pipe: Option<impl Read>) -> String {
    let mut text = String::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_string(&mut text).unwrap();
    }
    text
}

#[track_caller]
pub fn run(args: &[&str]) -> Ended {
    ended(spawn(driver(args)))
}

pub const CONNECTIONS: u64 = 4;

/// The ping scenario.
pub fn ping_with(url: &str, args: &[&str]) -> Command {
    driver(&[&[url, "--scenario", "ping", "--json", "-c4", "-t2"], args].concat())
}

/// The ping scenario for a fraction of a second, and no timeout in it.
pub fn ping(url: &str) -> Command {
    ping_with(url, &["-d200ms", "--timeout", "5s"])
}

/// Measures with [`ping`] and checks what holds of every server whose first answer on each
/// connection is right.
#[track_caller]
pub fn measure(server: &Server, command: Command) -> Report {
    let ended = ended(spawn(command));
    let report = ended.report();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(report.errors_before, Errors::default());
    assert_eq!(report.latency.count(), report.requests);
    assert_eq!(report.threads.iter().map(|thread| thread.requests).sum::<u64>(), report.requests);
    assert_eq!(report.unanswered, 0);
    // Each connection's first right answer came before the window, the last ones after it.
    let counted = report.requests + CONNECTIONS;
    let right = server.right();
    assert!(
        counted <= right && right <= counted + report.in_flight_at_end,
        "{} requests of {right} right answers, {} after the window",
        report.requests,
        report.in_flight_at_end
    );
    report
}

/// A server without fault.
pub fn good() -> Server {
    Server::start(|peer| {
        while let Some(request) = peer.request() {
            peer.answer(&request);
        }
    })
}
