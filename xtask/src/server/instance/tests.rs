//! Against real processes: a shell, or this very test program in the role of a server.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::Ordering;

use super::*;
use crate::config::manifest::tests::manifest;

/// Long enough for any machine; a test that passes never waits for it.
const LONG: Duration = Duration::from_secs(60);

/// What a test server does with a request. The argument vector's last word.
const ECHO: &str = "behaviour=echo";
const WRONG: &str = "behaviour=wrong";

/// This program as a server, when another test starts it with these arguments; else nothing.
#[test]
fn as_server() {
    let argument = |name: &str| {
        std::env::args().find_map(|argument| argument.strip_prefix(name).map(str::to_owned))
    };
    let (Some(port), Some(behaviour)) = (argument("port="), argument("behaviour=")) else {
        return;
    };
    let port: u16 = port.parse().expect("the test gives a number");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
    for stream in listener.incoming().flatten() {
        answer(stream, &behaviour);
    }
}

fn answer(mut stream: TcpStream, behaviour: &str) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        request.extend(&buffer[..count]);
        let text = String::from_utf8_lossy(&request);
        let Some((_, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        if !body.ends_with('}') {
            continue;
        }
        let body = match behaviour {
            "echo" => body,
            _ => "wrong",
        };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: ";
        let response = format!("{head}{}\r\n\r\n{body}", body.len());
        // A client that is gone is no concern of this server.
        let _ = stream.write_all(response.as_bytes());
        request.clear();
    }
}

fn server(behaviour: &str) -> Manifest {
    let program = std::env::current_exe().expect("a test is a program");
    let mut manifest = manifest("test", &["serde_json"]);
    manifest.dir = std::env::temp_dir();
    manifest.run = [
        &program.to_string_lossy(),
        "--exact",
        "server::instance::tests::as_server",
        "port={port}",
        behaviour,
    ]
    .map(str::to_owned)
    .into();
    manifest
}

fn in_shell(script: &str) -> Manifest {
    let mut manifest = server("");
    manifest.run = ["sh", "-c", script].map(str::to_owned).into();
    manifest
}

fn setup(manifest: &Manifest, ready_limit: Duration) -> Setup<'_> {
    Setup {
        manifest,
        variant: &manifest.variants[0],
        scenario: "ping",
        threads: 1,
        target: Path::new("/nowhere"),
        cpus: &[],
        ready_limit,
    }
}

fn start(manifest: &Manifest, ready_limit: Duration, count: u32) -> Result<Instances, Failure> {
    Instances::start(&setup(manifest, ready_limit), count, &AtomicBool::new(false))
}

fn problem(manifest: &Manifest, ready_limit: Duration) -> Problem {
    match start(manifest, ready_limit, 1) {
        Err(Failure::Problem(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

/// Whether it comes true; what is waited for here takes milliseconds.
fn eventually(condition: impl Fn() -> bool) -> bool {
    (0..1_000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        condition()
    })
}

fn is_running(pid: i32) -> bool {
    let state = procfs::process::Process::new(pid).and_then(|process| process.stat());
    // A grandchild that was killed is reaped by whoever adopted it, some time later.
    state.is_ok_and(|stat| stat.state != 'Z')
}

#[test]
fn ready_instances_have_ports_of_their_own_and_are_read_and_ended() {
    let manifest = server(ECHO);
    let instances = start(&manifest, LONG, 2).expect("they answer correctly");
    let addresses = instances.addresses();
    assert_ne!(addresses[0], addresses[1]);
    instances.reset_peak();
    let usage = instances.usage_since(&Usage::default());
    assert!(usage.cpu_s > 0.0 && usage.peak_rss > 0, "{usage:?}");
    // Each has its main thread and the thread of its "test".
    assert!(usage.threads >= 2 && usage.voluntary_switches > 0, "{usage:?}");
    assert_eq!(instances.alive(), Ok(()));
    let groups = instances.groups();
    drop(instances);
    assert!(!groups.into_iter().any(is_running));
}

#[test]
fn a_server_that_dies_before_it_is_ready_shows_its_last_words() {
    let problem = problem(&in_shell("echo on stdout; echo on stderr >&2; exit 3"), LONG);
    assert_eq!(problem.stage, Stage::Start);
    assert_eq!(problem.message, "the server ended before it was ready (exit status: 3)");
    assert_eq!(problem.stderr_tail, "on stdout\non stderr\n");
}

#[test]
fn a_server_that_never_listens_is_given_up() {
    let problem = problem(&in_shell("exec sleep 60"), Duration::from_millis(100));
    assert!(problem.message.contains("no answer within 0.1 s"), "{problem:?}");
}

#[test]
fn a_server_that_answers_wrongly_is_told_so() {
    let problem = problem(&server(WRONG), LONG);
    assert!(problem.message.contains("answers wrongly"), "{problem:?}");
    assert!(problem.message.contains("`wrong`"), "what was answered: {problem:?}");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let mut manifest = in_shell("");
    manifest.run[0] = "./no-such-server".to_owned();
    let problem = problem(&manifest, LONG);
    assert!(problem.message.contains("cannot run `./no-such-server`"), "{problem:?}");
}

#[test]
fn a_port_that_was_taken_meanwhile_is_replaced() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let taken_port = taken.local_addr().expect("it is bound").port();
    let manifest = server(ECHO);
    let mut picks = vec![port::free(&[]).expect("a port is free"), taken_port];
    let instance =
        Instance::start(&setup(&manifest, LONG), &AtomicBool::new(false), || picks.pop());
    assert_ne!(instance.expect("the second port").address.port(), taken_port);
}

#[test]
fn ports_that_are_always_taken_are_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = taken.local_addr().expect("it is bound").port();
    // It dies as a server does that cannot listen.
    let manifest = in_shell("exit 1");
    let ended = Instance::start(&setup(&manifest, LONG), &AtomicBool::new(false), || Some(port));
    match ended {
        Err(Failure::Problem(problem)) => {
            assert!(problem.message.contains("each of 3 ports"), "{problem:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_interrupt_ends_the_wait() {
    let manifest = in_shell("exec sleep 60");
    let interrupt = AtomicBool::new(false);
    interrupt.store(true, Ordering::Relaxed);
    let ended = Instances::start(&setup(&manifest, LONG), 1, &interrupt);
    assert_eq!(ended.err(), Some(Failure::Interrupted(interrupt::Interrupted)));
}

#[test]
fn a_server_that_dies_in_the_window_is_noticed() {
    let instances = start(&server(ECHO), LONG, 1).expect("it answers correctly");
    let child = &instances.0[0].child;
    nix::sys::signal::kill(child.group(), nix::sys::signal::Signal::SIGKILL).expect("it runs");
    assert!(eventually(|| instances.alive().is_err()));
    let problem = instances.alive().expect_err("it has ended");
    assert!(problem.message.contains("SIGKILL"), "{problem:?}");
}

#[test]
fn dropping_a_child_leaves_nothing_of_its_group() {
    // The first process and a grandchild; both ignore the polite request.
    let script = "trap '' TERM; sleep 60 & echo $!; wait; sleep 60";
    let argv = ["sh", "-c", script].map(str::to_owned);
    let child = spawn(&argv, Path::new("/"), &[], Stdout::Tail).expect("sh is there");
    assert!(eventually(|| child.tail().ends_with('\n')));
    let grandchild: i32 = child.tail().trim().parse().expect("a process number");
    let first = child.group().as_raw();
    assert!(is_running(first) && is_running(grandchild));
    drop(child);
    assert!(!is_running(first));
    // The kernel ends it as soon as it next would run.
    assert!(eventually(|| !is_running(grandchild)));
}

#[test]
fn a_child_is_pinned_and_has_all_descriptors_and_says_line_by_line() {
    let cpu = crate::host::cpu::allowed()[0];
    let script = "grep Cpus_allowed_list /proc/self/status; ulimit -n; ulimit -Hn; echo bye >&2";
    let argv = ["sh", "-c", script].map(str::to_owned);
    let child = spawn(&argv, Path::new("/"), &[cpu], Stdout::Lines).expect("sh is there");
    let finished = child.wait_while(|| Ok::<(), ()>(())).expect("nothing interrupts it");
    assert!(finished.status.success());
    assert_eq!(finished.tail, "bye\n");
    let lines = finished.lines;
    assert_eq!(lines[0], format!("Cpus_allowed_list:\t{cpu}"));
    assert_eq!(lines[1], lines[2]);
}
