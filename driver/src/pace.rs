//! When requests are due: from then on their latency counts.

/// Nanoseconds since the run's epoch, or between two moments.
pub type Nanos = u64;

/// The highest rate of a [`Schedule`], per second: one request in a nanosecond.
pub const HIGHEST_RATE: f64 = 1e9;

#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Closed loop: a connection sends again as soon as it is free.
    Closed,
    /// Open loop: a connection sends when the schedule says so, or as soon as it is free after that.
    Open(Schedule),
}

/// When each request of an open loop is due: a closed-form function of its number, never of the
/// answers.
///
/// The rate is `from` while the load warms up, and goes from there to `to` in a straight line while
/// it is measured. With A = `from`, B = `to`, the warm-up W and the window D, so many requests are
/// due by a moment t after the begin:
///
/// ```text
/// N(t) = A·t                               for t ≤ W
/// N(t) = A·t + (B−A)·(t−W)² / 2D           for W ≤ t ≤ W+D
/// ```
///
/// and request k is due when N(t) = k. Of C connections, connection c sends the requests c, c+C,
/// c+2C, …, so the connections' phases are spread evenly over the time between two of them.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Requests per second.
    from: f64,
    to: f64,
    /// Seconds.
    warmup: f64,
    duration: f64,
}

impl Schedule {
    /// Rates are per second, above 0 and at most [`HIGHEST_RATE`]; the duration is above 0.
    pub fn new(from: f64, to: f64, warmup: Nanos, duration: Nanos) -> Self {
        let seconds = |nanos: Nanos| nanos as f64 / 1e9;
        Self { from, to, warmup: seconds(warmup), duration: seconds(duration) }
    }

    /// When request `number` is due, since the begin of the load.
    #[inline]
    pub fn due(&self, number: u64) -> Nanos {
        let number = number as f64;
        let in_ramp = number - self.from * self.warmup;
        let seconds = if in_ramp <= 0.0 || self.from == self.to {
            number / self.from
        } else {
            // The root of the quadratic, in the form that subtracts nothing.
            let square = self.from.powi(2) + 2.0 * self.slope() * in_ramp;
            // A falling rate reaches 0 some time after the window; from then on nothing is due.
            if square < 0.0 {
                return Nanos::MAX;
            }
            self.warmup + 2.0 * in_ramp / (self.from + square.sqrt())
        };
        // Casting saturates.
        (seconds * 1e9) as Nanos
    }

    /// How many requests are due by `moment`, that moment included. It may not lie behind the window.
    pub fn count(&self, moment: Nanos) -> u64 {
        let seconds = moment as f64 / 1e9;
        let ramped = (seconds - self.warmup).max(0.0);
        let mut count = (self.from * seconds + self.slope() * ramped.powi(2) / 2.0) as u64;
        // The two formulas are rounded apart, by less than the distance of two requests.
        while self.due(count) <= moment {
            count += 1;
        }
        while count > 0 && self.due(count - 1) > moment {
            count -= 1;
        }
        count
    }

    /// How much the rate changes in a second of the window.
    fn slope(&self) -> f64 {
        (self.to - self.from) / self.duration
    }
}

/// Where one worker is in the schedule: which of its connections is due to send next.
///
/// The worker has `own` of `all` connections, from `first` on. In turn j, connection c is due with
/// request j·all + c.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    pub schedule: Schedule,
    all: u64,
    first: u64,
    own: u64,
    turn: u64,
    /// Position among the worker's own connections.
    position: u64,
    /// When the one at the cursor is due, since the begin of the load.
    pub due: Nanos,
}

impl Cursor {
    /// `own` is above 0.
    pub fn new(schedule: Schedule, all: u32, first: u32, own: u32) -> Self {
        let (all, first, own) = (u64::from(all), u64::from(first), u64::from(own));
        Self { schedule, all, first, own, turn: 0, position: 0, due: schedule.due(first) }
    }

    /// The number of the request that connection `position` sends in `turn`.
    pub fn number(&self, turn: u64, position: usize) -> u64 {
        turn.saturating_mul(self.all).saturating_add(self.first + position as u64)
    }

    /// How many requests of this worker's connections are due from `from` on and before `to`.
    pub fn count(&self, from: Nanos, to: Nanos) -> u64 {
        let own_before = |moment: Nanos| {
            let due = moment.checked_sub(1).map_or(0, |moment| self.schedule.count(moment));
            let in_last_turn = (due % self.all).saturating_sub(self.first).min(self.own);
            due / self.all * self.own + in_last_turn
        };
        own_before(to).saturating_sub(own_before(from))
    }

    /// The connection that is due at `moment` at the latest; the cursor moves on to the next one.
    ///
    /// A connection that is busy when its turn comes sends when it is free, so nothing is missed by
    /// passing several turns at once when the cursor is behind by more than all connections.
    pub fn next(&mut self, moment: Nanos) -> Option<usize> {
        if self.due > moment {
            return None;
        }
        let at = self.position as usize;
        self.position += 1;
        if self.position == self.own {
            self.position = 0;
            self.turn += 1;
            let latest = self.schedule.count(moment) / self.all;
            self.turn = self.turn.max(latest.saturating_sub(1));
        }
        self.due = self.schedule.due(self.number(self.turn, self.position as usize));
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn rate() -> impl Strategy<Value = f64> {
        prop_oneof![0.01..10.0, 1.0..1e5, 1e5..HIGHEST_RATE]
    }

    fn schedule() -> impl Strategy<Value = Schedule> {
        let constant = rate().prop_map(|rate| (rate, rate));
        let rates = prop_oneof![constant, (rate(), rate())];
        (rates, 0..20 * SECOND, 1..100 * SECOND)
            .prop_map(|((from, to), warmup, duration)| Schedule::new(from, to, warmup, duration))
    }

    proptest! {
        #[test]
        fn requests_are_due_in_the_order_of_their_numbers(
            schedule in schedule(), number in 0..1u64 << 40,
        ) {
            prop_assert!(schedule.due(number) <= schedule.due(number + 1));
        }

        #[test]
        fn count_is_the_number_of_those_that_are_due(schedule in schedule(), at in 0.0..1.0) {
            let moment = (at * (schedule.warmup + schedule.duration) * 1e9) as Nanos;
            let count = schedule.count(moment);
            prop_assert!(schedule.due(count) > moment);
            prop_assert!(count == 0 || schedule.due(count - 1) <= moment);
        }

        #[test]
        fn as_many_are_due_in_the_window_as_the_mean_rate_says(schedule in schedule()) {
            let nanos = |seconds: f64| (seconds * 1e9) as Nanos;
            let (open, close) =
                (nanos(schedule.warmup), nanos(schedule.warmup + schedule.duration));
            let due = (schedule.count(close) - schedule.count(open)) as f64;
            let expected = (schedule.from + schedule.to) / 2.0 * schedule.duration;
            // One at either edge, and what a nanosecond holds.
            prop_assert!((due - expected).abs() <= 4.0 + expected * 1e-9, "{due} {expected}");
        }

        #[test]
        fn the_workers_together_send_every_request_once_and_in_time(
            schedule in schedule(),
            shares in prop::collection::vec(1u32..5, 1..5),
        ) {
            let all: u32 = shares.iter().sum();
            let mut numbers = Vec::new();
            let mut first = 0;
            let moment = schedule.due(u64::from(all) * 3).min(60 * SECOND);
            for own in shares {
                let mut cursor = Cursor::new(schedule, all, first, own);
                let mut turns = vec![0; own as usize];
                // Step by step, as a worker that is in time.
                for number in 0..u64::from(all) * 3 {
                    let now = schedule.due(number);
                    if now > moment { break; }
                    while let Some(at) = cursor.next(now) {
                        while schedule.due(cursor.number(turns[at], at)) <= now {
                            numbers.push(cursor.number(turns[at], at));
                            turns[at] += 1;
                        }
                    }
                }
                // All that are due, but for those of turns that were not gone through.
                let counted = cursor.count(0, moment.saturating_add(1));
                prop_assert_eq!(turns.iter().sum::<u64>(), counted.min(3 * u64::from(own)));
                first += own;
            }
            numbers.sort_unstable();
            let expected: Vec<u64> = (0..numbers.len() as u64).collect();
            prop_assert_eq!(&numbers, &expected);
            prop_assert!(numbers.len() as u64 >= schedule.count(moment).min(u64::from(all) * 3));
        }
    }

    #[test]
    fn a_constant_rate_is_a_division() {
        let schedule = Schedule::new(1000.0, 1000.0, SECOND, SECOND);
        for number in [0, 1, 999, 1000, 12_345] {
            assert_eq!(schedule.due(number), number * 1_000_000);
        }
        assert_eq!(schedule.count(0), 1);
        assert_eq!(schedule.count(999_999), 1);
        assert_eq!(schedule.count(1_000_000), 2);
    }

    #[test]
    fn a_ramp_reaches_its_rates() {
        let schedule = Schedule::new(100.0, 300.0, SECOND, 2 * SECOND);
        // 100 in the warm-up; 150 in the first half of the window; 250 in the second.
        assert_eq!(schedule.due(100), SECOND);
        assert_eq!(schedule.due(250), 2 * SECOND);
        assert_eq!(schedule.due(500), 3 * SECOND);
    }

    #[test]
    fn a_falling_rate_ends() {
        let schedule = Schedule::new(100.0, 50.0, 0, SECOND);
        assert_eq!(schedule.due(75), SECOND);
        assert_eq!(schedule.due(1000), Nanos::MAX);
    }

    #[test]
    fn a_worker_that_was_away_does_not_go_through_all_it_missed() {
        let schedule = Schedule::new(HIGHEST_RATE, HIGHEST_RATE, 0, SECOND);
        let mut cursor = Cursor::new(schedule, 4, 0, 4);
        let mut visits = 0;
        while visits < 100 && cursor.next(SECOND / 2).is_some() {
            visits += 1;
        }
        // Twice each: the turn it was in, and those that are due now.
        assert!(visits <= 12, "{visits}");
    }
}
