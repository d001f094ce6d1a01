use std::io;

use signal_hook::consts::TERM_SIGNALS;
use signal_hook::iterator::Signals;

/// SIGTERM, SIGINT and SIGQUIT, turned from a sudden death into an orderly end.
///
/// A server ends by returning from `main` while its other threads still run: nothing of a ping
/// outlives its answer, so there is nothing to save, and waiting for thousands of idle keep-alive
/// connections would only delay the next measurement.
pub struct Shutdown(Signals);

impl Shutdown {
    /// To be called before the server listens, so that no signal after its first answer is lost.
    ///
    /// # Errors
    /// When the operating system refuses a signal handler.
    pub fn install() -> io::Result<Self> {
        Signals::new(TERM_SIGNALS).map(Self)
    }

    /// Blocks until the first of the signals, those since [`Shutdown::install`] included.
    pub fn wait(mut self) {
        self.0.forever().next();
    }
}
