//! The statistics of a run. Pure functions; the round is the sampling unit everywhere.
//!
//! - Median and its order-statistic interval: Conover, *Practical Nonparametric Statistics*,
//!   3rd ed., §3.2 (confidence interval for a quantile).
//! - Paired comparison: Student's t on the log ratios of the rounds, so that what a whole round
//!   suffered (a noisy neighbour, a hot CPU) cancels out.
//! - Many comparisons: Holm, *A simple sequentially rejective multiple test procedure*,
//!   Scand. J. Statist. 6 (1979).

use std::cmp::Ordering;

use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, StudentsT};

/// Confidence of every interval in a report.
pub const CONFIDENCE: f64 = 0.95;

/// A difference smaller than this is never called one, however small its p-value: two builds of the
/// same source, or the order in which two servers were started, differ by about as much.
pub const SMALLEST_RATIO: f64 = 1.01;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    pub fn half_width(self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

/// The median of the finite values; `None` when there are none.
pub fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        // Halved first, so that the sum of two large values stays finite.
        _ => Some(sorted[middle - 1] / 2.0 + sorted[middle] / 2.0),
    }
}

/// An interval that holds the median of the population with at least `confidence`, from order
/// statistics alone: no assumption about the distribution. `None` when so few values cannot reach
/// that confidence (below 6 for 95 %).
pub fn median_interval(values: &[f64], confidence: f64) -> Option<Interval> {
    let sorted = sorted(values);
    let n = sorted.len();
    let rank = median_interval_rank(n, confidence)?;
    Some(Interval { low: sorted[rank - 1], high: sorted[n - rank] })
}

/// The largest `k` for which the k-th smallest and k-th largest of `n` values enclose the median
/// with at least `confidence`; the number of values below the median is Binomial(n, 1/2).
fn median_interval_rank(n: usize, confidence: f64) -> Option<usize> {
    let below = Binomial::new(0.5, n as u64).ok()?;
    (1..=n / 2).take_while(|k| 1.0 - 2.0 * below.cdf(*k as u64 - 1) >= confidence).last()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    finite.sort_by(f64::total_cmp);
    finite
}

/// What the rounds of two variants say of `a ÷ b`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Geometric mean of the rounds' ratios.
    pub ratio: f64,
    /// Of the ratio, at [`CONFIDENCE`].
    pub interval: Interval,
    /// Two-sided, of "the ratio is 1".
    pub p: f64,
}

/// Compares the rates `a[i]` and `b[i]` of the same rounds. A round in which either is not a
/// positive number says nothing of a ratio and is left out; `None` with fewer than two rounds left.
pub fn compare(a: &[f64], b: &[f64]) -> Option<Comparison> {
    let positive = |rate: &f64| rate.is_finite() && *rate > 0.0;
    let logs: Vec<f64> = a
        .iter()
        .zip(b)
        .filter(|(a, b)| positive(a) && positive(b))
        .map(|(a, b)| a.ln() - b.ln())
        .collect();
    let n = logs.len() as f64;
    if logs.len() < 2 {
        return None;
    }
    let mean = logs.iter().sum::<f64>() / n;
    let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let error = (variance / n).sqrt();
    let t = StudentsT::new(0.0, 1.0, n - 1.0).ok()?;
    let margin = error * t.inverse_cdf(0.5 + CONFIDENCE / 2.0);
    let p = match (error > 0.0, mean == 0.0) {
        (true, _) => 2.0 * t.cdf(-(mean / error).abs()),
        // Rounds that agree to the last bit: the limit of the test as the error vanishes.
        (false, true) => 1.0,
        (false, false) => 0.0,
    };
    Some(Comparison {
        ratio: mean.exp(),
        interval: Interval { low: (mean - margin).exp(), high: (mean + margin).exp() },
        p,
    })
}

/// Holm's adjusted p-values, in the order of `p`: rejecting those below α keeps the chance of even
/// one false rejection below α. NaN counts as 1.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let p: Vec<f64> = p.iter().map(|p| if p.is_nan() { 1.0 } else { *p }).collect();
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut highest = 0.0_f64;
    for (position, index) in order.into_iter().enumerate() {
        let remaining = (p.len() - position) as f64;
        highest = highest.max((remaining * p[index]).min(1.0));
        adjusted[index] = highest;
    }
    adjusted
}

/// `rates[variant][round]` → the rank of each variant: one more than the number of variants that
/// are resolved to be faster. NaN stands for a round that was not measured. A difference is
/// resolved when its p-value, adjusted for all pairs, is below 1 − [`CONFIDENCE`] and the ratio is
/// beyond [`SMALLEST_RATIO`]; so with one round everything ties.
pub fn ranks(rates: &[Vec<f64>]) -> Vec<usize> {
    let mut pairs = Vec::new();
    for a in 0..rates.len() {
        for b in a + 1..rates.len() {
            pairs.push((a, b, compare(&rates[a], &rates[b])));
        }
    }
    // A pair that cannot be tested still was a question asked, so it counts in the adjustment.
    let p: Vec<f64> =
        pairs.iter().map(|(_, _, comparison)| comparison.map_or(1.0, |c| c.p)).collect();
    let mut ranks = vec![1; rates.len()];
    for ((a, b, comparison), p) in pairs.into_iter().zip(holm(&p)) {
        let Some(comparison) = comparison else {
            continue;
        };
        let far = comparison.ratio.ln().abs() > SMALLEST_RATIO.ln();
        if p >= 1.0 - CONFIDENCE || !far {
            continue;
        }
        match comparison.ratio.total_cmp(&1.0) {
            Ordering::Greater => ranks[b] += 1,
            Ordering::Less => ranks[a] += 1,
            Ordering::Equal => {}
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 5e-4 * b.abs().max(1e-6), "{a} is not {b}");
    }

    #[test]
    fn median_of_odd_even_and_none() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[f64::NAN, f64::INFINITY]), None);
        assert_eq!(median(&[f64::MAX, f64::MAX]), Some(f64::MAX));
    }

    /// Ranks of the 95 % interval as tabulated for the sign test (Conover, table A3; the same as in
    /// Dixon & Massey, table A-25).
    #[test]
    fn interval_ranks_are_the_published_ones() {
        let published = [
            (5, None),
            (6, Some(1)),
            (8, Some(1)),
            (9, Some(2)),
            (11, Some(2)),
            (12, Some(3)),
            (15, Some(4)),
            (20, Some(6)),
            (25, Some(8)),
            (30, Some(10)),
            (50, Some(18)),
            (100, Some(40)),
        ];
        for (n, rank) in published {
            assert_eq!(median_interval_rank(n, 0.95), rank, "n = {n}");
        }
        for n in 0..5 {
            assert_eq!(median_interval_rank(n, 0.95), None);
        }
    }

    #[test]
    fn six_values_give_their_range_and_five_give_none() {
        let six = [3.0, 1.0, 6.0, 2.0, 5.0, 4.0];
        let range = Interval { low: 1.0, high: 6.0 };
        assert_eq!(median_interval(&six, 0.95), Some(range));
        assert_eq!(median_interval(&six, 0.968), Some(range));
        assert_eq!(median_interval(&six, 0.969), None);
        assert_eq!(median_interval(&six[..5], 0.95), None);
    }

    /// t(0.975) for 1, 5 and 30 degrees of freedom from the printed tables, through the width of
    /// the interval of a comparison whose standard error is known.
    #[test]
    fn intervals_use_the_tabulated_t_quantiles() {
        for (df, quantile) in [(1_usize, 12.7062), (5, 2.5706), (30, 2.0423)] {
            let n = df + 1;
            let logs: Vec<f64> = (0..n).map(|i| i as f64 * 1e-3).collect();
            let mean = logs.iter().sum::<f64>() / n as f64;
            let variance =
                logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (n as f64 - 1.0);
            let a: Vec<f64> = logs.iter().map(|log| log.exp()).collect();
            let comparison = compare(&a, &vec![1.0; n]).expect("enough rounds");
            close(comparison.ratio, mean.exp());
            let margin = comparison.interval.high.ln() - mean;
            close(margin, quantile * (variance / n as f64).sqrt());
        }
    }

    /// Student's own sleep data (1908), the extra sleep of ten patients under two drugs, put on the
    /// log scale: mean difference 1.58, t = 4.0621, df = 9, p = 0.002833.
    #[test]
    fn students_sleep_data() {
        let drug_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0_f64];
        let drug_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4_f64];
        let comparison = compare(&drug_2.map(f64::exp), &drug_1.map(f64::exp)).expect("ten rounds");
        close(comparison.ratio.ln(), 1.58);
        close(comparison.p, 0.002_833);
        close(comparison.interval.low.ln(), 0.700_114);
        close(comparison.interval.high.ln(), 2.459_886);
    }

    #[test]
    fn degenerate_comparisons_have_defined_answers() {
        assert_eq!(compare(&[], &[]), None);
        assert_eq!(compare(&[2.0], &[1.0]), None);
        assert_eq!(compare(&[2.0, 0.0, f64::NAN], &[1.0, 1.0, 1.0]), None);
        let same = compare(&[5.0, 5.0], &[5.0, 5.0]).expect("two rounds");
        assert_eq!((same.ratio, same.p), (1.0, 1.0));
        let double = compare(&[2.0, 2.0], &[1.0, 1.0]).expect("two rounds");
        close(double.ratio, 2.0);
        assert_eq!(double.p, 0.0);
    }

    /// Holm's procedure by hand: 4 × 0.01, 3 × 0.02, 2 × 0.03, 1 × 0.04 made monotone.
    #[test]
    fn holm_by_hand() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.02]);
        for (adjusted, expected) in adjusted.into_iter().zip([0.04, 0.06, 0.06, 0.06]) {
            close(adjusted, expected);
        }
        assert_eq!(holm(&[]), Vec::<f64>::new());
        assert_eq!(holm(&[f64::NAN]), [1.0]);
    }

    #[test]
    fn one_round_ties_everything() {
        assert_eq!(ranks(&[vec![100.0], vec![50.0], vec![1.0]]), [1, 1, 1]);
        assert_eq!(ranks(&[]), Vec::<usize>::new());
    }

    #[test]
    fn resolved_differences_rank_and_small_ones_tie() {
        let noise = [1.0, 1.002, 0.999, 1.001, 0.998, 1.0];
        let at = |rate: f64| noise.map(|n| n * rate).to_vec();
        // 100.5 is half a percent faster without any error, which is too little to matter.
        assert_eq!(ranks(&[at(50.0), at(100.0), at(100.5)]), [3, 1, 1]);
    }

    #[test]
    fn a_round_that_was_not_measured_is_left_out() {
        let slow = vec![50.0, f64::NAN, 51.0, 50.0, 50.5, 49.8];
        let fast = vec![100.0, 99.0, 101.0, f64::NAN, 100.2, 99.9];
        assert_eq!(ranks(&[slow, fast]), [2, 1]);
    }

    fn rates() -> impl Strategy<Value = Vec<Vec<f64>>> {
        let rate = prop_oneof![8 => 1.0..1e6_f64, 1 => Just(0.0), 1 => Just(f64::NAN)];
        prop::collection::vec(prop::collection::vec(rate, 0..8), 0..6)
    }

    proptest! {
        #[test]
        fn median_lies_within_its_interval_and_its_values(
            values in prop::collection::vec(-1e9..1e9_f64, 1..60),
        ) {
            let median = median(&values).expect("not empty");
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(low <= median && median <= high);
            if let Some(interval) = median_interval(&values, CONFIDENCE) {
                prop_assert!(interval.low <= median && median <= interval.high);
            }
        }

        #[test]
        fn ranks_do_not_depend_on_the_order_of_the_rows(rates in rates(), by in 0_usize..6) {
            let by = by.min(rates.len());
            let mut turned = rates.clone();
            turned.rotate_left(by);
            let mut expected = ranks(&rates);
            expected.rotate_left(by);
            prop_assert_eq!(ranks(&turned), expected);
        }

        #[test]
        fn swapping_sides_inverts_the_ratio(
            pairs in prop::collection::vec((1.0..1e6_f64, 1.0..1e6_f64), 2..12),
        ) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let there = compare(&a, &b).expect("two rounds or more");
            let back = compare(&b, &a).expect("two rounds or more");
            prop_assert!((there.ratio * back.ratio - 1.0).abs() < 1e-9);
            prop_assert!((there.p - back.p).abs() < 1e-9);
            prop_assert!((0.0..=1.0).contains(&there.p));
            prop_assert!(there.interval.low <= there.ratio && there.ratio <= there.interval.high);
        }

        #[test]
        fn holm_is_monotone_and_never_smaller(p in prop::collection::vec(0.0..=1.0_f64, 0..20)) {
            let adjusted = holm(&p);
            for i in 0..p.len() {
                prop_assert!(adjusted[i] >= p[i] && adjusted[i] <= 1.0);
                for j in 0..p.len() {
                    prop_assert!(p[i] > p[j] || adjusted[i] <= adjusted[j]);
                }
            }
        }
    }
}
