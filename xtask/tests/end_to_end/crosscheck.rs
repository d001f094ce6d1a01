//! `crosscheck`: our driver beside other load generators, which here are scripts of that name.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::{run, temp, turn, xtask};

/// A program called `name` in `dir`.
fn add(dir: &Path, name: &str, script: &str) {
    let file = dir.join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("it can be written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// The search path with `dir` first.
fn path_with(dir: &Path) -> OsString {
    let mut path = dir.as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}

#[test]
fn each_generator_has_its_row_and_none_stops_the_others() {
    let _turn = turn();
    let bin = temp();
    add(bin.path(), "wrk", "echo no such host >&2; exit 1");
    add(bin.path(), "hey", r"printf '  Total:\t1.0 secs\n  Average:\t NaN secs\n'");
    let ab = "Time taken for tests: 2.0 seconds\nComplete requests: 7\nFailed requests: 1";
    add(bin.path(), "ab", &format!("echo '{ab}'"));
    let words = "crosscheck --against wrk,hey,ab --connections 2,3 --pairs 1 --duration 10ms";
    let ended = run(xtask(words).env("PATH", path_with(bin.path()))).succeeds().says(&[
        "2 connections\n",
        "3 connections\n",
        "driver ",
        "wrk: failed in 1 of 1 round: exit status: 1: no such host",
        "hey: completed nothing in 1 of 1 round",
    ]);
    let rows = ended.stdout.lines().filter(|line| line.trim_start().starts_with("ab "));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 2, "{}", ended.stdout);
    for row in rows {
        assert_eq!((row[1], row.last()), ("3.00", Some(&"1")), "{}", ended.stdout);
    }
}

#[test]
fn each_that_is_missing_is_named_with_how_to_get_it() {
    let nowhere = temp();
    run(xtask("crosscheck --against wrk,hey").env("PATH", nowhere.path())).fails_saying(&[
        "wrk is not on PATH; get it: apt-get install wrk",
        "hey is not on PATH; get it: go install",
    ]);
}

#[test]
fn what_cannot_be_asked_is_said_before_anything_is_built() {
    let bin = temp();
    add(bin.path(), "wrk", "exit 1");
    for (words, says) in [
        ("--against h2laod", &["h2laod", "similar value", "h2load"][..]),
        ("--against wrk,", &["--against"]),
        ("--connections 2,0", &["at least 1"]),
        ("--connections 4,1 --threads 2", &["--threads 2", "--connections 1"]),
        ("--connections 4000000000", &["4000000000 connections"]),
    ] {
        let mut command = xtask(&format!("crosscheck {words}"));
        let ended = run(command.env("PATH", path_with(bin.path()))).fails_saying(says);
        assert!(!ended.stderr.contains("building"), "{words}: {}", ended.stderr);
    }
}
