//! What a result is written as, and where.

use std::fs;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use driver::report::Report;
use nix::pty::{Winsize, openpty};
use tempfile::TempDir;

use crate::support::*;

/// A folder, and paths in it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The path as an argument.
    fn arg(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A report with intervals, in a file.
    fn report(&self, name: &str) -> Report {
        let server = good();
        let args = [&server.url(), "--scenario", "ping", "-c4", "-t2", "-d200ms"];
        let ended = run(&[&args[..], &["--json", "--intervals"]].concat());
        fs::write(self.path(name), &ended.stdout).unwrap();
        ended.report()
    }
}

fn merge(args: &[&str]) -> Ended {
    run(&[&["merge"], args].concat())
}

/// `label = value` of a footer line of a `.hgrm`.
fn footer(hgrm: &str, label: &str) -> f64 {
    let rest = hgrm.split_once(label).unwrap().1;
    let number = rest.trim_start().trim_start_matches('=').trim_start();
    number.split([',', ']']).next().unwrap().trim().parse().unwrap()
}

#[test]
fn all_files_of_one_run_say_the_same() {
    let folder = Folder::new();
    let server = good();
    let files = ["hgrm", "hlog", "csv", "prometheus"];
    let paths = files.map(|name| folder.arg(name));
    let flags = files.map(|name| format!("--{name}"));
    let mut args = vec!["-d1200ms"];
    for (flag, path) in flags.iter().zip(&paths) {
        args.extend([flag.as_str(), path.as_str()]);
    }
    let ended = ended(spawn(ping_with(&server.url(), &args)));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report = ended.report();

    let hgrm = folder.text("hgrm");
    assert_eq!(footer(&hgrm, "Total count") as u64, report.requests);
    assert!((footer(&hgrm, "#[Mean") / 1e3 - report.latency.mean()).abs() < 1e-9);
    let last = hgrm.lines().rfind(|line| !line.starts_with('#')).unwrap();
    let last: Vec<&str> = last.split_whitespace().collect();
    assert_eq!(last[1..], ["1.000000000000", &report.requests.to_string()]);

    let csv = folder.text("csv");
    let rows: Vec<Vec<f64>> = csv
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|field| field.parse().unwrap()).collect())
        .collect();
    let columns = csv.lines().next().unwrap().split(',').count();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.len() == columns));
    assert_eq!(rows.iter().map(|row| row[2] as u64).sum::<u64>(), report.requests);

    let hlog = folder.text("hlog");
    assert!(hlog.starts_with("#[Histogram log format version 1.3]\n"), "{hlog}");
    assert_eq!(hlog.lines().filter(|line| !line.starts_with('#')).count(), 2);

    let requests = format!("\nhttpdyno_requests {}\n", report.requests);
    assert!(folder.text("prometheus").contains(&requests));
}

#[test]
fn a_file_on_standard_output_takes_the_place_of_the_text() {
    let server = good();
    let args = [&server.url(), "--scenario", "ping", "-c4", "-t2", "-d100ms"];
    let ended = run(&[&args[..], &["--csv", "-"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("start_s,"), "{}", ended.stdout);
    assert_eq!(ended.stdout.lines().count(), 2);
}

#[test]
fn what_was_in_a_file_is_replaced_only_by_a_result() {
    let folder = Folder::new();
    let long = "x".repeat(100_000);
    fs::write(folder.path("a.csv"), &long).unwrap();
    let nobody = run(&["http://127.0.0.1:1/", "-t99", "--csv", &folder.arg("a.csv")]);
    assert_eq!(nobody.code, Some(2));
    assert_eq!(folder.text("a.csv"), long);
    folder.report("a.json");
    let done = merge(&[&folder.arg("a.json"), "--csv", &folder.arg("a.csv")]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(folder.text("a.csv").lines().count(), 2);
}

#[test]
fn what_cannot_be_written_is_an_error_before_anything_is_sent() {
    let server = good();
    let url = server.url();
    for (args, parts) in [
        (&["--csv", "/nowhere/a.csv"][..], &["cannot write /nowhere/a.csv", "No such file"][..]),
        (&["--hgrm", "/"], &["cannot write /"]),
        (&["--hgrm", "-", "--json"], &["--json and --hgrm both go to standard output"]),
        (&["--csv", "/tmp/x", "--hlog", "/tmp/x"], &["--hlog and --csv both go to /tmp/x"]),
    ] {
        let ended = run(&[&[&url, "-d100ms"], args].concat());
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        for part in parts {
            assert!(ended.stderr.contains(part), "{part:?} not in {}", ended.stderr);
        }
    }
    assert_eq!(server.right(), 0);
}

#[test]
fn merged_shards_are_the_whole_load() {
    let folder = Folder::new();
    let server = good();
    let start_at = jiff::Timestamp::now() + std::time::Duration::from_millis(500);
    let start_at = start_at.to_string();
    let shards = ["1/2", "2/2"].map(|shard| {
        let args = ["-d300ms", "--rate", "400", "--intervals", "--start-at", &start_at];
        spawn(ping_with(&server.url(), &[&args[..], &["--shard", shard]].concat()))
    });
    let shards = shards.map(ended);
    for (shard, name) in shards.iter().zip(["1.json", "2.json"]) {
        fs::write(folder.path(name), &shard.stdout).unwrap();
    }
    let merged = merge(&[&folder.arg("1.json"), &folder.arg("2.json"), "--json"]);
    assert_eq!(merged.code, Some(0), "{}", merged.stderr);
    let merged = merged.report();
    assert_eq!(merged.requests, shards.iter().map(|shard| shard.report().requests).sum::<u64>());
    assert_eq!(merged.latency.count(), merged.requests);
    assert_eq!(merged.config.connections, 4);
    assert_eq!(merged.config.rate.map(|rate| rate.to), Some(400.0));
    assert_eq!(merged.open_loop.unwrap().scheduled, 120);
}

#[test]
fn one_report_is_written_in_other_forms() {
    let folder = Folder::new();
    let report = folder.report("a.json");
    let text = merge(&[&folder.arg("a.json")]);
    assert_eq!(text.code, Some(0), "{}", text.stderr);
    assert_eq!(text.stdout, driver::output::text::wrk(&report));
}

#[test]
fn what_cannot_be_merged_is_named_with_its_reason() {
    let folder = Folder::new();
    folder.report("a.json");
    fs::write(folder.path("cut.json"), &folder.text("a.json")[..1000]).unwrap();
    fs::write(folder.path("without.json"), {
        let mut report: Report = serde_json::from_str(&folder.text("a.json")).unwrap();
        report.intervals.clear();
        serde_json::to_string(&report).unwrap()
    })
    .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    folder.report("later.json");
    let a = folder.arg("a.json");
    let of = |name: &str| folder.arg(name);
    fs::write(folder.path("newer.json"), {
        let mut report: Report = serde_json::from_str(&folder.text("a.json")).unwrap();
        report.schema += 1;
        serde_json::to_string(&report).unwrap()
    })
    .unwrap();
    for (args, parts) in [
        (vec![of("newer.json")], vec!["newer.json has schema 2"]),
        (vec![a.clone(), of("none.json")], vec!["cannot read", "none.json"]),
        (vec![of("cut.json")], vec!["cut.json is not what `driver --json` prints"]),
        (vec![a.clone(), of("later.json")], vec!["later.json cannot be added", "--start-at"]),
        (vec![of("without.json"), "--csv=-".into()], vec!["without.json", "--intervals"]),
    ] {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ended = merge(&args);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
        for part in parts {
            assert!(ended.stderr.contains(part), "{part:?} not in {}", ended.stderr);
        }
    }
}

#[test]
fn on_a_terminal_one_line_says_how_it_goes() {
    let server = good();
    let size = Winsize { ws_row: 24, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(&size, None).unwrap();
    let mut command = ping_with(&server.url(), &["-d900ms"]);
    command.stdout(Stdio::null()).stderr(Stdio::from(terminal.slave));
    let mut child = command.spawn().unwrap();
    // Once the command's own copy is gone, the terminal ends with the driver.
    drop(command);
    let shown = until_its_end(terminal.master);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    for part in ["measuring 0.", "of 0.9s", "req/s", "mean latency", "0 errors", "4 connections"] {
        assert!(shown.contains(part), "{part:?} not in {shown:?}");
    }
    assert!(!shown.contains('\n'), "one line: {shown:?}");
}

fn until_its_end(master: OwnedFd) -> String {
    let mut shown = Vec::new();
    let mut master = File::from(master);
    let mut buffer = [0; 4096];
    // The other side's end is EIO.
    while let Ok(length @ 1..) = master.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8_lossy(&shown).into_owned()
}

#[test]
fn elsewhere_nothing_is_said_while_it_goes() {
    let server = good();
    let ended = ended(spawn(ping_with(&server.url(), &["-d600ms"])));
    assert_eq!(ended.stderr, "");
    assert_eq!(ended.stdout.lines().count(), 1);
}

#[test]
fn a_disk_that_is_full_is_an_error_and_the_rest_is_written() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        return;
    }
    let server = good();
    let ended = ended(spawn(ping_with(&server.url(), &["-d100ms", "--csv", "/dev/full"])));
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("cannot write /dev/full: No space"), "{}", ended.stderr);
    assert!(ended.report().requests > 0);
}
