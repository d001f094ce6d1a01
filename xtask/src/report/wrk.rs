//! `wrk.txt`
