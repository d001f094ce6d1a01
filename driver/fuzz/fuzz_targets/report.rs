//! Whatever a report's file holds, reading it, adding it to another and writing it in every form does
//! not panic.
//!
//! Input: the JSON of a report.

#![no_main]

use driver::report::Report;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(report) = serde_json::from_slice::<Report>(bytes) else { return };
    let mut joined = report.clone();
    let _ = joined.join(&report);
    let mut appended = report.clone();
    appended.append(&report);
    for report in [report, joined, appended] {
        let _ = driver::output::text::wrk(&report);
        for (_, format) in driver::output::FORMATS {
            let _ = format(&report);
        }
    }
});
