//! Work that blocks, and a main thread that stays awake.

use std::panic;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Between two looks at whether to go on.
const LOOK: Duration = Duration::from_millis(20);

/// Does `work` on a thread of its own and asks `go_on` again and again meanwhile. When that fails
/// the work is left to itself: it must end soon, or harm nobody.
pub fn run<T: Send + 'static, E>(
    work: impl FnOnce() -> T + Send + 'static,
    mut go_on: impl FnMut() -> Result<(), E>,
) -> Result<T, E> {
    let (sender, result) = mpsc::sync_channel(1);
    let worker = thread::spawn(move || {
        // Nobody may be listening any more.
        let _ = sender.send(work());
    });
    loop {
        match result.recv_timeout(LOOK) {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Timeout) => go_on()?,
            Err(RecvTimeoutError::Disconnected) => match worker.join() {
                Err(payload) => panic::resume_unwind(payload),
                Ok(()) => unreachable!("work that returns is sent first"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_comes_back() {
        assert_eq!(run(|| 7, || Ok::<(), ()>(())), Ok(7));
    }

    #[test]
    fn the_caller_can_leave() {
        // Blocks until the test has left.
        let (leave, left) = mpsc::channel::<()>();
        assert_eq!(run(move || left.recv(), || Err("enough")), Err("enough"));
        drop(leave);
    }
}
