//! A directory of a disk as a disk of its own: where backups and archives are, beside the database and cut by the same crash.

use std::io;
use std::sync::Arc;

use lightning_db::disk::{Disk, DiskFile, DiskLock, OpenMode};

/// A directory of a disk.
#[derive(Clone, Debug)]
pub struct Folder {
    disk: Arc<dyn Disk>,
    name: &'static str,
}

impl Folder {
    /// The directory of this name, whether it is there or not.
    pub fn of(disk: Arc<dyn Disk>, name: &'static str) -> Self {
        Self { disk, name }
    }

    /// The directory of this name, there for good: one that is there may be so since a sync that failed.
    pub fn create(disk: Arc<dyn Disk>, name: &'static str) -> io::Result<Self> {
        disk.create_dir(name)?;
        disk.sync_dir("")?;
        Ok(Self::of(disk, name))
    }

    fn path(&self, name: &str) -> String {
        if name.is_empty() {
            return self.name.to_owned();
        }
        format!("{}/{name}", self.name)
    }
}

impl Disk for Folder {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(&self.path(name), mode)
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.disk.create_dir(&self.path(name))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.disk.list(&self.path(dir))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(&self.path(from), &self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(&self.path(name))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.disk.sync_dir(&self.path(dir))
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        self.disk.lock(&self.path(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lightning_db::disk::MemoryDisk;

    #[test]
    fn what_is_in_a_folder_is_on_the_disk_below_its_name() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let folder = Folder::create(Arc::clone(&disk), "backups").unwrap();
        let file = folder.open("one.partial", OpenMode::Create).unwrap();
        file.write_at(0, b"bytes").unwrap();
        folder.rename("one.partial", "one").unwrap();
        folder.sync_dir("").unwrap();
        assert_eq!(folder.list("").unwrap(), ["one"]);
        assert_eq!(disk.list("backups").unwrap(), ["one"]);
        assert!(disk.open("backups/one", OpenMode::Read).is_ok());
        assert!(Folder::create(disk, "backups").is_ok(), "it may be there");
        folder.remove("one").unwrap();
        assert!(folder.list("").unwrap().is_empty());
    }
}
