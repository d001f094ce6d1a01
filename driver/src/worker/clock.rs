//! Sleeping until an event or a moment, whichever comes first.

use std::io;
use std::time::Duration;

use mio::{Events, Poll};

/// Waits for a worker.
#[derive(Debug)]
pub struct Sleeper {
    /// Whether it has to be met to less than the millisecond that the event queue knows when a sleep
    /// ends.
    exact: bool,
}

impl Sleeper {
    pub fn new(exact: bool) -> Self {
        #[cfg(target_os = "linux")]
        if exact {
            // Else the kernel may add 50 µs to every sleep. Where it is refused, sends are that late.
            let _ = nix::sys::prctl::set_timerslack(1);
        }
        Self { exact }
    }

    /// Waits for events, `nap` at the longest.
    ///
    /// # Errors
    /// Those of the event queue.
    pub fn wait(&self, poll: &mut Poll, events: &mut Events, nap: Duration) -> io::Result<()> {
        // Elsewhere an event queue's own timeout is all there is.
        #[cfg(target_os = "linux")]
        if self.exact && !nap.is_zero() {
            sleep(poll, nap)?;
            return poll.poll(events, Some(Duration::ZERO));
        }
        poll.poll(events, Some(nap))
    }
}

/// Sleeps until there are events. An event queue is itself a descriptor that can be waited for, and
/// `ppoll` takes nanoseconds.
#[cfg(target_os = "linux")]
fn sleep(poll: &Poll, at_most: Duration) -> io::Result<()> {
    use std::os::fd::AsFd as _;

    use nix::poll::{PollFd, PollFlags, ppoll};

    let queue = PollFd::new(poll.registry().as_fd(), PollFlags::POLLIN);
    ppoll(&mut [queue], Some(at_most.into()), None)?;
    Ok(())
}
