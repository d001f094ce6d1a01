//! The median of a few values, and how sure it is.

/// The median, and its 95 % interval where there are values enough: that of order statistics, in
/// which a value is above the true median as often as a coin shows heads. `None` for no values.
pub fn median(values: &[f64]) -> Option<(f64, Option<(f64, f64)>)> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let n = values.len();
    let median = (values.get(n.checked_sub(1)? / 2)? + values.get(n / 2)?) / 2.0;
    // The chance that at most `k` of `n` are heads, for the largest `k` with twice that below 5 %.
    let (mut term, mut below, mut cut) = (0.5_f64.powi(n as i32), 0.0, 0);
    while 2.0 * (below + term) <= 0.05 {
        below += term;
        term *= (n - cut) as f64 / (cut + 1) as f64;
        cut += 1;
    }
    let interval = (cut > 0).then(|| (values[cut - 1], values[n - cut]));
    Some((median, interval))
}
