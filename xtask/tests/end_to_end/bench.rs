//! `bench` on real servers: whole, killed, interrupted, resumed.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use driver::report::Report;
use nix::sys::signal::Signal;

use crate::support::{Results, Running, Servers, built, run, temp, turn, xtask};

/// Two servers × two variants × two connection counts.
const SAMPLES: usize = 8;

fn bench(out: &Path) -> Command {
    let mut command = xtask("bench --quick --servers hyper,axum --connections 2,50");
    command.args(["--duration", "300ms", "--warmup", "100ms", "--out"]).arg(out);
    command
}

fn resume(out: &Path) -> Command {
    let mut command = xtask("bench --resume");
    command.arg(out);
    command
}

/// A folder to be, and what will be in it.
fn results() -> (tempfile::TempDir, Results) {
    let temp = temp();
    let results = Results(temp.path().join("run"));
    (temp, results)
}

#[test]
fn a_run_has_every_sample_once_and_reports_that_can_be_made_again() {
    let _turn = turn();
    let (_temp, results) = results();
    run(&mut bench(&results.0)).succeeds().says(&["report.md", "wrk.txt"]);

    results.assert_complete();
    let samples = results.samples();
    assert_eq!(samples.len(), SAMPLES);
    for sample in samples {
        let report: Report =
            serde_json::from_value(sample["outcome"]["measured"]["driver"].clone())
                .unwrap_or_else(|error| panic!("{error}: {sample}"));
        assert_eq!(u64::from(report.config.connections), sample["cell"]["connections"]);
        assert_eq!(report.connect.established, report.config.connections, "{sample}");
        assert_eq!(report.errors.total() + report.errors_before.total(), 0, "{sample}");
        assert!(report.rate() > 0.0, "{sample}");
    }

    let reports = || ["report.md", "wrk.txt"].map(|name| results.text(name));
    let first = reports();
    for label in ["hyper", "axum", "simd-json"] {
        assert!(first[0].contains(label), "{}", first[0]);
    }
    assert_eq!(first[1].matches("Requests/sec:").count(), SAMPLES);
    for name in ["report.md", "wrk.txt"] {
        fs::remove_file(results.0.join(name)).expect("it is there");
    }
    run(xtask("report").arg(&results.0)).succeeds();
    assert_eq!(reports(), first);
}

#[test]
fn a_killed_run_leaves_no_process_loses_no_sample_and_can_be_resumed() {
    let _turn = turn();
    let (_temp, results) = results();
    let mut command = bench(&results.0);
    for done in [1, 3, 5] {
        let running = Running::start(&mut command);
        assert!(results.has(done), "no {done} samples");
        if done == 1 {
            // Without it, finding nobody after the kill would prove nothing.
            assert!(running.has(&["server-", "driver"]));
        }
        thread::sleep(Duration::from_millis(fastrand::u64(0..400)));
        assert!(running.kill(), "a process outlived bench");

        let taken = results.taken();
        assert!(taken.len() >= done);
        assert_eq!(taken, results.plan()[..taken.len()]);
        command = resume(&results.0);
    }
    // As a crash of the whole machine may leave it.
    let whole = fs::metadata(results.0.join("samples.jsonl")).expect("it is there").len();
    let file = OpenOptions::new().write(true).open(results.0.join("samples.jsonl"));
    file.and_then(|file| file.set_len(whole - 20)).expect("writable");
    let left = SAMPLES - results.samples().len();

    run(&mut command).succeeds().says(&["cut short", &format!("{left} to go")]);
    results.assert_complete();
    assert_eq!(results.text("report.md").matches("## Failures").count(), 0);
}

#[test]
fn ctrl_c_stops_with_the_command_that_goes_on() {
    let _turn = turn();
    let (_temp, results) = results();
    let running = Running::start(&mut bench(&results.0));
    assert!(results.has(1));
    running.signal(Signal::SIGINT);
    let stopped = running.wait().exits(130);

    let taken = results.taken().len();
    assert!(taken < SAMPLES, "it stopped early");
    let command = stopped.stderr.lines().find_map(|line| line.trim().strip_prefix("cargo xtask "));
    let command = command.unwrap_or_else(|| panic!("no command in {}", stopped.stderr));
    run(&mut xtask(command)).succeeds().says(&[&format!("{} to go", SAMPLES - taken)]);
    results.assert_complete();
}

#[test]
fn ctrl_c_ends_a_build_and_leaves_no_empty_folder() {
    built();
    let (_temp, results) = results();
    let servers = Servers::new();
    servers.add("slow", "build = [\"sleep\", \"600\"]\nrun = [\"false\", \"{port}\"]", "");
    let mut command = xtask("bench --quick --servers-dir");
    let running = Running::start(command.arg(servers.path()).arg("--out").arg(&results.0));
    assert!(running.has(&["sleep"]));
    running.signal(Signal::SIGINT);
    running.wait().exits(130).says(&["interrupted"]);
    assert!(!results.0.exists());
}

#[test]
fn one_bench_at_a_time_writes_a_folder() {
    let _turn = turn();
    let (_temp, results) = results();
    let running = Running::start(&mut bench(&results.0));
    assert!(results.has(1));
    run(&mut resume(&results.0)).fails_saying(&["being written by another bench"]);
    // The first is not disturbed.
    running.wait().succeeds();
    results.assert_complete();

    let samples = results.text("samples.jsonl");
    let report = results.text("report.md");
    fs::remove_file(results.0.join("report.md")).expect("it is there");
    run(&mut resume(&results.0)).succeeds().says(&["0 to go"]);
    assert_eq!(results.text("samples.jsonl"), samples);
    assert_eq!(results.text("report.md"), report);
}
