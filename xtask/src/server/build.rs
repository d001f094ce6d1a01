//! Builds servers and the driver, and reads the versions of what was built.

use std::io::IsTerminal as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::config::manifest::{Manifest, Require};
use crate::config::workspace::Workspace;
use crate::process::failure::Failure;
use crate::process::interrupt;
use crate::process::{Finished, Stdout, spawn};
use crate::results::record::{Problem, Stage};

/// Lines of a failed build that are shown.
const LINES_SHOWN: usize = 30;

/// Checks what the server requires, builds it and returns its framework's version.
pub fn server(manifest: &Manifest, interrupt: &AtomicBool) -> Result<String, Failure> {
    if let Some(problem) = requirements(manifest) {
        return Err(problem.into());
    }
    let _building = Building::of(&manifest.name);
    if !manifest.build.is_empty() {
        run(&manifest.build, &manifest.dir, interrupt)?;
    }
    let argv = &manifest.framework.version;
    let finished = run(argv, &manifest.dir, interrupt)?;
    let output = finished.lines.join("\n");
    let Some(version) = last_version(&output) else {
        let message = format!(
            "the output of `{}` (framework.version in server.toml) has no version in it: {}",
            argv.join(" "),
            output.trim()
        );
        return Err(problem(Stage::Build, message, String::new()).into());
    };
    Ok(version.to_owned())
}

/// Builds the driver and returns its program's path.
pub fn driver(workspace: &Workspace, interrupt: &AtomicBool) -> Result<PathBuf, Failure> {
    let _building = Building::of("driver");
    let argv = ["cargo", "build", "--release", "--package", "driver"].map(str::to_owned);
    run(&argv, &workspace.root, interrupt)?;
    Ok(workspace.target.join("release/driver"))
}

/// Says that something is being built, and on a terminal for how long already: the first time it
/// takes minutes.
struct Building(ProgressBar);

impl Building {
    fn of(name: &str) -> Self {
        let message = format!("{name}: building");
        if !std::io::stderr().is_terminal() {
            eprintln!("{message}");
            return Self(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{msg} ({elapsed})");
        let bar = ProgressBar::new_spinner()
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
            .with_message(message);
        bar.enable_steady_tick(Duration::from_millis(500));
        Self(bar)
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        // The line stays, with the time that it took.
        self.0.abandon();
    }
}

/// The programs that the server needs and that are not on `PATH`.
pub fn missing(manifest: &Manifest) -> Vec<&Require> {
    let requires = manifest.requires.iter();
    requires.filter(|require| !on_path(&require.program)).collect()
}

fn requirements(manifest: &Manifest) -> Option<Problem> {
    let missing: Vec<String> = missing(manifest)
        .iter()
        .map(|require| format!("`{}` is not on PATH; get it: {}", require.program, require.get))
        .collect();
    (!missing.is_empty()).then(|| problem(Stage::Requirements, missing.join("\n"), String::new()))
}

/// Whether a program of that name could be run.
pub fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| is_executable(&dir.join(program)))
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn run(argv: &[String], dir: &Path, interrupt: &AtomicBool) -> Result<Finished, Failure> {
    let command = argv.join(" ");
    let child = spawn(argv, dir, &[], Stdout::Lines).map_err(|error| {
        let message = format!("cannot run `{command}` in {}: {error}", dir.display());
        problem(Stage::Build, message, String::new())
    })?;
    let finished = child.wait_while(|| interrupt::check(interrupt))?;
    if finished.status.success() {
        return Ok(finished);
    }
    let message = format!("`{command}` failed in {} ({})", dir.display(), finished.status);
    // Compilers complain on standard error; other build tools (npm, tsc) on standard output.
    let said = match finished.tail.trim().is_empty() {
        true => finished.lines.join("\n"),
        false => finished.tail,
    };
    Err(problem(Stage::Build, message, last_lines(&said).to_owned()).into())
}

fn problem(stage: Stage, message: String, stderr_tail: String) -> Problem {
    Problem { stage, message, stderr_tail }
}

fn last_lines(text: &str) -> &str {
    let text = text.trim_end();
    match text.rmatch_indices('\n').nth(LINES_SHOWN - 1) {
        Some((newline, _)) => &text[newline + 1..],
        None => text,
    }
}

/// The last thing in `output` that looks like a version: `0.8.9` of
/// `registry+https://github.com/rust-lang/crates.io-index#axum@0.8.9`.
fn last_version(output: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    output
        .rsplit(|c| !is_part(c))
        // `v1.2.3`, `go1.25.1`
        .map(|word| word.trim_start_matches(|c: char| c.is_ascii_alphabetic()))
        .map(|word| word.trim_end_matches('.'))
        .find(|word| {
            let core = word.split(['-', '+']).next().unwrap_or_default();
            let numbers = core.split('.');
            core.contains('.') && numbers.into_iter().all(|number| number.parse::<u64>().is_ok())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::manifest::tests::manifest;

    fn in_shell(script: &str) -> Manifest {
        let mut manifest = manifest("test", &["serde_json"]);
        manifest.dir = std::env::temp_dir();
        manifest.requires.clear();
        manifest.build = ["sh", "-c", script].map(str::to_owned).into();
        manifest.framework.version = ["echo", "test@1.2.3"].map(str::to_owned).into();
        manifest
    }

    fn problem_of(manifest: &Manifest) -> Problem {
        match server(manifest, &AtomicBool::new(false)) {
            Err(Failure::Problem(problem)) => problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn versions_are_found() {
        for (output, version) in [
            ("registry+https://github.com/rust-lang/crates.io-index#axum@0.8.9\n", Some("0.8.9")),
            ("path+file:///src/2.0/x#0.1.0", Some("0.1.0")),
            ("go version go1.25.1 linux/amd64", Some("1.25.1")),
            ("v22.3.0", Some("22.3.0")),
            ("app@1.0.0 /srv/app\n└── express@5.1.0\n", Some("5.1.0")),
            ("1.0.0-beta.2+5", Some("1.0.0-beta.2+5")),
            ("This is version 3.4.", Some("3.4")),
            ("none at all, 7 of them", None),
            ("", None),
        ] {
            assert_eq!(last_version(output), version, "{output}");
        }
    }

    #[test]
    fn a_build_that_works_gives_the_version() {
        let version = server(&in_shell("true"), &AtomicBool::new(false));
        assert_eq!(version, Ok("1.2.3".to_owned()));
    }

    #[test]
    fn a_build_that_fails_shows_its_last_lines() {
        let problem = problem_of(&in_shell("seq 100 >&2; exit 3"));
        assert_eq!(problem.stage, Stage::Build);
        assert!(problem.message.contains("exit status: 3"), "{problem:?}");
        let lines: Vec<&str> = problem.stderr_tail.lines().collect();
        assert_eq!((lines.len(), lines[0]), (LINES_SHOWN, "71"));
    }

    #[test]
    fn a_missing_program_says_how_to_get_it() {
        let mut manifest = in_shell("true");
        manifest.requires.push(Require {
            program: "no-such-program-anywhere".to_owned(),
            get: "apt-get install it".to_owned(),
        });
        let problem = problem_of(&manifest);
        assert_eq!(problem.stage, Stage::Requirements);
        assert_eq!(
            problem.message,
            "`no-such-program-anywhere` is not on PATH; get it: apt-get install it"
        );
    }

    #[test]
    fn an_interrupt_ends_a_build() {
        let ended = server(&in_shell("sleep 60"), &AtomicBool::new(true));
        assert_eq!(ended, Err(Failure::Interrupted(interrupt::Interrupted)));
    }
}
