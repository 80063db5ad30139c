//! The reading itself: which file goes on where, and what happened to it since the last pass.

use std::collections::{HashSet, VecDeque};
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::find::{Found, Pattern};
use crate::connect::PassEnd;

/// Bytes read at a time.
const BLOCK_BYTES: usize = 1 << 20;

/// Followed files held open at a time.
pub const OPEN_FILES_MAX: usize = 256;

/// When a file's end counts as the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The files that match at the start are read to their end.
    Once,
    /// Files are read as they grow, and new ones as they appear.
    Follow,
}

/// One file from its start to its end. A truncated or replaced file goes on under a new id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u64);

/// What a pass hands out.
#[derive(Debug)]
pub enum Piece<'a> {
    /// Bytes that follow what this file handed out before.
    Bytes {
        /// The file.
        file: FileId,
        /// Its path, for positions.
        name: &'a Arc<str>,
        /// Offset of the first of these bytes.
        offset: u64,
        /// The bytes, at most a block.
        bytes: &'a [u8],
        /// Bytes that were there when the pass began and are still to be read, over all files.
        lag_bytes: u64,
    },
    /// Nothing more will come of this file.
    End {
        /// The file.
        file: FileId,
        /// Its path, for positions.
        name: &'a Arc<str>,
    },
}

/// Device and inode.
type Identity = (u64, u64);

struct Tracked {
    id: FileId,
    identity: Identity,
    name: Arc<str>,
    path: PathBuf,
    handle: Option<File>,
    offset: u64,
    /// Length when the pass began: the pass reads up to here.
    limit: u64,
}

/// The files of one pattern and how far each has been read. See the module for what it guarantees.
pub struct FileTail {
    pattern: Pattern,
    mode: Mode,
    /// In `once` mode the files still to be read; in `follow` mode all, sorted by path.
    files: VecDeque<Tracked>,
    listed: bool,
    next_id: u64,
    block: Vec<u8>,
}

type Visitor<'v> = &'v mut dyn FnMut(Piece<'_>) -> ControlFlow<()>;

impl FileTail {
    /// A reader that has read nothing yet. No IO.
    pub fn new(pattern: Pattern, mode: Mode) -> FileTail {
        FileTail { pattern, mode, files: VecDeque::new(), listed: false, next_id: 0, block: Vec::new() }
    }

    /// Hands out all that the files held when it was called.
    ///
    /// # Errors
    /// The first read or listing that failed. What was handed out stays handed out; the next pass goes on from there.
    pub fn pass(&mut self, visit: Visitor<'_>) -> io::Result<PassEnd> {
        self.block.resize(BLOCK_BYTES, 0);
        match self.mode {
            Mode::Once => self.pass_once(visit),
            Mode::Follow => self.pass_follow(visit),
        }
    }

    fn pass_once(&mut self, visit: Visitor<'_>) -> io::Result<PassEnd> {
        if !self.listed {
            let found = self.pattern.find()?;
            if found.is_empty() {
                tracing::warn!(path = self.pattern.text(), "no file matches");
            }
            for file in found {
                let tracked = self.track(file);
                self.files.push_back(tracked);
            }
            self.listed = true;
        }
        while let Some(file) = self.files.front() {
            let rest: u64 = self.files.iter().skip(1).map(|file| file.limit).sum();
            let name = file.name.clone();
            let id = file.id;
            let file = &mut self.files[0];
            if file.read(None, rest, &mut self.block, visit)?.is_break() {
                return Ok(PassEnd::Stopped);
            }
            self.files.pop_front();
            if visit(Piece::End { file: id, name: &name }).is_break() {
                return Ok(PassEnd::Stopped);
            }
        }
        Ok(PassEnd::Finished)
    }

    fn pass_follow(&mut self, visit: Visitor<'_>) -> io::Result<PassEnd> {
        let found = match self.pattern.find() {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        if self.end_missing(&found, visit)?.is_break() {
            return Ok(PassEnd::Stopped);
        }
        for file in found {
            if self.refresh(file, visit).is_break() {
                return Ok(PassEnd::Stopped);
            }
        }
        self.files.make_contiguous().sort_by(|a, b| a.path.cmp(&b.path));
        let mut lag: u64 = self.files.iter().map(|file| file.limit.saturating_sub(file.offset)).sum();
        for index in 0..self.files.len() {
            let file = &mut self.files[index];
            let available = file.limit.saturating_sub(file.offset);
            lag -= available;
            let limit = file.limit;
            if available > 0 && file.read(Some(limit), lag, &mut self.block, visit)?.is_break() {
                return Ok(PassEnd::Stopped);
            }
        }
        self.close_beyond_limit();
        Ok(PassEnd::Idle)
    }

    /// Reads to its end and gives up each file that no longer has a matching name.
    fn end_missing(&mut self, found: &[Found], visit: Visitor<'_>) -> io::Result<ControlFlow<()>> {
        let present: HashSet<Identity> = found.iter().map(|file| identity(&file.metadata)).collect();
        let mut index = 0;
        while index < self.files.len() {
            let file = &mut self.files[index];
            if present.contains(&file.identity) {
                index += 1;
                continue;
            }
            if file.handle.is_some() && file.read(None, 0, &mut self.block, visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            tracing::info!(file = %file.name, bytes = file.offset, "file replaced or removed");
            let (id, name) = (file.id, file.name.clone());
            self.files.remove(index);
            if visit(Piece::End { file: id, name: &name }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Takes in what the listing says about one file: new, renamed, shrunk or grown.
    fn refresh(&mut self, found: Found, visit: Visitor<'_>) -> ControlFlow<()> {
        let identity = identity(&found.metadata);
        let Some(index) = self.files.iter().position(|file| file.identity == identity) else {
            let tracked = self.track(found);
            tracing::info!(file = %tracked.name, "following file");
            self.files.push_back(tracked);
            return ControlFlow::Continue(());
        };
        let file = &mut self.files[index];
        if file.path != found.path {
            tracing::info!(from = %file.name, to = %found.path.display(), "file renamed");
            file.name = name_of(&found.path);
            file.path = found.path;
        }
        file.limit = found.metadata.len();
        if file.limit < file.offset {
            tracing::info!(file = %file.name, read = file.offset, length = file.limit, "file truncated, reading from its start");
            let (ended, name) = (file.id, file.name.clone());
            file.offset = 0;
            file.handle = None;
            file.id = FileId(self.next_id);
            self.next_id += 1;
            return visit(Piece::End { file: ended, name: &name });
        }
        ControlFlow::Continue(())
    }

    fn track(&mut self, found: Found) -> Tracked {
        let id = FileId(self.next_id);
        self.next_id += 1;
        Tracked {
            id,
            identity: identity(&found.metadata),
            name: name_of(&found.path),
            path: found.path,
            handle: None,
            offset: 0,
            limit: found.metadata.len(),
        }
    }

    fn close_beyond_limit(&mut self) {
        let open = self.files.iter().filter(|file| file.handle.is_some()).count();
        let idle = self.files.iter_mut().filter(|file| file.handle.is_some());
        for file in idle.take(open.saturating_sub(OPEN_FILES_MAX)) {
            file.handle = None;
        }
    }
}

impl Tracked {
    /// Hands out bytes from the offset on, up to `limit` or, without one, to the end, which then must be there.
    fn read(
        &mut self,
        limit: Option<u64>,
        lag_after: u64,
        block: &mut [u8],
        visit: Visitor<'_>,
    ) -> io::Result<ControlFlow<()>> {
        let mut handle = match self.handle.take() {
            Some(handle) => handle,
            None => match self.open()? {
                Some(handle) => handle,
                None if limit.is_some() => return Ok(ControlFlow::Continue(())),
                None => {
                    let gone = io::Error::new(io::ErrorKind::NotFound, "replaced or removed before it was read");
                    return Err(with_name(&self.name, gone));
                }
            },
        };
        loop {
            let room =
                limit.map_or(block.len() as u64, |limit| limit.saturating_sub(self.offset)).min(block.len() as u64);
            let length = match handle.read(&mut block[..room as usize]) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(with_name(&self.name, error)),
            };
            if length == 0 {
                break;
            }
            let offset = self.offset;
            self.offset += length as u64;
            let lag_bytes = lag_after + self.limit.saturating_sub(self.offset);
            let piece = Piece::Bytes { file: self.id, name: &self.name, offset, bytes: &block[..length], lag_bytes };
            if visit(piece).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        self.handle = Some(handle);
        Ok(ControlFlow::Continue(()))
    }

    /// Opens the file at its offset; `None` when its name means another file by now, which the next listing will tell.
    fn open(&self) -> io::Result<Option<File>> {
        let mut handle = match File::open(&self.path) {
            Ok(handle) => handle,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(with_name(&self.name, error)),
        };
        let metadata = handle.metadata().map_err(|error| with_name(&self.name, error))?;
        if identity(&metadata) != self.identity {
            return Ok(None);
        }
        handle.seek(SeekFrom::Start(self.offset)).map_err(|error| with_name(&self.name, error))?;
        Ok(Some(handle))
    }
}

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

fn name_of(path: &std::path::Path) -> Arc<str> {
    path.to_string_lossy().into()
}

fn with_name(name: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{name}: {error}"))
}
