//! Where a database lives, and that its creation was whole.
//!
//! Most engines say nothing of a crash while they create a database, and many do not open afterwards. A careful user notes when
//! the creation is done, and begins again what was cut off before. That is what is done here, so that findings are about databases that were
//! there; with the option `creation=in-place` the engine is on its own from its first file on.
//!
//! 1. The mark is made after everything that the creation wrote, files and names, is durable.
//! 2. A mark that is there is durable before the database is used: the process that made it may have ended before it synced it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::{Failure, Kind, Mode, Options};

const DATABASE: &str = "db";
const MARK: &str = "created";

/// The directory of a database.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    /// Where the mark is to be made, if it is.
    mark: Option<PathBuf>,
}

impl Home {
    /// The name of the option that decides how databases are created: `careful` or `in-place`.
    pub const OPTION: &'static str = "creation";

    /// Where the database of a driver's directory is to be opened or created.
    pub fn find(dir: &Path, mode: Mode, options: &Options) -> Result<Self, Failure> {
        let creation = options.word(Self::OPTION, &["careful", "in-place"])?;
        let (path, mark) = (dir.join(DATABASE), dir.join(MARK));
        let is_in_place = creation == Some("in-place");
        let is_there = fs::exists(if is_in_place { &path } else { &mark })?;
        if mode == Mode::Existing && !is_there {
            return Err(Failure::new(Kind::Io, "there is no database"));
        }
        if !is_there {
            remove_all(&path)?;
            fs::create_dir(&path)?;
        }
        sync_directory(dir)?;
        let mark = (!is_there && !is_in_place).then_some(mark);
        Ok(Self { path, mark })
    }

    /// The directory for the engine.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The engine has a database there.
    pub fn created(&self) -> Result<(), Failure> {
        let Some(mark) = &self.mark else {
            return Ok(());
        };
        sync_tree(&self.path)?;
        File::create(mark)?.sync_all()?;
        Ok(mark.parent().map_or(Ok(()), sync_directory)?)
    }
}

/// Takes away what a creation that was cut off has left.
fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn sync_tree(dir: &Path) -> io::Result<()> {
    let mut entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_directory(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(dir: &Path, mode: Mode) -> Result<Home, Failure> {
        Home::find(dir, mode, &Options::default())
    }

    #[test]
    fn what_was_not_created_to_the_end_is_begun_again() {
        let dir = std::env::temp_dir().join(format!("chaos-driver-kit-{}", std::process::id()));
        remove_all(&dir).unwrap();
        fs::create_dir(&dir).unwrap();
        assert!(find(&dir, Mode::Existing).is_err());
        let home = find(&dir, Mode::CreateOrOpen).unwrap();
        fs::create_dir(home.path().join("a")).unwrap();
        fs::write(home.path().join("a/half"), "").unwrap();
        assert!(find(&dir, Mode::Existing).is_err());
        let home = find(&dir, Mode::CreateOrOpen).unwrap();
        assert!(!home.path().join("a").exists());
        fs::write(home.path().join("whole"), "").unwrap();
        home.created().unwrap();
        let home = find(&dir, Mode::Existing).unwrap();
        assert!(home.path().join("whole").exists());
        fs::remove_dir_all(&dir).unwrap();
    }
}
