//! What a kernel asks of a simulated disk on behalf of a process, beside what [`Disk`](lightning_db::disk::Disk) has.
//!
//! 1. Files are named by inode: they are reached whatever happens to their names.
//! 2. Looking something up never fails for an injected reason: what can fail is opening it, as in a process that calls `open`.

use std::io;
use std::sync::Arc;

use lightning_db::disk::{DiskFile, OpenMode};

use super::disk::SimDisk;
use super::file::SimFile;
use crate::scenario::IoOperation;
use crate::trace::{Entry, InodeId, Name, Operation};

impl SimDisk {
    /// What a name stands for.
    pub fn look_up(&self, name: &str) -> io::Result<Option<Entry>> {
        Ok(self.enter_names()?.state.names().get(name))
    }

    /// The length of a file.
    pub fn len_of(&self, inode: InodeId) -> io::Result<u64> {
        let mut machine = self.enter()?;
        machine.look_at_len(inode);
        Ok(machine.file(inode)?.len())
    }

    /// A process opens an existing file.
    pub fn open_inode(&self, inode: InodeId, name: &Name) -> io::Result<()> {
        let mut machine = self.enter_names()?;
        let file = machine.label(inode, name);
        machine.file(inode)?;
        machine.fail_to_read(&file.name)
    }

    /// A new file.
    pub fn create_inode(&self, name: &str) -> io::Result<InodeId> {
        self.enter_names()?.create(name)
    }

    /// A file by its inode, whatever it is called now; it had this name once.
    pub fn file(&self, inode: InodeId, name: &Name) -> Arc<dyn DiskFile> {
        let name = Arc::clone(name);
        Arc::new(SimFile::new(self.clone(), inode, name, OpenMode::Write))
    }

    /// Reads up to the end of a file: what there is of the range.
    pub fn read_inode(
        &self,
        inode: InodeId,
        name: &Name,
        offset: u64,
        len: u64,
    ) -> io::Result<Vec<u8>> {
        let mut machine = self.enter()?;
        let file = machine.label(inode, name);
        machine.fail(IoOperation::Read, &file.name)?;
        machine.look_at_len(inode);
        let there = machine.file(inode)?.len().saturating_sub(offset).min(len);
        machine.look_at_bytes(inode, offset, there);
        let mut bytes = vec![0; usize::try_from(there).unwrap_or(0)];
        machine.file(inode)?.read(offset, &mut bytes);
        Ok(bytes)
    }

    /// The names in a directory, with what they stand for.
    pub fn entries(&self, dir: &str) -> io::Result<Vec<(String, Entry)>> {
        let mut machine = self.enter_names()?;
        machine.find_dir(dir)?;
        machine.fail_to_read(dir)?;
        let names = machine.state.names();
        let entry = |name: String| {
            let path = if dir.is_empty() {
                name.clone()
            } else {
                format!("{dir}/{name}")
            };
            Some((name, names.get(&path)?))
        };
        Ok(names.list(dir).into_iter().filter_map(entry).collect())
    }

    /// Creates a directory where nothing is.
    pub fn make_dir(&self, name: &str) -> io::Result<()> {
        let mut machine = self.enter_names()?;
        machine.check_free(name)?;
        machine.fail(IoOperation::Create, name)?;
        let name = Name::from(name);
        machine.perform(Operation::CreateDir { name });
        Ok(())
    }

    /// Removes an empty directory. That it survives means that all of its names were gone: an entry goes with its directory.
    pub fn remove_dir(&self, name: &str) -> io::Result<()> {
        let mut machine = self.enter_names()?;
        machine.find_dir(name)?;
        if !machine.state.names().list(name).is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        machine.fail(IoOperation::Remove, name)?;
        let name = Name::from(name);
        machine.perform(Operation::Remove { name });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lightning_db::disk::Disk;

    use super::*;
    use crate::sim::SimConfig;

    fn disk() -> SimDisk {
        SimDisk::new(SimConfig::default())
    }

    #[test]
    fn a_removed_file_lives_on_for_those_who_have_it_open() {
        let disk = disk();
        let (inode, name) = (disk.create_inode("file").unwrap(), Name::from("file"));
        disk.file(inode, &name).write_at(0, b"bytes").unwrap();
        disk.remove("file").unwrap();
        assert_eq!(disk.look_up("file").unwrap(), None);
        assert_eq!(disk.read_inode(inode, &name, 2, 100).unwrap(), b"tes");
        assert_eq!(disk.len_of(inode).unwrap(), 5);
    }

    #[test]
    fn a_directory_is_removed_only_when_it_is_empty() {
        let disk = disk();
        disk.make_dir("dir").unwrap();
        disk.make_dir("dir/below").unwrap();
        assert_eq!(
            disk.entries("dir").unwrap(),
            [("below".to_owned(), Entry::Directory)]
        );
        let refused = disk.remove_dir("dir").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::DirectoryNotEmpty);
        disk.remove_dir("dir/below").unwrap();
        disk.remove_dir("dir").unwrap();
        assert_eq!(disk.look_up("dir").unwrap(), None);
    }
}
