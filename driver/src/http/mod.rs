//! HTTP/1.1: the bytes of a request, and what the bytes of a response say.

pub(crate) mod request;
pub mod response;
