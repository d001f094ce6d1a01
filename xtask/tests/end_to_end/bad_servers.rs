//! Servers that go wrong in each way there is, beside one that does not. They are in a folder of
//! their own, which is all that it takes to add a server.

use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::server::{self, LAST_WORDS};
use crate::support::{Results, Running, Servers, run, temp, turn, xtask};

const BUILD_ERROR: &str = "error: flux capacitor not found";

fn servers() -> Servers {
    let servers = Servers::new();
    let build = format!("build = [\"sh\", \"-c\", \"echo {BUILD_ERROR} >&2; exit 2\"]\n");
    let requires = "[[requires]]\nprogram = \"no-such-program\"\nget = \"apt-get install it\"";
    servers
        .add("good", &server::run("good"), "")
        .add("broken-build", &(build + &server::run("good")), "")
        .add("stillborn", &server::run("stillborn"), "")
        .add("wrong", &server::run("wrong"), "")
        .add("mortal", &server::run("mortal"), "")
        .add("lacking", &server::run("good"), requires);
    servers
}

/// The problem of the server, or else of its only variant.
fn problem<'a>(run: &'a Value, server: &str) -> &'a Value {
    let servers = run["servers"].as_array().expect("a list of servers");
    let server = servers.iter().find(|one| one["name"] == server).expect("it is recorded");
    match &server["problem"] {
        Value::Null => &server["variants"][0]["problem"],
        problem => problem,
    }
}

fn contains(text: &Value, part: &str) -> bool {
    text.as_str().is_some_and(|text| text.contains(part))
}

#[test]
fn bad_servers_are_told_of_and_the_good_one_is_measured() {
    let _turn = turn();
    let servers = servers();
    let temp = temp();
    let results = Results(temp.path().join("run"));
    let mut command = xtask("bench --quick --connections 2 --rounds 2 --warmup 0");
    command.args(["--duration", "200ms", "--servers-dir"]).arg(servers.path());
    let ended = run(command.arg("--out").arg(&results.0)).exits(1);
    ended.says(&[
        BUILD_ERROR,
        "no card to stack",
        "answers wrongly",
        LAST_WORDS,
        "apt-get install it",
    ]);

    let record = results.run();
    for (name, stage, message, tail) in [
        ("broken-build", "build", "exit status: 2", BUILD_ERROR),
        ("stillborn", "start", "exit status: 3", "no card to stack"),
        ("wrong", "start", "answers wrongly", ""),
        ("lacking", "requirements", "get it: apt-get install it", ""),
    ] {
        let problem = problem(&record, name);
        assert_eq!(problem["stage"], stage, "{name}: {problem}");
        assert!(contains(&problem["message"], message), "{name}: {problem}");
        assert!(contains(&problem["stderr_tail"], tail), "{name}: {problem}");
    }

    results.assert_complete();
    let samples = results.samples();
    let of = |server: &str| -> Vec<&Value> {
        let samples = samples.iter().filter(|sample| sample["cell"]["server"] == server);
        samples.map(|sample| &sample["outcome"]).collect()
    };
    let (good, mortal) = (of("good"), of("mortal"));
    assert_eq!((good.len(), mortal.len(), samples.len()), (2, 2, 4));
    for outcome in good {
        let requests = &outcome["measured"]["driver"]["requests"];
        assert!(requests.as_u64().is_some_and(|requests| requests > 0), "{outcome}");
    }
    for outcome in mortal {
        let failed = &outcome["failed"];
        assert_eq!(failed["stage"], "measure", "{outcome}");
        assert!(contains(&failed["message"], "exit status: 7"), "{outcome}");
        assert!(contains(&failed["stderr_tail"], LAST_WORDS), "{outcome}");
    }

    let report = results.text("report.md");
    let (_, failures) = report.split_once("## Failures").expect("there are some");
    for name in ["broken-build", "stillborn", "wrong", "mortal", "lacking"] {
        assert!(failures.contains(&format!("**{name}")), "{name} in {failures}");
    }
    for said in [BUILD_ERROR, "no card to stack", "answers wrongly", LAST_WORDS] {
        assert!(failures.contains(said), "{said} in {failures}");
    }
}

#[test]
fn the_folder_can_be_named_in_the_environment_and_is_all_that_is_looked_at() {
    let servers = servers();
    let list = |arguments: &str| {
        let mut command = xtask(arguments);
        command.env("HTTPDYNO_SERVERS", servers.path());
        run(&mut command)
    };
    let names = ["good", "broken-build", "stillborn", "wrong", "mortal", "lacking"];
    let listed = list("list").succeeds().says(&names).says(&["missing: `no-such-program`"]);
    assert!(!listed.stdout.contains("hyper"), "{}", listed.stdout);
    list("list hyper").fails_saying(&["there is no server `hyper`"]);
    // As an empty variable in a CI job: it is as if there were none.
    run(xtask("list hyper").env("HTTPDYNO_SERVERS", "")).succeeds();
}

#[test]
fn a_run_of_other_servers_can_be_resumed() {
    let _turn = turn();
    let servers = Servers::new();
    servers.add("good", &server::run("good"), "");
    let temp = temp();
    // A space, as a command that is shown must be one that can be pasted.
    let results = Results(temp.path().join("my run"));
    let mut bench = xtask("bench --quick --connections 2 --rounds 4 --warmup 0 --duration 300ms");
    bench.arg("--servers-dir").arg(servers.path()).arg("--out").arg(&results.0);
    let running = Running::start(&mut bench);
    assert!(results.has(1));
    running.signal(Signal::SIGINT);
    let stopped = running.wait().exits(130);

    // As it is told to be resumed, and with the folder in the environment.
    let line = stopped.stderr.lines().find(|line| line.contains("--resume")).expect("it is told");
    let told = line.replacen("cargo xtask", env!("CARGO_BIN_EXE_xtask"), 1);
    let mut shell = Command::new("sh");
    run(shell.args(["-c", &told]).env_remove("HTTPDYNO_SERVERS")).succeeds();
    results.assert_complete();
    let mut again = xtask("bench --resume");
    run(again.arg(&results.0).env("HTTPDYNO_SERVERS", servers.path())).succeeds();
}
