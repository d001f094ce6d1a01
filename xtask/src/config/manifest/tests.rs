use std::path::Path;

use super::*;

const GOOD: &str = r#"
display = "axum"
language = "Rust"
homepage = "https://example.org"
build = ["cargo", "build"]
run = ["{target}/release/axum", "--port", "{port}", "--json", "{json}"]
other_threads = "none"

[framework]
name = "axum"
version = ["cargo", "pkgid", "axum"]

[[requires]]
program = "cargo"
get = "https://rustup.rs"

[[variants]]
name = "serde_json"
json = "serde_json"

[[variants]]
name = "simd-json"
json = "simd-json"

[[misses]]
case = "chunked-body"
reason = "no support"
"#;

/// A valid manifest for tests elsewhere.
pub fn manifest(name: &str, variants: &[&str]) -> Manifest {
    let mut manifest = parse(Path::new("server.toml"), GOOD).expect("GOOD is good");
    manifest.name = name.to_owned();
    manifest.variants = variants
        .iter()
        .map(|name| Variant { name: name.to_string(), json: name.to_string() })
        .collect();
    manifest
}

/// The error after `from` was replaced by `to` in a good manifest.
fn error(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let source = GOOD.replacen(from, to, 1);
    parse(Path::new("servers/axum/server.toml"), &source)
        .expect_err("the manifest is wrong")
        .to_string()
}

#[test]
fn a_good_manifest_is_read() {
    let manifest = manifest("axum", &["serde_json"]);
    assert_eq!(manifest.framework.name, "axum");
    assert_eq!(manifest.misses[0].case, "chunked-body");
    assert!(manifest.tuning.is_empty());
}

#[test]
fn an_unknown_key_suggests_the_near_one() {
    insta::assert_snapshot!(error("build =", "buid ="), @r#"
    servers/axum/server.toml:5:1: unknown key `buid`; did you mean `build`?
      |
    5 | buid = ["cargo", "build"]
      | ^^^^
    "#);
    insta::assert_snapshot!(error("program =", "zzz ="), @r#"
    servers/axum/server.toml:14:1: unknown key `zzz`; the keys are `program`, `get`
       |
    14 | zzz = "cargo"
       | ^^^
    "#);
}

#[test]
fn a_missing_key_is_named() {
    insta::assert_snapshot!(error("language = \"Rust\"\n", ""), @"
    servers/axum/server.toml:1:1: missing key `language`
      |
    1 | 
      | ^
    ");
    insta::assert_snapshot!(error("reason = \"no support\"", ""), @"
    servers/axum/server.toml:25:1: missing key `reason` in `misses[0]`
       |
    25 | [[misses]]
       | ^^^^^^^^^^
    ");
}

#[test]
fn a_wrong_type_names_the_key() {
    insta::assert_snapshot!(error("\"axum\"\nlanguage", "3\nlanguage"), @"
    servers/axum/server.toml:2:11: `display`: invalid type: integer `3`, expected a string
      |
    2 | display = 3
      |           ^
    ");
    insta::assert_snapshot!(error("\"--port\"", "8080"), @r#"
    servers/axum/server.toml:6:33: `run[1]`: invalid type: integer `8080`, expected a string
      |
    6 | run = ["{target}/release/axum", 8080, "{port}", "--json", "{json}"]
      |                                 ^^^^
    "#);
    insta::assert_snapshot!(error("json = \"simd-json\"", "json = true"), @"
    servers/axum/server.toml:23:8: `variants[1].json`: invalid type: boolean `true`, expected a string
       |
    23 | json = true
       |        ^^^^
    ");
    insta::assert_snapshot!(error("[\"cargo\", \"build\"]", "\"cargo build\""), @r#"
    servers/axum/server.toml:5:9: `build`: invalid type: string "cargo build", expected an array
      |
    5 | build = "cargo build"
      |         ^^^^^^^^^^^^^
    "#);
}

#[test]
fn broken_toml_is_located() {
    insta::assert_snapshot!(error("\"Rust\"", "\"Rust"), @r#"
    servers/axum/server.toml:3:17: invalid basic string, expected `"`
      |
    3 | language = "Rust
      |                 ^
    "#);
}

#[test]
fn an_argument_vector_names_a_program() {
    insta::assert_snapshot!(error("\"{target}/release/axum\", \"--port\", \"{port}\", \"--json\", \"{json}\"", ""), @r#"
    servers/axum/server.toml:6:7: `run` names no program; write it as an argument vector, such as ["node", "server.js"]
      |
    6 | run = []
      |       ^^
    "#);
    insta::assert_snapshot!(error("\"cargo\", \"pkgid\"", "\"\", \"pkgid\""), @r#"
    servers/axum/server.toml:11:11: `framework.version` names no program; write it as an argument vector, such as ["node", "server.js"]
       |
    11 | version = ["", "pkgid", "axum"]
       |           ^^^^^^^^^^^^^^^^^^^^^
    "#);
}

#[test]
fn placeholders_are_known_and_sufficient() {
    insta::assert_snapshot!(error("\"{port}\"", "\"{prot}\""), @r#"
    servers/axum/server.toml:6:43: unknown placeholder `{prot}`; `run` may use `{addr}`, `{port}`, `{threads}`, `{json}`, `{target}`, `{dir}`
      |
    6 | run = ["{target}/release/axum", "--port", "{prot}", "--json", "{json}"]
      |                                           ^^^^^^^^
    "#);
    insta::assert_snapshot!(error("\"{port}\"", "\"{port} {x\""), @r#"
    servers/axum/server.toml:6:43: unknown placeholder `{x`; `run` may use `{addr}`, `{port}`, `{threads}`, `{json}`, `{target}`, `{dir}`
      |
    6 | run = ["{target}/release/axum", "--port", "{port} {x", "--json", "{json}"]
      |                                           ^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(error("\"{port}\"", "\"8080\""), @r#"
    servers/axum/server.toml:6:7: `run` has no `{port}`; the harness chooses the port and must be able to say so
      |
    6 | run = ["{target}/release/axum", "--port", "8080", "--json", "{json}"]
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(error("\"{json}\"", "\"serde_json\""), @r#"
    servers/axum/server.toml:6:7: `run` has no `{json}`, so that all variants would be the same
      |
    6 | run = ["{target}/release/axum", "--port", "{port}", "--json", "serde_json"]
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
}

#[test]
fn variants_are_told_apart() {
    insta::assert_snapshot!(error("name = \"simd-json\"", "name = \"serde_json\""), @r#"
    servers/axum/server.toml:22:8: two variants are named `serde_json`
       |
    22 | name = "serde_json"
       |        ^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(error("name = \"simd-json\"", "name = \"a/b\""), @r#"
    servers/axum/server.toml:22:8: `a/b`: a name has no `/` and no `,`
       |
    22 | name = "a/b"
       |        ^^^^^
    "#);
}

#[test]
fn a_miss_has_a_reason() {
    insta::assert_snapshot!(error("\"no support\"", "\" \""), @r#"
    servers/axum/server.toml:27:10: `reason` must not be empty
       |
    27 | reason = " "
       |          ^^^
    "#);
}

#[test]
fn a_folder_without_a_manifest_is_no_server() {
    let servers = tempfile::tempdir().expect("a temporary folder");
    for folder in ["contract", "zebra", "axum"] {
        std::fs::create_dir(servers.path().join(folder)).expect("a folder");
    }
    for server in ["zebra", "axum"] {
        std::fs::write(servers.path().join(server).join(FILE), GOOD).expect("a manifest");
    }
    let manifests = load_all(servers.path()).expect("both are good");
    let names: Vec<&str> = manifests.iter().map(|manifest| manifest.name.as_str()).collect();
    assert_eq!(names, ["axum", "zebra"]);
}
