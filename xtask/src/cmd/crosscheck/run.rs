//! One run of one generator: started, waited for no longer than it may take, judged.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use super::generator::{Found, Unreadable};
use crate::process::failure::Failure;
use crate::process::interrupt::{self, Interrupted};
use crate::process::{Finished, Stdout, spawn};

/// What became of one run.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Measured(Figures),
    /// It ended as it should, and no request was answered.
    Nothing {
        errors: u64,
    },
    /// Why there are no figures.
    Failed(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Requests per second.
    pub rate: f64,
    /// Requests per second of CPU time of the whole process, from its start to its end.
    pub per_cpu_second: f64,
    /// `rate × mean latency ÷ connections − 1`; `None` without a mean latency.
    pub residual: Option<f64>,
    pub errors: u64,
}

/// Runs `argv` on `cpus` and judges what it writes by `read`. What the generator does wrong is an
/// outcome.
///
/// # Errors
/// The user wants to stop.
pub fn run(
    argv: &[String],
    cpus: &[usize],
    connections: u32,
    limit: Duration,
    read: fn(&str) -> Result<Found, Unreadable>,
    interrupt: &AtomicBool,
) -> anyhow::Result<Outcome> {
    let before = children_cpu()?;
    let child = spawn(argv, Path::new("/"), cpus, Stdout::Lines).with_context(|| argv.join(" "))?;
    let started = Instant::now();
    let go_on = || {
        interrupt::check(interrupt)?;
        if started.elapsed() > limit { Err(Stop::Late) } else { Ok(()) }
    };
    match child.wait_while(go_on) {
        // Nothing else that this process waits for has ended meanwhile: the server still runs.
        Ok(finished) => Ok(judge(&finished, connections, children_cpu()? - before, read)),
        Err(Stop::Late) => Ok(Outcome::Failed(format!("did not end within {limit:?}"))),
        Err(Stop::Interrupted(interrupted)) => Err(Failure::from(interrupted).into()),
    }
}

/// Why a run is not waited for any longer.
enum Stop {
    Interrupted(Interrupted),
    Late,
}

impl From<Interrupted> for Stop {
    fn from(interrupted: Interrupted) -> Self {
        Self::Interrupted(interrupted)
    }
}

fn judge(
    finished: &Finished,
    connections: u32,
    cpu_s: f64,
    read: fn(&str) -> Result<Found, Unreadable>,
) -> Outcome {
    let output = finished.lines.join("\n");
    if !finished.status.success() {
        // Some complain on standard output.
        let said = if finished.tail.trim().is_empty() { &output } else { &finished.tail };
        return Outcome::Failed(format!("{}: {}", finished.status, said.trim()));
    }
    match read(&output) {
        Err(unreadable) => Outcome::Failed(unreadable.to_string()),
        Ok(Found { requests: 0, errors, .. }) => Outcome::Nothing { errors },
        Ok(found) => {
            let rate = found.requests as f64 / found.seconds;
            Outcome::Measured(Figures {
                rate,
                per_cpu_second: found.requests as f64 / cpu_s,
                residual: found.latency.map(|mean| rate * mean / f64::from(connections) - 1.0),
                errors: found.errors,
            })
        }
    }
}

/// CPU seconds of all children that have ended.
fn children_cpu() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

#[cfg(test)]
mod tests {
    use super::*;

    static NOBODY: AtomicBool = AtomicBool::new(false);
    /// Longer than any test takes.
    const LONG: Duration = Duration::from_secs(60);

    /// 200 requests in 2 seconds of which each took 30 ms, unless it wrote something.
    fn read(output: &str) -> Result<Found, Unreadable> {
        match output {
            "" => Ok(Found { requests: 200, seconds: 2.0, latency: Some(0.03), errors: 5 }),
            "nothing" => Ok(Found { requests: 0, seconds: 0.0, latency: None, errors: 7 }),
            _ => Err(Unreadable::Line { label: "figure", output: output.to_owned() }),
        }
    }

    fn shell(script: &str, limit: Duration) -> Outcome {
        let argv = ["sh", "-c", script].map(str::to_owned);
        run(&argv, &[], 4, limit, read, &NOBODY).unwrap()
    }

    fn failure(script: &str, limit: Duration) -> String {
        match shell(script, limit) {
            Outcome::Failed(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn figures_are_those_of_its_own_window() {
        let Outcome::Measured(figures) = shell("true", LONG) else {
            panic!("it was measured");
        };
        assert_eq!((figures.rate, figures.errors), (100.0, 5));
        // 100 per second at 30 ms each are 3 under way, of 4 connections.
        assert!((figures.residual.unwrap() + 0.25).abs() < 1e-12, "{figures:?}");
    }

    #[test]
    fn no_answer_at_all_is_an_outcome_of_its_own() {
        assert_eq!(shell("echo nothing", LONG), Outcome::Nothing { errors: 7 });
    }

    #[test]
    fn one_that_fails_or_writes_something_else_says_why() {
        let why = failure("echo figures; echo no sockets >&2; exit 22", LONG);
        assert!(why.contains("22") && why.contains("no sockets"), "{why}");
        let why = failure("echo no sockets; exit 1", LONG);
        assert!(why.contains("no sockets"), "{why}");
        let why = failure("echo hello", LONG);
        assert!(why.contains("`figure`") && why.contains("hello"), "{why}");
    }

    #[test]
    fn one_that_hangs_is_ended() {
        assert_eq!(failure("sleep 60", Duration::from_millis(20)), "did not end within 20ms");
    }

    #[test]
    fn an_interrupt_is_no_outcome() {
        let argv = ["sleep", "60"].map(str::to_owned);
        let ended = run(&argv, &[], 1, LONG, read, &AtomicBool::new(true)).unwrap_err();
        assert!(matches!(ended.downcast_ref(), Some(Failure::Interrupted(_))), "{ended:?}");
    }
}
