//! Reads what a child writes, so that a chatty one never blocks on a full pipe.

use std::collections::VecDeque;
use std::io::{PipeReader, Read as _};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A thread that reads a pipe to its end and keeps the last bytes.
#[derive(Debug)]
pub struct Drain {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    kept: Mutex<Kept>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: VecDeque<u8>,
    ended: bool,
}

impl Drain {
    /// Starts to read; at most the last `limit` bytes are kept.
    pub fn new(mut pipe: PipeReader, limit: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        // Not joined: a grandchild that left the group can hold the pipe open for as long as it
        // likes, and nobody should wait for it.
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // A read error means that nothing more will come, as the end of the pipe does.
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                writer.with(|kept| {
                    kept.bytes.extend(&buffer[..count]);
                    let excess = kept.bytes.len().saturating_sub(limit);
                    kept.bytes.drain(..excess);
                });
            }
            writer.with(|kept| kept.ended = true);
            writer.ended.notify_all();
        });
        Self { shared }
    }

    /// What is kept, after the pipe's end or after `wait`, whichever is first.
    pub fn bytes(&self, wait: Duration) -> Vec<u8> {
        let kept = self.shared.kept.lock();
        let kept = kept.unwrap_or_else(PoisonError::into_inner);
        let (kept, _) = self
            .shared
            .ended
            .wait_timeout_while(kept, wait, |kept| !kept.ended)
            .unwrap_or_else(PoisonError::into_inner);
        kept.bytes.iter().copied().collect()
    }
}

impl Shared {
    fn with(&self, change: impl FnOnce(&mut Kept)) {
        change(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Write as _, pipe};

    use super::*;

    /// Far longer than any test takes: the end of the pipe ends the wait.
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn the_last_bytes_are_kept_and_the_writer_never_blocks() {
        let (reader, mut writer) = pipe().expect("a pipe");
        let drain = Drain::new(reader, 5);
        writer.write_all(&[b'.'; 1 << 20]).expect("it is read");
        writer.write_all(b"words").expect("it is read");
        drop(writer);
        assert_eq!(drain.bytes(LONG), b"words");
    }

    #[test]
    fn an_open_pipe_gives_what_came_so_far() {
        let (reader, writer) = pipe().expect("a pipe");
        assert_eq!(Drain::new(reader, 5).bytes(Duration::ZERO), b"");
        drop(writer);
    }
}
