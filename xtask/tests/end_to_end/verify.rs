//! `verify` on the shipped servers, and on manifests that say other things of them than are true.

use crate::support::{Servers, built, run, xtask};

/// Lines of a manifest that borrow a shipped server's program.
fn shipped(package: &str) -> String {
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let build = ["cargo", "build", "--release", "--manifest-path", workspace, "--package", package];
    let program = format!("{{target}}/release/{package}");
    let run = [&program, "--port", "{port}", "--json", "{json}"];
    format!("build = {build:?}\nrun = {run:?}")
}

fn declaring(case: &str) -> String {
    format!("[[misses]]\ncase = \"{case}\"\nreason = \"a test\"")
}

#[test]
fn the_shipped_servers_do_what_the_contract_asks() {
    built();
    let ended = run(&mut xtask("verify")).succeeds();
    for server in ["actix-web", "axum", "hyper", "may-minihttp"] {
        assert!(ended.stdout.contains(server), "{}", ended.stdout);
    }
    assert!(!ended.stdout.contains("\n✗"), "{}", ended.stdout);
}

#[test]
fn a_manifest_that_does_not_tell_the_truth_is_told_how_to() {
    built();
    let servers = Servers::new();
    servers
        .add("stale", &shipped("server-hyper"), &declaring("head"))
        .add("misspelt", &shipped("server-hyper"), &declaring("chunkd"))
        .add("undeclared", &shipped("server-may-minihttp"), "");
    let verify = |name: &str| {
        let mut command = xtask("verify");
        run(command.arg(name).arg("--servers-dir").arg(servers.path())).exits(1)
    };
    verify("stale").says(&["stale/plain: does `head`", "remove it from [[misses]]"]);
    verify("misspelt")
        .says(&["misspelt/plain: ", "`chunkd`, which is no case; did you mean `chunked`?"]);
    verify("undeclared")
        .says(&["undeclared/plain: misses `many-headers`", "fix it, or declare it"]);
}
