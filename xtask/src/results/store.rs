//! `results/<run-id>/`: written so that a run killed at any moment loses at most the sample under
//! way, and read as what it is: a file that anybody may have edited.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::results::record::{Run, SCHEMA, Sample};

const RUN: &str = "run.json";
const SAMPLES: &str = "samples.jsonl";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} already holds files; name another folder with --out, or go on with a run by --resume", .0.display())]
    Exists(PathBuf),
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is being written by another bench; wait for it to end, or stop it", .0.display())]
    Locked(PathBuf),
    #[error("{}: {reason}", path.display())]
    Run { path: PathBuf, reason: String },
    #[error("{}, line {line}: {reason}; correct or delete the line", path.display())]
    Sample { path: PathBuf, line: usize, reason: String },
    #[error("no run in {}; make one with `cargo xtask bench`", .0.display())]
    NoRun(PathBuf),
}

pub type Result<T> = std::result::Result<T, Error>;

/// Names the path in an I/O error.
fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Io { action, path: path.to_owned(), source }
}

/// A results folder as read.
#[derive(Clone, Debug)]
pub struct Contents {
    pub run: Run,
    /// In the order in which they were taken.
    pub samples: Vec<Sample>,
    /// Bytes of an unfinished last line, which were left out; 0 when the file is whole.
    pub unfinished: usize,
}

/// Reads a results folder. An unfinished last line is what a killed bench leaves: it is counted,
/// not an error.
pub fn read(dir: &Path) -> Result<Contents> {
    let run = read_run(dir)?;
    let path = dir.join(SAMPLES);
    let bytes = fs::read(&path).map_err(failed("read", &path))?;
    let (samples, unfinished) = parse_samples(&path, &bytes)?;
    Ok(Contents { run, samples, unfinished })
}

/// The only process that may add samples to a results folder: it holds the lock on its file.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    samples: File,
}

impl Writer {
    /// Makes the folder with `run.json` and no samples. The folder may exist if it is empty.
    pub fn create(dir: &Path, run: &Run) -> Result<Self> {
        claim(dir)?;
        let path = dir.join(SAMPLES);
        let samples =
            OpenOptions::new().append(true).create_new(true).open(&path).map_err(|error| {
                match error.kind() {
                    io::ErrorKind::AlreadyExists => Error::Exists(dir.to_owned()),
                    _ => failed("create", &path)(error),
                }
            })?;
        let writer = Self::lock(path, samples)?;
        let mut json = serde_json::to_vec_pretty(run)
            .map_err(io::Error::from)
            .map_err(failed("write", &dir.join(RUN)))?;
        json.push(b'\n');
        write_atomically(&dir.join(RUN), &json)?;
        Ok(writer)
    }

    /// Opens a folder to add samples to it, and cuts an unfinished last line off, so that the next
    /// sample starts on a line of its own.
    pub fn resume(dir: &Path) -> Result<(Self, Contents)> {
        let run = read_run(dir)?;
        let path = dir.join(SAMPLES);
        let samples = OpenOptions::new()
            .read(true)
            .append(true)
            .open(&path)
            .map_err(failed("open", &path))?;
        let mut writer = Self::lock(path, samples)?;
        let path = &writer.path;
        let mut bytes = Vec::new();
        writer.samples.read_to_end(&mut bytes).map_err(failed("read", path))?;
        let (samples, unfinished) = parse_samples(path, &bytes)?;
        if unfinished > 0 {
            let whole = (bytes.len() - unfinished) as u64;
            writer.samples.set_len(whole).map_err(failed("shorten", path))?;
        }
        Ok((writer, Contents { run, samples, unfinished }))
    }

    fn lock(path: PathBuf, samples: File) -> Result<Self> {
        match samples.try_lock() {
            Ok(()) => Ok(Self { path, samples }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(path)),
            Err(TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
        }
    }

    /// Adds one sample; when this returns, it is on the disk.
    pub fn append(&mut self, sample: &Sample) -> Result<()> {
        let path = &self.path;
        let mut line = serde_json::to_vec(sample)
            .map_err(io::Error::from)
            .map_err(failed("write to", path))?;
        line.push(b'\n');
        self.samples
            .write_all(&line)
            .and_then(|()| self.samples.sync_data())
            .map_err(failed("write to", path))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Closing would do, but for a child that was forked a moment ago and still shares the file.
        let _ = self.samples.unlock();
    }
}

/// Makes the folder, which may exist if it is empty, and tries whether files can be made in it.
/// Returns whether it did not exist.
pub fn claim(dir: &Path) -> Result<bool> {
    let is_new = !dir.exists();
    fs::create_dir_all(dir).map_err(failed("create", dir))?;
    let mut entries = fs::read_dir(dir).map_err(failed("read", dir))?;
    if entries.next().is_some() {
        return Err(Error::Exists(dir.to_owned()));
    }
    let probe = dir.join(".writable");
    File::create(&probe).and_then(|_| fs::remove_file(&probe)).map_err(failed("write in", dir))?;
    Ok(is_new)
}

/// Writes a file so that a reader sees the old one or the whole new one.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(failed("write", path))
}

/// The run in `results` that was created last. Folders without a readable `run.json` are passed by,
/// and so is the reference run, whose reports are part of the project.
pub fn newest(results: &Path) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Created {
        created_at: jiff::Timestamp,
    }
    let entries = match fs::read_dir(results) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::NoRun(results.to_owned()));
        }
        Err(error) => return Err(failed("read", results)(error)),
    };
    entries
        .filter_map(|entry| {
            let dir = entry.ok()?.path();
            if dir.ends_with("reference") {
                return None;
            }
            let bytes = fs::read(dir.join(RUN)).ok()?;
            let run: Created = serde_json::from_slice(&bytes).ok()?;
            Some((run.created_at, dir))
        })
        .max()
        .map(|(_, dir)| dir)
        .ok_or_else(|| Error::NoRun(results.to_owned()))
}

fn read_run(dir: &Path) -> Result<Run> {
    let path = dir.join(RUN);
    match fs::read(&path) {
        Ok(bytes) => parse(&bytes)
            .and_then(|run: Run| run.options.check().map(|()| run))
            .map_err(|reason| Error::Run { path, reason }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NoRun(dir.to_owned())),
        Err(error) => Err(failed("read", &path)(error)),
    }
}

/// The samples of all whole lines, and the number of bytes after the last of them.
fn parse_samples(path: &Path, bytes: &[u8]) -> Result<(Vec<Sample>, usize)> {
    // A line is whole when its newline was written: it is the last byte of each append.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let samples = bytes[..whole]
        .split_inclusive(|byte| *byte == b'\n')
        .enumerate()
        .map(|(index, line)| {
            parse(line.trim_ascii_end()).map_err(|reason| Error::Sample {
                path: path.to_owned(),
                line: index + 1,
                // To the parser each line is a document of its own, whose only line is the first.
                reason: reason.replace("at line 1 column", "at column"),
            })
        })
        .collect::<Result<_>>()?;
    Ok((samples, bytes.len() - whole))
}

/// Parses one JSON document of our schema. The schema is looked at first: a later one may differ in
/// anything else.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> std::result::Result<T, String> {
    #[derive(Deserialize)]
    struct Head {
        schema: u32,
    }
    let head: Head = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if head.schema != SCHEMA {
        return Err(format!(
            "written with schema {}, and this version reads schema {SCHEMA}; use the version of \
             httpdyno that wrote it",
            head.schema
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::results::record::Outcome;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let dir = temp.path().join("run");
        (temp, dir)
    }

    /// A folder with the fixture's run and all of its samples.
    fn filled() -> (tempfile::TempDir, PathBuf) {
        let (temp, dir) = folder();
        let mut writer = Writer::create(&dir, &fixture::run()).expect("created");
        for sample in fixture::samples() {
            writer.append(&sample).expect("appended");
        }
        (temp, dir)
    }

    fn json(samples: &[Sample]) -> Vec<String> {
        let text = |sample| serde_json::to_string(sample).expect("serializable");
        samples.iter().map(text).collect()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let (_temp, dir) = filled();
        let contents = read(&dir).expect("readable");
        assert_eq!(contents.run.id, fixture::run().id);
        assert_eq!(contents.unfinished, 0);
        assert_eq!(json(&contents.samples), json(&fixture::samples()));
    }

    #[test]
    fn a_folder_that_holds_something_is_never_written_over() {
        let (_temp, dir) = filled();
        let error = Writer::create(&dir, &fixture::run()).expect_err("exists");
        assert!(matches!(error, Error::Exists(_)), "{error}");
    }

    #[test]
    fn an_empty_folder_may_be_used() {
        let (_temp, dir) = folder();
        fs::create_dir(&dir).expect("created");
        Writer::create(&dir, &fixture::run()).expect("an empty folder is free");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let (temp, _) = folder();
        let file = temp.path().join("file");
        fs::write(&file, "").expect("written");
        let dir = file.join("run");
        let error = Writer::create(&dir, &fixture::run()).expect_err("below a file");
        assert!(error.to_string().contains(&*dir.to_string_lossy()), "{error}");
    }

    #[test]
    fn two_benches_cannot_write_one_folder() {
        let (_temp, dir) = filled();
        let first = Writer::resume(&dir).expect("free");
        let error = Writer::resume(&dir).expect_err("held by the first");
        assert!(matches!(error, Error::Locked(_)), "{error}");
        drop(first);
        Writer::resume(&dir).expect("free again");
    }

    #[test]
    fn a_run_cut_off_at_any_byte_keeps_its_whole_lines() {
        // Failed samples, as their lines are short: every byte of three lines is tried.
        let mut samples = fixture::samples();
        samples.retain(|sample| matches!(sample.outcome, Outcome::Failed(_)));
        let lines = json(&samples[..3]);
        let bytes = format!("{}\n", lines.join("\n")).into_bytes();
        let path = Path::new(SAMPLES);
        for end in 0..=bytes.len() {
            let whole = bytes[..end].iter().filter(|byte| **byte == b'\n').count();
            let (samples, unfinished) =
                parse_samples(path, &bytes[..end]).expect("a cut is not an error");
            assert_eq!(json(&samples), lines[..whole], "cut at {end}");
            assert_eq!(unfinished == 0, end == 0 || bytes[end - 1] == b'\n');
        }
    }

    #[test]
    fn resuming_cuts_the_unfinished_line_off() {
        let (_temp, dir) = filled();
        let path = dir.join(SAMPLES);
        let bytes = fs::read(&path).expect("readable");
        fs::write(&path, &bytes[..bytes.len() - 10]).expect("written");
        let (mut writer, contents) = Writer::resume(&dir).expect("resumable");
        assert!(contents.unfinished > 0);
        let last = fixture::samples().pop().expect("not empty");
        writer.append(&last).expect("appended");
        assert_eq!(fs::read(&path).expect("readable"), bytes);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        let (_temp, dir) = filled();
        let path = dir.join(SAMPLES);
        let bytes = fs::read(&path).expect("readable");
        let first = bytes.split_inclusive(|b| *b == b'\n').next().expect("one");
        for bad in ["nonsense\n", "\n", "{}\n", "\0\0\n", "{\"schema\":1}\n"] {
            fs::write(&path, [first, bad.as_bytes()].concat()).expect("written");
            let error = read(&dir).expect_err(bad).to_string();
            assert!(error.contains("line 2"), "{error}");
        }
    }

    #[test]
    fn another_schema_is_said_to_be_one() {
        let (_temp, dir) = filled();
        fs::write(dir.join(SAMPLES), "{\"schema\":99,\"new\":true}\n").expect("written");
        let error = read(&dir).expect_err("unknown schema").to_string();
        assert!(error.contains("schema 99"), "{error}");
        fs::write(dir.join(RUN), "{\"schema\":99}").expect("written");
        let error = read(&dir).expect_err("unknown schema").to_string();
        assert!(error.contains("run.json: written with schema 99"), "{error}");
    }

    #[test]
    fn a_histogram_that_was_tampered_with_is_an_error() {
        let (_temp, dir) = filled();
        let path = dir.join(SAMPLES);
        let text = fs::read_to_string(&path).expect("readable");
        let key = "\"hdr_v2_base64_ns\":\"";
        fs::write(&path, text.replace(key, &format!("{key}AAAA"))).expect("written");
        let error = read(&dir).expect_err("not a histogram").to_string();
        assert!(error.contains("line 1") && error.contains("histogram"), "{error}");
    }

    #[test]
    fn a_run_that_no_bench_can_have_begun_is_an_error() {
        for (seconds, name) in
            [("-1.0", "duration_s"), ("1e300", "warmup_s"), ("1e19", "timeout_s")]
        {
            let (_temp, dir) = filled();
            let path = dir.join(RUN);
            let mut run: serde_json::Value =
                serde_json::from_slice(&fs::read(&path).expect("readable")).expect("JSON");
            run["options"][name] = seconds.parse::<f64>().expect("a number").into();
            fs::write(&path, run.to_string()).expect("written");
            let error = read(&dir).expect_err("no length of time").to_string();
            assert!(error.contains("run.json") && error.contains(name), "{error}");
        }
    }

    #[test]
    fn the_newest_run_is_the_one_created_last() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let error = newest(temp.path()).expect_err("empty");
        assert!(error.to_string().contains("cargo xtask bench"), "{error}");
        let mut run = fixture::run();
        Writer::create(&temp.path().join("z-old"), &run).expect("created");
        run.created_at += std::time::Duration::from_secs(1);
        Writer::create(&temp.path().join("a-new"), &run).expect("created");
        fs::create_dir(temp.path().join("seed")).expect("created");
        assert!(newest(temp.path()).expect("two runs").ends_with("a-new"));
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(bytes in proptest::collection::vec(0_u8.., 0..200)) {
            let _ = parse_samples(Path::new("samples.jsonl"), &bytes);
            let _ = parse::<Run>(&bytes);
        }
    }
}
