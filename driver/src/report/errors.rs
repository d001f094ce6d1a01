//! What can go wrong with a request or a connection, counted by kind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{add, sum};

/// Errors by type. None of them counts as throughput.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    pub connect: ConnectErrors,
    pub read: ReadErrors,
    /// Writes that failed (`EPIPE`, reset while writing).
    pub write: u64,
    /// Requests without a complete answer so long after they were sent.
    pub timeout: u64,
    /// Complete responses whose status was not the expected one, by status code.
    pub status: BTreeMap<u16, u64>,
    /// Bytes that are not an HTTP/1.1 response, or a response nobody asked for.
    pub protocol: u64,
    /// Responses with the right status and the wrong body.
    pub body: u64,
    /// Right answers that came after the deadline.
    #[serde(default)]
    pub deadline: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectErrors {
    pub refused: u64,
    pub timed_out: u64,
    pub reset: u64,
    /// No local address or port was left (`EADDRNOTAVAIL`), or the target cannot be reached.
    pub no_address: u64,
    /// The descriptor limit (`EMFILE`, `ENFILE`).
    pub no_descriptor: u64,
    pub other: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadErrors {
    pub reset: u64,
    /// The server closed the connection before the response was complete.
    pub closed: u64,
    /// Any other error of the socket, such as an unreachable host.
    pub other: u64,
}

impl ConnectErrors {
    pub fn total(&self) -> u64 {
        sum([
            self.refused,
            self.timed_out,
            self.reset,
            self.no_address,
            self.no_descriptor,
            self.other,
        ])
    }
}

impl ReadErrors {
    pub fn total(&self) -> u64 {
        sum([self.reset, self.closed, self.other])
    }
}

impl Errors {
    pub fn total(&self) -> u64 {
        sum([
            self.connect.total(),
            self.read.total(),
            self.write,
            self.timeout,
            self.status_total(),
            self.protocol,
            self.body,
            self.deadline,
        ])
    }

    /// Responses with an unexpected status, whatever it was.
    pub fn status_total(&self) -> u64 {
        sum(self.status.values().copied())
    }

    /// Every type by name, with its count; of the status codes, those that occurred.
    pub fn by_type(&self) -> impl Iterator<Item = (String, u64)> {
        let fixed = [
            ("connect refused", self.connect.refused),
            ("connect timed out", self.connect.timed_out),
            ("connect reset", self.connect.reset),
            ("connect no address", self.connect.no_address),
            ("connect no descriptor", self.connect.no_descriptor),
            ("connect other", self.connect.other),
            ("read reset", self.read.reset),
            ("read closed early", self.read.closed),
            ("read other", self.read.other),
            ("write", self.write),
            ("timeout", self.timeout),
            ("protocol", self.protocol),
            ("wrong body", self.body),
            ("deadline", self.deadline),
        ];
        let status = self.status.iter().map(|(code, count)| (format!("status {code}"), *count));
        fixed.into_iter().map(|(name, count)| (name.to_owned(), count)).chain(status)
    }

    /// The errors that occurred, named and counted: `timeout 3, status 500 12`. Empty when none did.
    pub fn list(&self) -> String {
        self.by_type()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{name} {count}"))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl Errors {
    /// Adds the counts of `other`, type by type.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.connect.refused, other.connect.refused);
        add(&mut self.connect.timed_out, other.connect.timed_out);
        add(&mut self.connect.reset, other.connect.reset);
        add(&mut self.connect.no_address, other.connect.no_address);
        add(&mut self.connect.no_descriptor, other.connect.no_descriptor);
        add(&mut self.connect.other, other.connect.other);
        add(&mut self.read.reset, other.read.reset);
        add(&mut self.read.closed, other.read.closed);
        add(&mut self.read.other, other.read.other);
        add(&mut self.write, other.write);
        add(&mut self.timeout, other.timeout);
        for (code, count) in &other.status {
            add(self.status.entry(*code).or_default(), *count);
        }
        add(&mut self.protocol, other.protocol);
        add(&mut self.body, other.body);
        add(&mut self.deadline, other.deadline);
    }
}
