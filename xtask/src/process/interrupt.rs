//! Ctrl-C and SIGTERM: a flag that everything that waits looks at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// What a shell reports for a program that Ctrl-C ended.
pub const EXIT_CODE: u8 = 130;

/// The program was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// From now on the first signal sets the flag, and a second one ends the program at once (its
/// children are killed by the kernel, see [`crate::process::spawn()`]).
pub fn install() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal must find the flag still unset.
        flag::register_conditional_shutdown(signal, EXIT_CODE.into(), Arc::clone(&flag))
            .and_then(|_| flag::register(signal, Arc::clone(&flag)))
            .context("cannot handle Ctrl-C")?;
    }
    Ok(flag)
}

/// Fails when the flag is set.
pub fn check(flag: &AtomicBool) -> Result<(), Interrupted> {
    match flag.load(Ordering::Relaxed) {
        true => Err(Interrupted),
        false => Ok(()),
    }
}
