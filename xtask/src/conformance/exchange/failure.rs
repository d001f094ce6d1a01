//! Why there is no response, and how that is said.

use std::io::{self, ErrorKind};
use std::time::Duration;

use thiserror::Error;

/// Why there is no response.
#[derive(Debug, Error)]
pub enum Failure {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no answer within {} ms{}", .within.as_millis(), after(.received))]
    Silent { within: Duration, received: Vec<u8> },
    #[error("closed without a complete answer{}", after(.received))]
    Closed { received: Vec<u8> },
    #[error("reset without a complete answer{}", after(.received))]
    Reset { received: Vec<u8> },
    #[error("not HTTP/1.1: {0}")]
    Malformed(String),
    #[error("bytes that nobody asked for: {}", excerpt(.0))]
    Unasked(Vec<u8>),
    #[error("answered, but left the connection open")]
    LeftOpen,
    #[error("does not read what it is sent")]
    Unread,
    #[error("{0}")]
    Io(io::Error),
}

impl Failure {
    pub(super) fn malformed(what: impl ToString) -> Self {
        Self::Malformed(what.to_string())
    }

    pub(super) fn too_long() -> Self {
        Self::malformed("longer than any answer here can be")
    }

    /// Whether the server sent anything at all.
    pub fn answered(&self) -> bool {
        match self {
            Self::Silent { received, .. }
            | Self::Closed { received }
            | Self::Reset { received } => !received.is_empty(),
            Self::Malformed(_) | Self::Unasked(_) | Self::LeftOpen => true,
            Self::Connect(_) | Self::Unread | Self::Io(_) => false,
        }
    }
}

/// A case says what was seen as text.
impl From<Failure> for String {
    fn from(failure: Failure) -> Self {
        failure.to_string()
    }
}

fn after(received: &[u8]) -> String {
    if received.is_empty() { String::new() } else { format!(", after {}", excerpt(received)) }
}

/// Bytes in a message: printable, on one line, and short.
pub fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 80;
    let shown = &bytes[..bytes.len().min(SHOWN)];
    // JSON is hard to read with its quotes escaped.
    let text = shown.escape_ascii().to_string().replace("\\\"", "\"");
    if shown.len() == bytes.len() {
        format!("`{text}`")
    } else {
        format!("`{text}…` ({} bytes)", bytes.len())
    }
}

pub(super) fn is_timeout(error: &io::Error) -> bool {
    // Which of the two depends on the platform.
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

pub(super) fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe
    )
}
