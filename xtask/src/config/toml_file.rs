//! Reads a TOML file into a type; every error names the file, the line, the column and the key.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::suggest;

/// Something wrong at one place of a TOML file. Shown with the line it is about.
#[derive(Debug)]
pub struct FileError {
    file: PathBuf,
    /// From 1.
    line: usize,
    /// In characters, from 1.
    column: usize,
    /// How many characters of the line are meant.
    width: usize,
    text: String,
    message: String,
}

/// A value that has the right type and still makes no sense.
#[derive(Debug)]
pub struct Invalid {
    /// From the top of the file: keys, and the positions (from 0) in arrays.
    path: Vec<String>,
    message: String,
}

impl Invalid {
    pub fn at(path: &[&str], message: impl Into<String>) -> Self {
        Self { path: path.iter().map(ToString::to_string).collect(), message: message.into() }
    }
}

/// Parses `source`, then asks `check` what the types cannot say. `file` is only for the errors.
pub fn parse<T: DeserializeOwned>(
    file: &Path,
    source: &str,
    check: impl FnOnce(&T) -> Result<(), Invalid>,
) -> Result<T, FileError> {
    let fail = |span, message| FileError::new(file, source, span, message);
    let input = toml::Deserializer::parse(source)
        .map_err(|error| fail(error.span(), error.message().to_owned()))?;
    let value: T = serde_path_to_error::deserialize(input).map_err(|error| {
        let message = explain(&error.path().to_string(), error.inner().message());
        fail(error.inner().span(), message)
    })?;
    match check(&value) {
        Ok(()) => Ok(value),
        Err(Invalid { path, message }) => Err(fail(locate(source, &path), message)),
    }
}

/// Says in a TOML author's words what serde says in a Rust programmer's.
fn explain(path: &str, message: &str) -> String {
    let message = &message.replace("a sequence", "an array").replace("u32", "a whole number");
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match quoted.as_slice() {
        [unknown, known @ ..] if message.starts_with("unknown field") => format!(
            "unknown key `{unknown}`; {}",
            suggest::hint(unknown, known).replace("there are", "the keys are")
        ),
        [missing] if message.starts_with("missing field") => match path {
            "." => format!("missing key `{missing}`"),
            _ => format!("missing key `{missing}` in `{path}`"),
        },
        _ if path == "." => message.to_owned(),
        _ => format!("`{path}`: {message}"),
    }
}

/// Where the value at `path` stands; its innermost parent when it is absent.
fn locate(source: &str, path: &[String]) -> Option<Range<usize>> {
    let table = DeTable::parse(source).ok()?;
    let (first, rest) = path.split_first()?;
    let mut value: &Spanned<DeValue<'_>> = table.get_ref().get(first.as_str())?;
    for segment in rest {
        let next = match segment.parse::<usize>() {
            Ok(index) if value.get_ref().is_array() => value.get_ref().get(index),
            _ => value.get_ref().get(segment.as_str()),
        };
        match next {
            Some(inner) => value = inner,
            None => break,
        }
    }
    Some(value.span())
}

impl FileError {
    /// Without a span, the message is about the whole file.
    fn new(file: &Path, source: &str, span: Option<Range<usize>>, message: String) -> Self {
        let span = span.unwrap_or(0..0);
        let before = source.get(..span.start).unwrap_or(source);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let text = source[start..].lines().next().unwrap_or_default();
        let column = before[start..].chars().count();
        let meant = source.get(span).unwrap_or_default();
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: column + 1,
            width: meant.lines().next().unwrap_or_default().chars().count(),
            text: text.to_owned(),
            message,
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, .. } = self;
        writeln!(f, "{}:{line}:{column}: {}", self.file.display(), self.message)?;
        let gutter = " ".repeat(line.to_string().len());
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{line} | {}", self.text)?;
        let indent = " ".repeat(column - 1);
        write!(f, "{gutter} | {indent}{}", "^".repeat(self.width.max(1)))
    }
}

impl std::error::Error for FileError {}
