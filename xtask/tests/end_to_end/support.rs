//! Running the program, and reading what it leaves behind.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procfs::process::Process;
use serde_json::{Value, json};
use tempfile::TempDir;

/// An environment variable by which the processes of one bench are found, however they were started
/// and whoever has adopted them since.
const MARKER: &str = "HTTPDYNO_TEST_RUN";

/// Waits for the turn of a test that measures: two at once would only slow each other down.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed leaves nothing that another could stumble over.
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    built();
    turn
}

/// Builds all that the tests start. Every test that makes the harness build something calls it
/// first: cargo builds for one caller at a time, and no test's patience has to last for another's
/// build.
pub fn built() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let servers = ["server-actix-web", "server-axum", "server-hyper", "server-may-minihttp"];
        // One at a time, as the manifests do: together they would share features.
        for package in ["driver"].into_iter().chain(servers) {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--quiet", "--release", "--package", package]);
            assert!(cargo.status().expect("cargo runs").success(), "{package} does not build");
        }
    });
}

pub fn temp() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Whether it comes true within a time that only a failing test waits for.
pub fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    (0..12_000).any(|_| {
        let holds = condition();
        if !holds {
            thread::sleep(Duration::from_millis(10));
        }
        holds
    })
}

/// The program with these words, as one argument vector for those that have no spaces.
pub fn xtask(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(words.split_whitespace()).env_remove("HTTPDYNO_SERVERS").stdin(Stdio::null());
    command
}

/// A program that has ended.
pub struct Ended {
    /// Exit status; `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs it to its end, which must not be a panic.
pub fn run(command: &mut Command) -> Ended {
    let output = command.output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
        .without_panic()
}

impl Ended {
    fn without_panic(self) -> Self {
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    pub fn succeeds(self) -> Self {
        self.exits(0)
    }

    /// Fails as something that the user has to mend, and says each of `words`.
    pub fn fails_saying(self, words: &[&str]) -> Self {
        // What clap finds is 2, what we find is 1.
        assert!(matches!(self.code, Some(1 | 2)), "{:?}\n{}", self.code, self.stderr);
        self.says(words)
    }

    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// On either output.
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            let said = self.stdout.contains(word) || self.stderr.contains(word);
            assert!(said, "no `{word}` in\n{}\n{}", self.stdout, self.stderr);
        }
        self
    }
}

/// A program that runs beside the test. Dropping it kills it.
pub struct Running {
    child: Child,
    marker: String,
    /// Holds what it writes.
    outputs: TempDir,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let outputs = temp();
        let file = |name: &str| File::create(outputs.path().join(name)).expect("writable");
        let marker = outputs.path().display().to_string();
        let child = command
            .env(MARKER, &marker)
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .expect("the program runs");
        Self { child, marker, outputs }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("it has not been waited for");
    }

    /// Waits for its end, after which nothing that it has started may be left.
    pub fn wait(mut self) -> Ended {
        let code = self.child.wait().expect("it is our child").code();
        assert!(eventually(|| self.family().is_empty()), "a process outlived it");
        let text = |name: &str| {
            let bytes = fs::read(self.outputs.path().join(name)).expect("readable");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Ended { code, stdout: text("stdout"), stderr: text("stderr") }.without_panic()
    }

    /// Ends it as `kill -9` does, and says whether all that it had started ended too.
    pub fn kill(mut self) -> bool {
        let before = self.family();
        self.child.kill().expect("it has not been waited for");
        self.child.wait().expect("it is our child");
        // One that is ending has no environment any more, by which the family is found.
        let is_left = |process: &Process| process.stat().is_ok_and(|stat| stat.state != 'Z');
        eventually(|| self.family().is_empty() && !before.iter().any(is_left))
    }

    /// Its process and all that it has started, those that are still there.
    fn family(&self) -> Vec<Process> {
        let processes = procfs::process::all_processes().expect("/proc is there");
        processes
            .flatten()
            .filter(|process| {
                // An error: it is another user's, or has ended meanwhile.
                process.environ().is_ok_and(|environ| {
                    environ.get(OsStr::new(MARKER)).is_some_and(|value| *value == *self.marker)
                })
            })
            .collect()
    }

    /// Waits until it has processes running whose names begin so.
    pub fn has(&self, starts: &[&str]) -> bool {
        eventually(|| {
            let family = self.family();
            let names: Vec<String> =
                family.iter().filter_map(|process| Some(process.stat().ok()?.comm)).collect();
            starts.iter().all(|start| names.iter().any(|name| name.starts_with(start)))
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, or a test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A results folder.
pub struct Results(pub PathBuf);

impl Results {
    pub fn text(&self, name: &str) -> String {
        let path = self.0.join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub fn run(&self) -> Value {
        serde_json::from_str(&self.text("run.json")).expect("run.json is JSON")
    }

    /// Every line that was finished. Those that were must be readable, whatever happened.
    pub fn samples(&self) -> Vec<Value> {
        let bytes = fs::read(self.0.join("samples.jsonl")).unwrap_or_default();
        let text = String::from_utf8(bytes).expect("JSON is UTF-8");
        text.split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
            .map(|line| serde_json::from_str(line).expect("a finished line is JSON"))
            .collect()
    }

    /// Waits until there are `count` samples at least.
    pub fn has(&self, count: usize) -> bool {
        eventually(|| self.samples().len() >= count)
    }

    pub fn plan(&self) -> Vec<Value> {
        self.run()["plan"].as_array().expect("a list of steps").clone()
    }

    /// Which steps of the plan have been taken, in the order in which they were.
    pub fn taken(&self) -> Vec<Value> {
        let step = |sample: &Value| json!({"round": sample["round"], "cell": sample["cell"]});
        self.samples().iter().map(step).collect()
    }

    /// Every planned sample is there exactly once, in order.
    pub fn assert_complete(&self) {
        assert_eq!(self.taken(), self.plan());
    }
}

/// A folder with a folder for each server.
pub struct Servers(TempDir);

impl Servers {
    pub fn new() -> Self {
        Self(temp())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Adds a server; `lines` go to the top of its manifest and `tables` to its end.
    pub fn add(&self, name: &str, lines: &str, tables: &str) -> &Self {
        let dir = self.0.path().join(name);
        fs::create_dir(&dir).expect("it is not there yet");
        let manifest = format!(
            r#"
display = "{name}"
language = "Rust"
homepage = "https://example.org"
other_threads = "none"
{lines}

[framework]
name = "none"
version = ["echo", "1.2.3"]

[[variants]]
name = "plain"
json = "serde_json"

{tables}
"#
        );
        fs::write(dir.join("server.toml"), manifest).expect("writable");
        self
    }
}
