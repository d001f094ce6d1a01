//! The one way in which long-lived children are started and ended: servers, drivers, builds.

use std::cell::Cell;
use std::io::{self, BufRead as _, BufReader};
use std::iter;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, getpid, getppid};

use super::drain::Drain;

/// How much of what a child says is kept: enough for a panic message or a page of compiler errors.
const TAIL: usize = 4096;
/// What a child has for its own clean-up between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(1);
/// Between two looks at a child.
const POLL: Duration = Duration::from_millis(10);
/// For the last output of a child that has ended; a grandchild may keep the pipe open for longer.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What becomes of a child's standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdout {
    /// Joins standard error in the tail, as some programs write their errors there.
    Tail,
    /// Handed over line by line, see [`Child::lines`].
    Lines,
}

/// A running child and all that it has started. Dropping it ends the whole process group.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    /// When it was first asked to end.
    asked: Cell<Option<Instant>>,
    lines: Receiver<String>,
    tail: Drain,
}

/// A child that has ended by itself.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    /// The lines of its standard output that were not yet received.
    pub lines: Vec<String>,
    /// The last of its standard error.
    pub tail: String,
}

/// Starts `argv` in `dir`, allowed on `cpus` only (on all of ours when empty), with as many
/// descriptors as the hard limit allows and nothing to read.
///
/// The child leads a process group of its own, so that Ctrl-C in the terminal reaches only us.
/// When we die, however suddenly, the kernel kills it. More exactly: when the **thread** that
/// called this function ends, so call it from one that outlives the child, such as the main thread.
/// Processes that the child starts are not covered by that, only by the group being killed on drop.
pub fn spawn(argv: &[String], dir: &Path, cpus: &[usize], stdout: Stdout) -> io::Result<Child> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the argument vector names no program",
        ));
    };
    let mut command = match program.contains('/') {
        // Relative to `dir`; left alone, it would be relative to ours on some systems.
        true => Command::new(dir.join(program)),
        false => Command::new(program),
    };
    command.args(arguments).current_dir(dir).process_group(0).stdin(Stdio::null());

    let (tail, writer) = io::pipe()?;
    let (sender, lines) = mpsc::channel();
    match stdout {
        Stdout::Tail => {
            command.stdout(writer.try_clone()?);
        }
        Stdout::Lines => {
            let (reader, writer) = io::pipe()?;
            command.stdout(writer);
            thread::spawn(move || {
                let lines = BufReader::new(reader).lines().map_while(Result::ok);
                // Sending fails when nobody wants to know any more; it is read all the same, as
                // the child would block on a full pipe.
                lines.for_each(|line| drop(sender.send(line)));
            });
        }
    }
    command.stderr(writer);
    confine(&mut command, cpus)?;

    let process = command.spawn()?;
    // Our ends for writing; while they are open the drains do not end.
    drop(command);
    Ok(Child { process, asked: Cell::new(None), lines, tail: Drain::new(tail, TAIL) })
}

/// What the child does between fork and exec.
#[allow(unsafe_code)]
fn confine(command: &mut Command, cpus: &[usize]) -> io::Result<()> {
    let parent = getpid();
    let (_, descriptors) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let mut affinity = CpuSet::new();
    for cpu in cpus {
        affinity.set(*cpu)?;
    }
    let pinned = !cpus.is_empty();
    let before_exec = move || {
        set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have died before the line above.
        if getppid() != parent {
            return Err(io::Error::from_raw_os_error(nix::libc::ESRCH));
        }
        if pinned {
            sched_setaffinity(Pid::from_raw(0), &affinity)?;
        }
        setrlimit(Resource::RLIMIT_NOFILE, descriptors, descriptors)?;
        Ok(())
    };
    // SAFETY: the closure runs in the forked child, where only async-signal-safe functions may be
    // called. It makes four system calls through thin wrappers, takes no lock and allocates
    // nothing: its values were made before the fork, and errors carry a number only.
    unsafe { command.pre_exec(before_exec) };
    Ok(())
}

impl Child {
    /// The process group, which is also the first process's number.
    pub fn group(&self) -> Pid {
        Pid::from_raw(self.process.id().cast_signed())
    }

    /// Its standard output as it is written, with [`Stdout::Lines`]; disconnected at its end.
    pub fn lines(&self) -> &Receiver<String> {
        &self.lines
    }

    /// How the first process ended; `None` while it runs.
    ///
    /// It stays a zombie until drop, so that its number (the group's) is not given to another.
    pub fn exited(&self) -> Option<ExitStatus> {
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(self.group()), look) {
            Ok(WaitStatus::Exited(_, code)) => Some(ExitStatus::from_raw(code << 8)),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(ExitStatus::from_raw(signal as i32)),
            _ => None,
        }
    }

    /// The last of what it wrote to its standard error (and output, with [`Stdout::Tail`]).
    pub fn tail(&self) -> String {
        let wait = match self.exited() {
            Some(_) => LAST_WORDS,
            None => Duration::ZERO,
        };
        String::from_utf8_lossy(&self.tail.bytes(wait)).into_owned()
    }

    /// Waits for its end, asking `go_on` again and again whether to; an error ends the child.
    pub fn wait_while<E>(self, mut go_on: impl FnMut() -> Result<(), E>) -> Result<Finished, E> {
        let status = loop {
            if let Some(status) = self.exited() {
                break status;
            }
            go_on()?;
            thread::sleep(POLL);
        };
        Ok(Finished {
            status,
            lines: iter::from_fn(|| self.lines.recv_timeout(LAST_WORDS).ok()).collect(),
            tail: self.tail(),
        })
    }

    /// Asks the group to end. Dropping does it too; this lets several end at the same time.
    pub fn terminate(&self) {
        if self.asked.get().is_none() {
            self.asked.set(Some(Instant::now()));
        }
        // It fails only when nobody is left to ask.
        let _ = killpg(self.group(), Signal::SIGTERM);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.terminate();
        let deadline = self.asked.get().unwrap_or_else(Instant::now) + GRACE;
        while self.exited().is_none() && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        // Also when the first process is gone: others of its group may not be. It has not been
        // waited for, so the group's number is still its own.
        let _ = killpg(self.group(), Signal::SIGKILL);
        let _ = self.process.wait();
    }
}
