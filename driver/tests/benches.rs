//! The arithmetic of the benches, which no bench would notice to be wrong.

#[path = "../benches/truth/expect.rs"]
mod expect;
#[path = "../benches/support/median.rs"]
mod median;

use expect::{Seen, agrees, due, ideal, latencies, percentile};
use median::median;

const SECOND: f64 = 1e9;

#[test]
fn requests_are_due_at_a_constant_rate_from_the_beginning() {
    assert_eq!(due(5.0 * SECOND, 1000.0, 0), 5.0 * SECOND);
    assert_eq!(due(5.0 * SECOND, 1000.0, 2500), 7.5 * SECOND);
}

#[test]
fn a_latency_counts_from_due_and_only_answers_inside_the_window_do() {
    let seen =
        |number, written_s: f64| Seen { number, read: 0, written: (written_s * SECOND) as u64 };
    // At ten a second from 1 s on: number 5 is due at 1.5 s.
    let seen = [seen(5, 1.75), seen(9, 1.9375), seen(10, 2.0), seen(11, 2.5), seen(20, 3.0)];
    let found = latencies(&seen, SECOND, 10.0, (1.9 * SECOND, 3.0 * SECOND));
    let expected = [0.0, 0.0375, 0.4];
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }
}

#[test]
fn who_is_due_in_a_freeze_waits_for_its_end() {
    let freeze = (2.0 * SECOND, 3.0 * SECOND);
    let found = ideal(10.0, 0.0, (0.0, 10.0 * SECOND), &[freeze]);
    assert_eq!(found.len(), 100);
    assert_eq!(found.iter().filter(|latency| **latency > 0.0).count(), 10);
    assert_eq!(percentile(&found, 100.0), 1.0);
    assert!((found.iter().sum::<f64>() - 5.5).abs() < 1e-6);
}

#[test]
fn a_percentile_is_the_smallest_value_that_so_many_do_not_exceed() {
    let values: Vec<f64> = (1..=200).map(f64::from).collect();
    assert_eq!(percentile(&values, 50.0), 100.0);
    assert_eq!(percentile(&values, 50.1), 101.0);
    assert_eq!(percentile(&values, 100.0), 200.0);
    assert_eq!(percentile(&values, 0.0), 1.0);
    assert_eq!(percentile(&[], 50.0), 0.0);
}

#[test]
fn two_per_cent_or_a_millisecond_is_agreement() {
    assert!(agrees(1.0199, 1.0) && !agrees(1.021, 1.0));
    assert!(agrees(0.0019, 0.001) && !agrees(0.0021, 0.001));
}

#[test]
fn a_medians_interval_is_that_of_order_statistics() {
    let up_to = |n: u32| (1..=n).rev().map(f64::from).collect::<Vec<_>>();
    assert_eq!(median(&[]), None);
    assert_eq!(median(&up_to(1)), Some((1.0, None)));
    assert_eq!(median(&up_to(4)), Some((2.5, None)));
    // The ranks are those of the published tables.
    assert_eq!(median(&up_to(5)), Some((3.0, None)));
    assert_eq!(median(&up_to(6)), Some((3.5, Some((1.0, 6.0)))));
    assert_eq!(median(&up_to(9)), Some((5.0, Some((2.0, 8.0)))));
    assert_eq!(median(&up_to(25)), Some((13.0, Some((8.0, 18.0)))));
}
