//! How it goes, in one line on a terminal that is drawn again and again; nothing anywhere else.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::text;
use crate::args::Args;
use crate::run::{Event, Status};

/// The line under way.
pub struct Live {
    bar: Option<ProgressBar>,
    stage: Stage,
    /// When the last figures were shown, and what they were.
    last: (Instant, Status),
    connections: u32,
    warmup: Duration,
    duration: Duration,
}

#[derive(Clone, Copy)]
enum Stage {
    Connect,
    WarmUp(Instant),
    Measure(Instant),
    Drain,
}

impl Live {
    /// Shows nothing unless standard error is a terminal, nor where another program follows.
    pub fn new(args: &Args) -> Self {
        let bar = (std::io::stderr().is_terminal() && !args.progress).then(|| {
            let style = ProgressStyle::with_template("{wide_msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
            ProgressBar::new_spinner().with_style(style)
        });
        Self {
            bar,
            stage: Stage::Connect,
            last: (Instant::now(), Status::default()),
            connections: args.own_connections(),
            warmup: args.warmup,
            duration: args.duration,
        }
    }

    pub fn event(&mut self, event: Event) {
        let Some(bar) = &self.bar else { return };
        let now = Instant::now();
        match event {
            Event::Load => self.stage = Stage::WarmUp(now),
            Event::Open => self.stage = Stage::Measure(now),
            Event::Close => self.stage = Stage::Drain,
            Event::Status(status) => {
                bar.set_message(self.line(now, &status));
                self.last = (now, status);
            }
        }
        bar.tick();
    }

    /// Takes the line away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, now: Instant, status: &Status) -> String {
        let time = |what, began: Instant, length: Duration| {
            let since = now.duration_since(began).min(length);
            format!("{what} {:.1}s of {}s", since.as_secs_f64(), length.as_secs_f64())
        };
        let stage = match self.stage {
            Stage::Connect => {
                return format!("connecting: {} of {}", status.connections, self.connections);
            }
            Stage::WarmUp(began) => time("warming up", began, self.warmup),
            Stage::Measure(began) => time("measuring", began, self.duration),
            Stage::Drain => "waiting for the last answers".into(),
        };
        let (then, before) = &self.last;
        let seconds = now.duration_since(*then).as_secs_f64();
        let answers = status.answers.saturating_sub(before.answers) as f64;
        let latency = status.latency_sum.saturating_sub(before.latency_sum) as f64 / 1e9;
        let mean = if answers > 0.0 { text::latency(latency / answers) } else { "-".into() };
        format!(
            "{stage}  {} req/s  {mean} mean latency  {} errors  {} connections",
            text::count(answers / seconds.max(1e-3)),
            status.errors,
            status.connections
        )
    }
}
