use std::thread;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::runtime;

use crate::{Options, Shutdown, listen};

/// Calls `serve` on each of `--threads` threads, each with a single-threaded tokio runtime and a
/// listener of its own, and returns on the first signal to end.
///
/// Nothing moves between the threads; the kernel spreads the connections over the listeners.
///
/// # Errors
/// When the address cannot be listened on, or the host has no room for the threads.
pub fn serve_on_threads<F, Serving>(options: &Options, serve: F) -> anyhow::Result<()>
where
    F: Fn(TcpListener) -> Serving + Clone + Send + 'static,
    Serving: Future<Output = ()>,
{
    let shutdown = Shutdown::install()?;
    for listener in listen(options.socket_addr(), options.threads)? {
        // Everything that can fail is done on this thread, where the error still ends the program.
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let serve = serve.clone();
        thread::Builder::new()
            .name("serve".to_owned())
            .spawn(move || runtime.block_on(serve(listener)))
            .context("cannot start a serving thread; try fewer --threads")?;
    }
    shutdown.wait();
    Ok(())
}
