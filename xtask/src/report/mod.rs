//! One file per format; each reads only the results folder.
pub mod markdown;
pub mod wrk;
