//! What a user gets wrong: each is a message that says what to do, and nothing is measured.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::server;
use crate::support::{Results, Servers, run, temp, turn, xtask};

/// A folder with a server that is never to be started.
fn servers() -> Servers {
    let servers = Servers::new();
    servers.add("never", "build = [\"false\"]\nrun = [\"false\", \"{port}\"]", "");
    servers
}

/// `bench` with these words on [`servers`], which fails and says so.
fn bench_fails(words: &str, says: &[&str]) {
    let servers = servers();
    let mut command = xtask(&format!("bench {words}"));
    run(command.arg("--servers-dir").arg(servers.path())).fails_saying(says);
}

#[test]
fn unknown_names_suggest_the_near_one() {
    for (words, says) in [
        ("bench --servers hypr", &["there is no server `hypr`", "did you mean `hyper`?"][..]),
        ("bench --servers nginx", &["there is no server `nginx`", "`axum`", "`hyper`"]),
        ("bench --variants simdjson", &["variant `simdjson`", "did you mean `simd-json`?"]),
        ("bench --variants axum/simdjson", &["did you mean `axum/simd-json`?"]),
        ("bench --suite qick", &["no suite `qick`", "bench.toml", "did you mean `quick`?"]),
        ("verify axmu", &["there is no server `axmu`", "did you mean `axum`?"]),
        ("list axmu", &["there is no server `axmu`", "did you mean `axum`?"]),
        ("verify --scenario pong", &["pong", "ping"]),
        ("bnech", &["bnech", "bench"]),
        ("bench --conections 2", &["--conections", "--connections"]),
    ] {
        run(&mut xtask(words)).fails_saying(says);
    }
}

#[test]
fn a_wrong_manifest_is_named_by_file_line_and_key() {
    for (lines, says) in [
        ("run = [\"x\", \"{port}\"]\nbiuld = [\"make\"]", &["unknown key `biuld`", "`build`"][..]),
        ("run = \"x {port}\"", &["`run`", "expected an array"]),
        ("run = [\"x\", \"{prot}\"]", &["unknown placeholder `{prot}`", "`{port}`"]),
        ("run = [\"x\"]", &["`run` has no `{port}`"]),
        ("", &["missing key `run`"]),
        ("run = [", &[]),
    ] {
        let servers = Servers::new();
        servers.add("wrong", lines, "");
        for verb in ["bench --quick", "verify", "list", "doctor"] {
            let mut command = xtask(verb);
            run(command.arg("--servers-dir").arg(servers.path()))
                .fails_saying(&["wrong/server.toml:"])
                .says(says);
        }
    }
}

#[test]
fn a_folder_of_servers_that_is_none_is_named() {
    let temp = temp();
    let nowhere = temp.path().join("nowhere");
    for verb in ["bench", "list", "verify", "doctor"] {
        let mut command = xtask(verb);
        run(command.arg("--servers-dir").arg(&nowhere))
            .fails_saying(&["cannot list the servers in", "nowhere"]);
        // An empty one, as after a typing error.
        let mut command = xtask(verb);
        run(command.arg("--servers-dir").arg(temp.path())).fails_saying(&["server.toml"]);
    }
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    bench_fails("--connections 0", &["--connections", "at least 1"]);
    bench_fails("--connections -3", &["-3"]);
    bench_fails("--connections 2,many", &["many", "whole number"]);
    bench_fails("--threads 0", &["--threads", "at least 1"]);
    bench_fails("--rounds 0", &["--rounds", "at least 1"]);
    bench_fails("--duration 0", &["--duration", "longer than 0"]);
    bench_fails("--duration fast", &["--duration", "such as 10s"]);
    bench_fails("--duration 1e300", &["--duration", "such as 10s"]);
    bench_fails("--warmup=-1s", &["--warmup", "such as 10s"]);
    bench_fails("--rounds 4000000000", &["4000000000 rounds", "fewer with --rounds"]);
}

#[test]
fn more_connections_than_the_host_can_hold_name_the_limit_and_what_raises_it() {
    let connections = "--connections 4000000000";
    let servers = servers();
    let ended =
        run(xtask("bench").args(connections.split(' ')).arg("--servers-dir").arg(servers.path()))
            .fails_saying(&["4000000000 connections need"]);
    let remedies = ["fs.file-max=", "or fewer, or take a larger machine"];
    assert!(remedies.iter().any(|remedy| ended.stderr.contains(remedy)), "{}", ended.stderr);
}

#[test]
fn a_results_folder_that_cannot_be_used_is_named_before_anything_is_built() {
    let temp = temp();
    let file = temp.path().join("file");
    fs::write(&file, "").expect("writable");
    let full = temp.path().join("full");
    fs::create_dir(&full).expect("writable");
    fs::write(full.join("notes"), "mine").expect("writable");
    for (out, says) in [
        (&*file, "cannot create"),
        (&file.join("below"), "cannot create"),
        (Path::new("/proc/x"), "cannot create /proc/x"),
        (&full, "already holds files; name another folder with --out"),
    ] {
        let servers = servers();
        let mut command = xtask("bench --quick");
        command.arg("--servers-dir").arg(servers.path()).arg("--out").arg(out);
        let ended = run(&mut command).fails_saying(&[says, &out.display().to_string()]);
        assert!(!ended.stderr.contains("building"), "{}", ended.stderr);
    }
    assert_eq!(fs::read_to_string(full.join("notes")).expect("kept"), "mine");
}

#[test]
fn a_dry_run_says_the_plan_and_does_nothing() {
    let temp = temp();
    let out = temp.path().join("run");
    let servers = servers();
    let mut command = xtask("bench --quick --dry-run --seed 7 --rounds 3 --connections 2,50");
    let ended = run(command.arg("--servers-dir").arg(servers.path()).arg("--out").arg(&out))
        .succeeds()
        .says(&["never/plain", "--seed 7", "6 samples", "2 from", "50 from"]);
    assert!(!ended.stderr.contains("building"), "{}", ended.stderr);
    assert!(!out.exists());
}

#[test]
fn connections_that_are_named_twice_are_measured_once() {
    let servers = servers();
    let mut command = xtask("bench --quick --dry-run --connections 2,50,2 --threads 1,1");
    run(command.arg("--servers-dir").arg(servers.path())).succeeds().says(&["2 samples"]);
}

#[test]
fn a_folder_that_is_no_run_cannot_be_resumed_or_reported() {
    let temp = temp();
    let nowhere = temp.path().join("nowhere");
    for dir in [temp.path(), &nowhere] {
        for verb in ["bench --resume", "report"] {
            let says = ["no run in", &*dir.to_string_lossy(), "make one with `cargo xtask bench`"];
            run(xtask(verb).arg(dir)).fails_saying(&says);
        }
    }
    for flag in ["--rounds", "--seed", "--out"] {
        let words = format!("bench --resume x {flag} 2");
        run(&mut xtask(&words)).fails_saying(&["--resume", flag]);
    }
}

#[test]
fn a_results_folder_that_was_damaged_says_where_and_stays_as_it_is() {
    let _turn = turn();
    let servers = Servers::new();
    servers.add("good", &server::run("good"), "");
    let temp = temp();
    let results = Results(temp.path().join("run"));
    let mut command = xtask("bench --quick --connections 2 --duration 100ms --warmup 0");
    command.arg("--servers-dir").arg(servers.path());
    run(command.arg("--out").arg(&results.0)).succeeds();
    let (record, samples) = (results.text("run.json"), results.text("samples.jsonl"));
    let write = |name: &str, text: &str| fs::write(results.0.join(name), text).expect("writable");
    let fails = |says: &[&str]| {
        for verb in ["bench --resume", "report"] {
            let mut command = xtask(verb);
            command.arg(&results.0).env("HTTPDYNO_SERVERS", servers.path());
            run(&mut command).fails_saying(says);
        }
    };

    for bad in ["nonsense", "{}", "", "[1,2]"] {
        let text = format!("{samples}{bad}\n");
        write("samples.jsonl", &text);
        fails(&["samples.jsonl, line 2: ", "correct or delete the line"]);
        assert_eq!(results.text("samples.jsonl"), text);
    }
    write("samples.jsonl", &samples);
    for bad in ["{", "", "{}", "{\"schema\": 99}"] {
        write("run.json", bad);
        fails(&["run.json: "]);
        assert_eq!(results.text("samples.jsonl"), samples);
    }
    write("run.json", &record);
    fs::remove_file(results.0.join("samples.jsonl")).expect("it is there");
    fails(&["samples.jsonl"]);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_panic() {
    let mut command = xtask("list");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let child = command.stdout(writer).stderr(Stdio::piped()).spawn().expect("the program runs");
    let output = child.wait_with_output().expect("it is our child");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
