use super::*;
use crate::limits::Usage;

/// A host that says nothing but its descriptor limit.
fn silent(descriptors: u64) -> Host {
    Host {
        descriptors,
        nr_open: None,
        table_per_thread: true,
        files: None,
        ports: None,
        quick_ports: true,
        time_wait: None,
        refused_sources: Vec::new(),
        somaxconn: None,
        conntrack: None,
        tcp_memory: None,
        watches: None,
        memory: None,
        group_memory: None,
        group_tasks: None,
    }
}

fn with_ports(range: &str) -> Host {
    Host { ports: Ports::parse(range, ""), ..silent(1_048_576) }
}

fn demand(connections: u32, threads: u32, targets: &[&str], sources: &[&str]) -> Demand {
    Demand {
        connections,
        threads,
        targets: targets.iter().map(|target| target.parse().unwrap()).collect(),
        sources: sources.iter().map(|source| source.parse().unwrap()).collect(),
    }
}

/// To one port of this host.
fn here(connections: u32, threads: u32) -> Demand {
    demand(connections, threads, &["127.0.0.1:80"], &[])
}

fn fits(host: &Host, demand: &Demand) -> bool {
    check(host, demand).is_empty()
}

/// The one limit that is hit: whether it is fatal, and its text.
#[track_caller]
fn hit(host: &Host, demand: &Demand) -> (bool, String) {
    let limits = check(host, demand);
    let [limit] = &limits[..] else { panic!("{limits:?}") };
    (limit.is_fatal(), limit.to_string())
}

#[track_caller]
fn assert_hit(host: &Host, demand: &Demand, fatal: bool, parts: &[&str]) {
    let (is_fatal, text) = hit(host, demand);
    assert_eq!(is_fatal, fatal, "{text}");
    for part in parts {
        assert!(text.contains(part), "`{part}`: {text}");
    }
}

#[test]
fn one_table_holds_the_limit_less_the_reserve() {
    assert!(fits(&silent(1024), &here(992, 1)));
    assert_hit(&silent(1024), &here(993, 1), true, &["993 connections", "`ulimit -Hn 1025`"]);
    assert!(!fits(&silent(10), &here(1, 1)));
}

#[test]
fn tables_of_their_own_multiply_the_room() {
    let shared = |descriptors| Host { table_per_thread: false, ..silent(descriptors) };
    assert!(fits(&silent(20_000), &here(39_936, 2)));
    assert!(fits(&shared(1_048_576), &here(39_936, 2)));
    assert_hit(&shared(20_000), &here(39_936, 2), true, &["At most 19968 connections fit"]);
}

#[test]
fn the_threads_that_are_said_to_do_do() {
    for (descriptors, connections, threads) in [(1024, 20_000, 21), (20_000, 100_000, 6)] {
        let host = silent(descriptors);
        let advice = format!("`-t {threads}`");
        assert_hit(&host, &here(connections, threads - 1), true, &[&advice]);
        assert!(fits(&host, &here(connections, threads)));
    }
}

#[test]
fn beyond_nr_open_that_is_to_be_raised_first() {
    let host = Host { nr_open: Some(1_048_576), ..silent(1_048_576) };
    let parts = ["`sysctl fs.nr_open=2000032`, then `ulimit -Hn 2000032`"];
    assert_hit(&host, &here(2_000_000, 1), true, &parts);
}

#[test]
fn both_ends_are_open_files_where_both_are_here() {
    let host = Host { files: Some(Usage { used: 100, max: 1100 }), ..silent(20_000) };
    assert!(fits(&host, &here(500, 1)));
    assert!(fits(&host, &demand(1000, 1, &["192.0.2.1:80"], &[])));
    assert_hit(&host, &here(501, 1), true, &["`sysctl fs.file-max=1102`"]);
}

#[test]
fn ports_count_for_each_route() {
    let host = with_ports("32768 60999");
    let (a, b) = ("192.0.2.1:80", "192.0.2.1:81");
    for (connections, targets, sources) in [
        (28_232, &[a][..], &[][..]),
        (56_464, &[a, b], &[]),
        (56_464, &[a], &["10.0.0.1", "10.0.0.2"]),
        (112_928, &[a, b], &["10.0.0.1", "10.0.0.2"]),
    ] {
        assert!(fits(&host, &demand(connections, 1, targets, sources)), "{connections}");
        assert!(hit(&host, &demand(connections + 1, 1, targets, sources)).0);
    }
}

#[test]
fn where_the_kernel_searches_half_of_them_is_the_limit_of_a_warning() {
    let host = Host { quick_ports: false, ..with_ports("32768 60999") };
    assert!(fits(&host, &here(14_116, 1)));
    assert_hit(&host, &here(14_117, 1), false, &["`--source 127.0.0.1-127.0.0.2`"]);
    assert!(hit(&host, &here(28_233, 1)).0);
}

#[test]
fn on_loopback_the_sources_that_would_do_are_named_and_do() {
    for (quick_ports, count) in [(true, 4), (false, 8)] {
        let host = Host { quick_ports, ..with_ports("32768 60999") };
        let advice = format!("`--source 127.0.0.1-127.0.0.{count}`");
        let parts = ["100000 connections to 127.0.0.1:80", &advice];
        assert_hit(&host, &here(100_000, 6), true, &parts);
        let sources: Vec<_> = (1..=count).map(|n| format!("127.0.0.{n}")).collect();
        let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
        let from = |sources| demand(100_000, 6, &["127.0.0.1:80"], sources);
        assert!(fits(&host, &from(&sources)));
        assert!(!fits(&host, &from(&sources[1..])));
    }
}

#[test]
fn elsewhere_their_number_is() {
    let parts = ["from 10.0.0.1 to 192.0.2.1:80", "Name 4 addresses of this host"];
    let demand = demand(100_000, 6, &["192.0.2.1:80"], &["10.0.0.1"]);
    assert_hit(&with_ports("32768 60999"), &demand, true, &parts);
}

#[test]
fn a_range_is_to_be_widened_only_when_that_would_do() {
    let host = with_ports("40000 40099");
    let widen = "ip_local_port_range=\"1024 65535\"";
    assert_hit(&host, &here(64_511, 1), true, &[widen]);
    assert!(!hit(&host, &here(64_513, 1)).1.contains(widen));
}

#[test]
fn a_range_without_a_port_has_no_advice_on_sources() {
    let (fatal, text) = hit(&with_ports("80 80"), &here(1, 1));
    assert!(fatal && !text.contains("--source"), "{text}");
}

#[test]
fn ports_in_time_wait_matter_unless_they_are_used_again() {
    let host = |reuse| Host {
        time_wait: Some(TimeWait { ports: 20_000, reuse }),
        ..with_ports("32768 60999")
    };
    let there = demand(10_000, 1, &["192.0.2.1:80"], &[]);
    assert_hit(&host(0), &here(10_000, 1), false, &["net.ipv4.tcp_tw_reuse=1"]);
    assert_hit(&host(2), &there, false, &["20000 connections"]);
    assert!(fits(&host(2), &here(10_000, 1)));
    assert!(fits(&host(1), &there));
}

#[test]
fn a_source_that_is_not_local_is_named_once_for_all() {
    let sources = ["10.0.0.1", "10.0.0.2"];
    let refused = sources.map(|source| (source.parse().unwrap(), "no such address".into()));
    let host = Host { refused_sources: refused.to_vec(), ..silent(1024) };
    let demand = demand(2, 1, &["127.0.0.1:80"], &sources);
    assert_hit(&host, &demand, true, &["10.0.0.1 and 1 more: no such address"]);
}

#[test]
fn a_short_backlog_is_a_warning_where_the_server_is_here() {
    let host = Host { somaxconn: Some(100), ..silent(1024) };
    assert!(fits(&host, &here(100, 1)));
    assert_hit(&host, &here(500, 1), false, &["more than 100 connections", "128 are opened"]);
    assert!(fits(&host, &demand(500, 1, &["192.0.2.1:80"], &[])));
}

#[test]
fn a_full_conntrack_table_is_fatal_where_something_is_tracked() {
    let host = |used| Host { conntrack: Some(Usage { used, max: 262_144 }), ..silent(20_000) };
    let crowd = here(300_000, 20);
    assert_hit(&host(5), &crowd, true, &["nf_conntrack_max=300005"]);
    assert_hit(&host(0), &crowd, false, &["262144"]);
    assert!(fits(&host(200_000), &here(10_000, 1)));
    assert!(hit(&host(262_144), &here(1, 1)).0);
}

#[test]
fn tcp_memory_is_fatal_where_the_kernel_would_drop() {
    let memory = TcpMemory { used: 100, pressure: 1100, high: 1500 };
    let host = Host { tcp_memory: Some(memory), ..silent(20_000) };
    assert!(fits(&host, &here(500, 1)));
    assert_hit(&host, &here(501, 1), false, &["about 1002 pages", "tcp_mem=\"1102 1102 1653\""]);
    assert!(!hit(&host, &here(1400, 1)).0);
    assert!(hit(&host, &here(1401, 1)).0);
    assert!(!hit(&host, &demand(10_000, 1, &["192.0.2.1:80"], &[])).0);
}

#[test]
fn event_registrations_are_limited_too() {
    let host = Host { watches: Some(1000), ..silent(20_000) };
    assert!(fits(&host, &here(1000, 1)));
    assert_hit(&host, &here(1001, 1), true, &["fs.epoll.max_user_watches=2002"]);
}

#[test]
fn memory_that_may_not_do_is_a_warning() {
    let gib = 1 << 30;
    let of_host = Host { memory: Some(gib), ..silent(20_000) };
    assert!(fits(&of_host, &here(80_000, 5)));
    assert_hit(&of_host, &here(100_000, 6), false, &["1024 MiB can be had", "83886 connections"]);
    assert!(fits(&of_host, &here(83_886, 5)));
    let group_memory = Some(Usage { used: gib / 2, max: gib });
    let in_group = Host { group_memory, ..of_host };
    assert_hit(&in_group, &here(80_000, 5), false, &["512 MiB can be had", "memory.max"]);
}

#[test]
fn threads_may_be_too_many_for_the_control_group() {
    let host = Host { group_tasks: Some(Usage { used: 95, max: 100 }), ..silent(1024) };
    assert!(fits(&host, &here(100, 5)));
    assert_hit(&host, &here(100, 6), true, &["6 are needed", "pids.max"]);
}

#[test]
fn every_limit_is_named_not_only_the_first() {
    let host = Host {
        files: Some(Usage { used: 0, max: 10 }),
        conntrack: Some(Usage { used: 1, max: 10 }),
        tcp_memory: Some(TcpMemory { used: 0, pressure: 10, high: 10 }),
        memory: Some(4096),
        somaxconn: Some(1),
        ..with_ports("40000 40009")
    };
    let limits = check(&Host { descriptors: 64, ..host }, &here(100, 1));
    assert_eq!(limits.len(), 7, "{limits:?}");
    assert_eq!(limits.iter().filter(|limit| limit.is_fatal()).count(), 5);
}

#[test]
fn what_the_host_does_not_say_is_not_checked() {
    assert!(fits(&silent(u64::MAX), &here(u32::MAX, 1)));
}
