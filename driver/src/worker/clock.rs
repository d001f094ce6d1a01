//! Sleeping until an event or a moment, whichever comes first.

use std::io;
use std::time::Duration;

use mio::{Events, Poll};

use crate::pace::Nanos;

/// How long before a moment the sleep ends, and how long after a send it does not begin while answers
/// are to come; what time is left is waited for awake. A sleeping thread takes some 50 µs to be back on
/// its core, and on a virtual machine whose host is busy now and then milliseconds.
const AWAKE: Duration = Duration::from_millis(1);

/// Waits for a worker.
#[derive(Debug)]
pub struct Sleeper {
    /// Whether moments have to be met, which takes more than the millisecond that the event queue
    /// knows.
    exact: bool,
    /// The last send.
    sent: Nanos,
}

impl Sleeper {
    pub fn new(exact: bool) -> Self {
        #[cfg(target_os = "linux")]
        if exact {
            // Else the kernel may add 50 µs to every sleep. Where it is refused, sends are that late.
            let _ = nix::sys::prctl::set_timerslack(1);
        }
        Self { exact, sent: 0 }
    }

    /// A request was sent at `now`, in a loop whose moments have to be met.
    #[inline]
    pub fn sent(&mut self, now: Nanos) {
        self.sent = now;
    }

    /// Waits for events, from `now` for `nap` at the longest; `expecting` says that answers are to
    /// come. May return early with none.
    ///
    /// # Errors
    /// Those of the event queue.
    pub fn wait(
        &self,
        poll: &mut Poll,
        events: &mut Events,
        now: Nanos,
        nap: Duration,
        expecting: bool,
    ) -> io::Result<()> {
        // Elsewhere an event queue's own timeout is all there is.
        #[cfg(target_os = "linux")]
        if self.exact {
            let since = Duration::from_nanos(now.saturating_sub(self.sent));
            if nap > AWAKE && !(expecting && since < AWAKE) {
                sleep(poll, nap - AWAKE)?;
            }
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
