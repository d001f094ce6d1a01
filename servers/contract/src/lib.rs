//! What the Rust servers share, so that a difference between their rows is a difference between
//! their frameworks: the message, the two JSON codecs, the options, the listener, the shutdown.

mod codec;
mod listener;
mod options;
mod ping;
mod shutdown;
#[cfg(feature = "tokio")]
mod threads;

pub use codec::{Codec, SerdeJson, SimdJson};
pub use listener::{BACKLOG, listen};
pub use options::{Json, Options};
pub use ping::{MAX_BODY, PATH, Ping, is_json};
pub use shutdown::Shutdown;
#[cfg(feature = "tokio")]
pub use threads::serve_on_threads;
