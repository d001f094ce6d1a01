//! The machine's fingerprint, stored with each run.
//!
//! Every value is optional: a host that does not tell (a container, a virtual machine, another
//! kernel) is still a host that can be measured on.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::resource::{Resource, getrlimit};
use procfs::{Current as _, CurrentSI as _};
use serde::{Deserialize, Serialize};

pub mod capacity;
pub mod cpu;
pub mod net;
pub mod placement;

/// The kernel's settings that decide what a connection costs and how many there can be.
const SYSCTLS: [&str; 7] = [
    "fs.file-max",
    "fs.nr_open",
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_tw_reuse",
];

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Host {
    pub cpu_model: Option<String>,
    /// The CPUs of each physical core; more than one each with SMT. Empty when unknown.
    pub cores: Vec<Vec<usize>>,
    pub kernel: Option<String>,
    /// Bytes.
    pub memory: Option<u64>,
    /// As they were when the program started.
    pub descriptors: Option<Descriptors>,
    /// By name; those that the host has.
    pub sysctls: BTreeMap<String, String>,
    /// The CPU frequency governor; `None` when none is exposed.
    pub governor: Option<String>,
    /// The hypervisor, as far as it says; `None` on bare metal.
    pub virtualisation: Option<String>,
    /// Over the last 1, 5 and 15 minutes.
    pub load_average: Option<[f32; 3]>,
    /// CPU seconds that the hypervisor gave to others, since boot.
    pub steal_s: Option<f64>,
    /// The same as a share of all CPU time since boot, in percent.
    pub steal_percent: Option<f64>,
    pub rustc: Option<String>,
    pub commit: Option<String>,
    /// Whether tracked files (documents and results aside) differed from the commit.
    pub dirty: Option<bool>,
    /// What tells one set of such differences from another; `None` when there were none.
    pub changes: Option<String>,
}

/// How many files and sockets a process may have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptors {
    pub soft: u64,
    /// A process may raise its soft limit up to this.
    pub hard: u64,
}

impl Host {
    /// Reads what the host tells; `root` is the project's folder. Never fails.
    pub fn read(root: &Path) -> Self {
        let cpu_info = procfs::CpuInfo::current().ok();
        let cpu_info = cpu_info.as_ref();
        let times = procfs::KernelStats::current().ok().map(|stats| stats.total);
        let load = procfs::LoadAverage::current().ok();
        let difference = output(root, &["git", "diff", "HEAD", "--", ".", ":!*.md", ":!results"]);
        Self {
            cpu_model: cpu_info.and_then(|info| info.model_name(0).map(str::to_owned)),
            cores: cpu::cores(),
            kernel: nix::sys::utsname::uname()
                .ok()
                .map(|name| name.release().to_string_lossy().into_owned()),
            memory: procfs::Meminfo::current().ok().map(|info| info.mem_total),
            descriptors: descriptors(),
            sysctls: SYSCTLS
                .iter()
                .filter_map(|name| Some((name.to_string(), sysctl(name)?)))
                .collect(),
            governor: cpu::governor(),
            virtualisation: virtualisation(cpu_info),
            load_average: load.map(|load| [load.one, load.five, load.fifteen]),
            steal_s: times.as_ref().and_then(steal),
            steal_percent: times.as_ref().and_then(steal_percent),
            rustc: output(root, &["rustc", "--version"]),
            dirty: difference.as_ref().map(|difference| !difference.is_empty()),
            changes: difference.filter(|text| !text.is_empty()).and_then(|text| hash(root, &text)),
            commit: output(root, &["git", "rev-parse", "HEAD"]),
        }
    }

    /// Whether figures of both belong into one table. The error lists what differs.
    pub fn same_machine(&self, other: &Self) -> Result<(), String> {
        /// The kernel keeps a little more or less for itself from boot to boot.
        const GIB: u64 = 1 << 30;
        let hard = |host: &Self| host.descriptors.map(|limits| limits.hard);
        let gib = |host: &Self| host.memory.map(|bytes| (bytes + GIB / 2) / GIB);
        let differing: Vec<String> = [
            differs("CPU", &self.cpu_model, &other.cpu_model),
            differs("cores", &Some(&self.cores), &Some(&other.cores)),
            differs("kernel", &self.kernel, &other.kernel),
            differs("memory in GiB", &gib(self), &gib(other)),
            differs("descriptor limit", &hard(self), &hard(other)),
            differs("virtualisation", &self.virtualisation, &other.virtualisation),
        ]
        .into_iter()
        .flatten()
        .collect();
        all_equal(differing)
    }

    /// Whether both are of the same sources and the same compiler. The error lists what differs.
    pub fn same_code(&self, other: &Self) -> Result<(), String> {
        fn changes(host: &Host) -> &str {
            host.changes.as_deref().unwrap_or("none")
        }
        let differing = [
            differs("commit", &self.commit, &other.commit),
            differs("uncommitted changes", &Some(changes(self)), &Some(changes(other))),
            differs("compiler", &self.rustc, &other.rustc),
        ];
        all_equal(differing.into_iter().flatten().collect())
    }
}

fn all_equal(differing: Vec<String>) -> Result<(), String> {
    match differing.is_empty() {
        true => Ok(()),
        false => Err(differing.join("; ")),
    }
}

/// git's name for a text.
fn hash(dir: &Path, text: &str) -> Option<String> {
    let mut command = Command::new("git");
    command.args(["hash-object", "--stdin"]).current_dir(dir);
    let mut git = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    git.stdin.take()?.write_all(text.as_bytes()).ok()?;
    let hash = String::from_utf8(git.wait_with_output().ok()?.stdout).ok()?;
    Some(hash.trim().to_owned())
}

fn differs<T: PartialEq + std::fmt::Debug>(
    what: &str,
    one: &Option<T>,
    other: &Option<T>,
) -> Option<String> {
    let show = |value: &Option<T>| match value {
        Some(value) => format!("{value:?}"),
        None => "unknown".to_owned(),
    };
    (one != other).then(|| format!("{what}: {} and {}", show(one), show(other)))
}

/// This process's descriptor limits.
pub fn descriptors() -> Option<Descriptors> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    Some(Descriptors { soft, hard })
}

/// A kernel setting by its dotted name, with single spaces between its values.
pub fn sysctl(name: &str) -> Option<String> {
    let text = read(&format!("/proc/sys/{}", name.replace('.', "/")))?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn steal(times: &procfs::CpuTime) -> Option<f64> {
    Some(times.steal_duration()?.as_secs_f64())
}

fn steal_percent(times: &procfs::CpuTime) -> Option<f64> {
    let spent = times.user + times.nice + times.system + times.idle + times.iowait.unwrap_or(0);
    let interrupts = times.irq.unwrap_or(0) + times.softirq.unwrap_or(0);
    let steal = times.steal?;
    let all = spent + interrupts + steal;
    (all > 0).then(|| 100.0 * steal as f64 / all as f64)
}

fn virtualisation(cpu_info: Option<&procfs::CpuInfo>) -> Option<String> {
    let product = ["/sys/class/dmi/id/product_name", "/sys/hypervisor/type"]
        .iter()
        .find_map(|path| read(path));
    let flagged =
        cpu_info.and_then(|info| info.flags(0)).is_some_and(|flags| flags.contains(&"hypervisor"));
    // Bare metal has a product name too, and only x86 has the flag.
    match (flagged, product) {
        (true, Some(product)) => Some(product),
        (true, None) => Some("a hypervisor that does not say its name".to_owned()),
        (false, _) => None,
    }
}

fn read(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

/// What a command that ends at once writes to its standard output.
fn output(dir: &Path, argv: &[&str]) -> Option<String> {
    let (program, arguments) = argv.split_first()?;
    let output = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_survives_being_stored_and_is_its_own_machine() {
        let host = Host::read(Path::new("."));
        let stored = serde_json::to_string(&host).expect("plain data");
        let again: Host = serde_json::from_str(&stored).expect("what was written");
        assert_eq!(host.same_machine(&again), Ok(()));
    }

    #[test]
    fn what_differs_is_named() {
        let one = Host::read(Path::new("."));
        let mut other = one.clone();
        other.kernel = None;
        other.descriptors = Some(Descriptors { soft: 1, hard: 2 });
        let error = one.same_machine(&other).expect_err("two things differ");
        assert!(error.contains("kernel: ") && error.contains(" and unknown"), "{error}");
        assert!(error.contains("descriptor limit: "), "{error}");
    }

    #[test]
    fn a_command_that_fails_or_is_absent_says_nothing() {
        assert_eq!(output(Path::new("."), &["false"]), None);
        assert_eq!(output(Path::new("."), &["no-such-program-anywhere"]), None);
        assert_eq!(output(Path::new("."), &["echo", "x"]), Some("x".to_owned()));
    }
}
