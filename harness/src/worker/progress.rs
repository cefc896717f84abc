//! The board on which a worker writes the case it is about to start.
//!
//! It is the first block of the file that is also the worker's standard error, so it needs no name and
//! nothing is left behind: the parent opens a file without a name and hands it down. Text that the
//! worker prints follows after the board. A write a case is all that it costs.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::batch::CaseId;

const BOARD_LEN: u64 = 4096;
const RECORD_LEN: usize = 512;
const HEADER_LEN: usize = 10;
const TAIL_LEN_MAX: u64 = 4096;

/// The worker's side.
#[derive(Debug)]
pub(super) struct Announcer {
    board: Option<File>,
    /// Who listens in this process.
    listener: Option<Arc<Mutex<Progress>>>,
    announced: u64,
}

/// The parent's side.
#[derive(Debug)]
pub(super) struct Board(File);

/// What stands on the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// How many announcements there were.
    pub(super) announced: u64,
    /// The last one; none before a job's first case.
    pub(super) case: Option<CaseId>,
}

impl Progress {
    /// Of who has announced nothing.
    pub(super) fn none() -> Self {
        Self {
            announced: 0,
            case: None,
        }
    }
}

impl Announcer {
    /// Writes to standard error's file; says nothing if that is no file.
    pub(super) fn on_standard_error() -> Self {
        let owned = io::stderr()
            .as_fd()
            .try_clone_to_owned()
            .ok()
            .map(File::from);
        let board = owned.filter(|file| file.metadata().is_ok_and(|data| data.is_file()));
        Self {
            board,
            listener: None,
            announced: 0,
        }
    }

    /// Tells somebody in this process.
    pub(super) fn to(listener: Arc<Mutex<Progress>>) -> Self {
        Self {
            board: None,
            listener: Some(listener),
            announced: 0,
        }
    }

    /// A job begins, no case yet.
    pub(super) fn job(&mut self) {
        self.write("");
    }

    /// A case is about to begin.
    pub(super) fn case(&mut self, case: &CaseId) {
        self.write(&case.0);
    }

    fn write(&mut self, text: &str) {
        self.announced += 1;
        if let Some(listener) = &self.listener {
            *listener.lock().unwrap_or_else(PoisonError::into_inner) = Progress {
                announced: self.announced,
                case: (!text.is_empty()).then(|| CaseId(text.to_owned())),
            };
        }
        let text = &text.as_bytes()[..text.len().min(RECORD_LEN - HEADER_LEN)];
        let len = u16::try_from(text.len()).unwrap_or(0);
        let mut record = Vec::with_capacity(HEADER_LEN + text.len());
        record.extend_from_slice(&self.announced.to_le_bytes());
        record.extend_from_slice(&len.to_le_bytes());
        record.extend_from_slice(text);
        if self
            .board
            .as_ref()
            .is_some_and(|board| board.write_all_at(&record, 0).is_err())
        {
            self.board = None;
        }
    }
}

impl Board {
    /// A new board, and the file to give to a worker as its standard error.
    pub(super) fn new() -> io::Result<(Self, File)> {
        let mut file = tempfile::tempfile()?;
        file.set_len(BOARD_LEN)?;
        file.seek(SeekFrom::Start(BOARD_LEN))?;
        Ok((Self(file.try_clone()?), file))
    }

    /// What the worker announced last.
    pub(super) fn progress(&self) -> io::Result<Progress> {
        let mut record = [0; RECORD_LEN];
        self.0.read_exact_at(&mut record, 0)?;
        let (announced, rest) = record.split_at(8);
        let (len, text) = rest.split_at(2);
        let announced = announced
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let len = len
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let text = text.get(..len).unwrap_or_default();
        let case = (len > 0).then(|| CaseId(String::from_utf8_lossy(text).into_owned()));
        Ok(Progress { announced, case })
    }

    /// Where the text that the worker printed ends by now.
    pub(super) fn text_end(&self) -> u64 {
        self.0
            .metadata()
            .map_or(BOARD_LEN, |data| data.len().max(BOARD_LEN))
    }

    /// The last of what the worker printed from `start` on.
    pub(super) fn text_since(&self, start: u64) -> String {
        let end = self.text_end();
        let start = start.max(end.saturating_sub(TAIL_LEN_MAX));
        let len = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
        let mut text = vec![0; len];
        match self.0.read_exact_at(&mut text, start) {
            Ok(()) => String::from_utf8_lossy(&text).trim().to_owned(),
            Err(_) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn an_announcement_reaches_the_board_and_text_does_not_disturb_it() {
        let (board, mut file) = Board::new().unwrap();
        let mut announcer = Announcer {
            board: Some(file.try_clone().unwrap()),
            listener: None,
            announced: 0,
        };
        announcer.job();
        assert_eq!(
            board.progress().unwrap(),
            Progress {
                announced: 1,
                case: None
            }
        );
        let before = board.text_end();
        file.write_all(b"memory allocation failed\n").unwrap();
        announcer.case(&CaseId("p1.s2".into()));
        let progress = board.progress().unwrap();
        assert_eq!(
            progress,
            Progress {
                announced: 2,
                case: Some(CaseId("p1.s2".into()))
            }
        );
        assert_eq!(board.text_since(before), "memory allocation failed");
    }
}
