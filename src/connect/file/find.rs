//! Which files a `path` option means: one file, the files of a folder, or the matches of a glob.
//!
//! Names come back sorted. Folders are not descended into and hidden files of a folder are left out; a glob may name both.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// A `path` option, checked but not looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
}

/// A file that matched, with what the system said about it.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) metadata: Metadata,
}

impl Pattern {
    /// Reads a `path` option; relative paths are relative to the process.
    ///
    /// # Errors
    /// An empty text, or a glob that cannot be parsed; the text says why.
    pub fn new(text: &str) -> Result<Pattern, String> {
        if text.is_empty() {
            return Err("the path is empty".to_string());
        }
        glob::Pattern::new(text).map_err(|error| error.to_string())?;
        Ok(Pattern { text: text.to_string() })
    }

    /// The option as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the pattern names one file or folder, which must then exist.
    pub fn is_plain(&self) -> bool {
        !self.text.contains(['*', '?', '[']) || Path::new(&self.text).exists()
    }

    /// The regular files the pattern means now, sorted by path.
    pub(super) fn find(&self) -> io::Result<Vec<Found>> {
        let mut candidates = if self.is_plain() {
            let path = PathBuf::from(&self.text);
            if fs::metadata(&path)?.is_dir() { folder(&path)? } else { vec![path] }
        } else {
            let matches = glob::glob(&self.text).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            matches.collect::<Result<Vec<_>, _>>().map_err(io::Error::from)?
        };
        candidates.sort();
        let mut found = Vec::with_capacity(candidates.len());
        for path in candidates {
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => found.push(Found { path, metadata }),
                Ok(_) => {}
                // It went away between the listing and the look: as if it had not been listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

fn folder(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            files.push(entry.path());
        }
    }
    Ok(files)
}
