//! What a worker notes while it runs.

mod intervals;
mod lag;
mod tally;

pub use lag::Lags;
pub use tally::{Failure, Recording, Tally, Timing};
