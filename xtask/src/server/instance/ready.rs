//! A server is ready when it has given a correct answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::start_problem;
use crate::conformance::{self, NotReady};
use crate::process::Child;
use crate::process::background;
use crate::process::failure::Failure;
use crate::process::interrupt;

/// How long a single question may take; a runtime that compiles as it goes is slow at first.
const ANSWER: Duration = Duration::from_secs(2);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits for `child`'s first correct answer, for `limit` at most.
pub fn wait(
    child: &Child,
    scenario: &str,
    address: SocketAddr,
    limit: Duration,
    interrupt: &AtomicBool,
) -> Result<(), Failure> {
    let given_up = Arc::new(AtomicBool::new(false));
    let asker = Asker {
        scenario: scenario.to_owned(),
        address,
        deadline: Instant::now() + limit,
        given_up: Arc::clone(&given_up),
    };
    let answer = background::run(
        move || asker.ask(),
        || {
            interrupt::check(interrupt)?;
            alive(child)
        },
    );
    given_up.store(true, Ordering::Relaxed);
    let answer = answer?;
    // The answer of a port whose server has ended came from somebody else.
    alive(child)?;
    let message = match answer {
        Ok(()) => return Ok(()),
        Err(NotReady::NoAnswer(last)) => format!(
            "the server gave no answer within {} s of its start ({last}); does it listen on \
             {address}, as `run` in server.toml should have it do?",
            limit.as_secs_f64()
        ),
        Err(wrong @ NotReady::Wrong(_)) => format!("the server {wrong}"),
        Err(NotReady::Scenario(unknown)) => unknown.to_string(),
    };
    Err(start_problem(message, child.tail()).into())
}

fn alive(child: &Child) -> Result<(), Failure> {
    match child.exited() {
        None => Ok(()),
        Some(status) => {
            let message = format!("the server ended before it was ready ({status})");
            Err(start_problem(message, child.tail()).into())
        }
    }
}

struct Asker {
    scenario: String,
    address: SocketAddr,
    deadline: Instant,
    given_up: Arc<AtomicBool>,
}

impl Asker {
    /// Asks until the answer is correct, or wrong, or the time is over.
    fn ask(&self) -> Result<(), NotReady> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let timeout = left.clamp(PAUSE, ANSWER);
            let go_on = left > PAUSE && !self.given_up.load(Ordering::Relaxed);
            match conformance::ready(&self.scenario, self.address, timeout) {
                Err(NotReady::NoAnswer(_)) if go_on => thread::sleep(PAUSE),
                answer => return answer,
            }
        }
    }
}
