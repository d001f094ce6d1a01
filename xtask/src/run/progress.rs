//! What a person sees while samples are taken: a bar on a terminal, a line a sample elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use driver::output::text;
use driver::run::Event;
use indicatif::{ProgressBar, ProgressStyle};

use crate::results::record::{Cell, Options, Outcome, Sample, Step};
use crate::run::plan;
use crate::text::plural;

/// What may be cut off where the terminal is narrow comes last.
const BAR: &str = "{bar:12} {pos}/{len}  {wide_msg}";
const TICK: Duration = Duration::from_millis(250);

pub struct Progress<'a> {
    bar: Option<ProgressBar>,
    options: &'a Options,
    /// What is still to be done.
    left: &'a [Step],
    /// Samples of the whole run, those of an earlier sitting included.
    total: usize,
    began: Instant,
    /// The estimate for what has been done since then, against which the clock is held.
    estimated: Duration,
    cell: String,
    last_answers: Option<(Instant, u64)>,
}

impl<'a> Progress<'a> {
    pub fn new(steps: &'a [Step], total: usize, options: &'a Options) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(BAR)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("█▉▊▋▌▍▎▏ ");
            let bar = ProgressBar::new(total as u64).with_style(style);
            bar.set_position((total - steps.len()) as u64);
            bar.enable_steady_tick(TICK);
            bar
        });
        Self {
            bar,
            options,
            left: steps,
            total,
            began: Instant::now(),
            estimated: Duration::ZERO,
            cell: String::new(),
            last_answers: None,
        }
    }

    pub fn begin(&mut self, step: &Step) {
        self.cell = label(&step.cell);
        self.last_answers = None;
        self.show("starting");
    }

    pub fn event(&mut self, event: Event) {
        match event {
            Event::Load => {
                self.last_answers = Some((Instant::now(), 0));
                self.show("warming up");
            }
            Event::Open => self.show("measuring"),
            Event::Status(status) => {
                let now = Instant::now();
                let Some((then, before)) = self.last_answers else { return };
                // Over a whole second, or the figure would dance.
                if now - then >= Duration::from_secs(1) {
                    let seconds = (now - then).as_secs_f64();
                    let answers = status.answers.saturating_sub(before);
                    self.show(&format!("{} req/s", text::count(answers as f64 / seconds)));
                    self.last_answers = Some((now, status.answers));
                }
            }
            Event::Close => {}
        }
    }

    /// A sample is stored.
    pub fn end(&mut self, sample: &Sample) {
        if let Some((step, left)) = self.left.split_first() {
            self.estimated += plan::estimate([step], self.options);
            self.left = left;
        }
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        let line = match &sample.outcome {
            Outcome::Measured(measurement) => {
                let rate = text::count(measurement.driver.rate());
                let errors = measurement.driver.errors_in_all();
                if self.bar.is_some() && errors == 0 {
                    return;
                }
                let errors = if errors == 0 { String::new() } else { format!(", {errors} errors") };
                format!("{rate} req/s{errors}")
            }
            Outcome::Failed(problem) => format!("FAILED: {problem}"),
        };
        let done = self.total - self.left.len();
        let (round, cell, left) = (sample.step.round, &self.cell, self.time_left());
        let line = format!("{done}/{}  {left} left  round {round}  {cell}  {line}", self.total);
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn show(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{} left  {what:<13}  {}", self.time_left(), self.cell));
        }
    }

    fn time_left(&self) -> String {
        let left = plan::estimate(self.left, self.options);
        let slower = if self.estimated.is_zero() {
            1.0
        } else {
            self.began.elapsed().as_secs_f64() / self.estimated.as_secs_f64()
        };
        whole_seconds(left.mul_f64(slower.min(100.0)))
    }
}

/// `axum/serde_json, 400 connections`
pub fn label(cell: &Cell) -> String {
    let Cell { server, variant, connections, .. } = cell;
    format!("{server}/{variant}, {}", plural(*connections, "connection"))
}

/// `1m 5s`
pub fn whole_seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round() as u64;
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m {seconds}s"),
    }
}
