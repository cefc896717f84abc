//! The mount's answers to the kernel.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, FopenFlags, Generation, INodeNo,
    KernelConfig, LockOwner, Notifier, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow,
    WriteFlags,
};
use lightning_db::disk::{Disk as _, DiskFile};
use nix::fcntl::FallocateFlags;
use nix::unistd::{getegid, geteuid};

use super::nodes::{Node, Nodes, ROOT};
use crate::trace::{Entry, Mark, Name};

/// Names change only through the kernel, so it may keep them; but those of disks.
const FOREVER: Duration = Duration::from_secs(1 << 30);
/// Lengths may change behind the kernel's back, where a write fails in the middle.
const NEVER: Duration = Duration::ZERO;
/// How long a sync takes beside which others work.
const SYNC_TAKES: Duration = Duration::from_millis(2);
const BLOCK_LEN: u32 = 4096;
/// What the file system says to be free, in blocks.
const BLOCKS: u64 = 1 << 28;
const GENERATION: Generation = Generation(0);
const HANDLE: FileHandle = FileHandle(0);

/// Simulated disks as a file system.
#[derive(Debug)]
pub(super) struct Filesystem {
    nodes: Nodes,
    notifier: Arc<OnceLock<Notifier>>,
    listings: Mutex<BTreeMap<u64, Listing>>,
    listings_ever: AtomicU64,
    owner: (u32, u32),
}

/// What a directory held when it was opened.
type Listing = Vec<(u64, FileType, String)>;

impl Filesystem {
    /// `notifier` tells the kernel to forget what it has cached.
    pub(super) fn new(nodes: Nodes, notifier: Arc<OnceLock<Notifier>>) -> Self {
        Self {
            nodes,
            notifier,
            listings: Mutex::default(),
            listings_ever: AtomicU64::new(0),
            owner: (geteuid().as_raw(), getegid().as_raw()),
        }
    }

    fn node(&self, number: INodeNo) -> io::Result<Node> {
        let found = self.nodes.get(number.0);
        found.ok_or_else(|| error(Errno::ESTALE))
    }

    /// A name in a directory, with the directory.
    fn place(&self, parent: INodeNo, name: &OsStr) -> io::Result<(Node, Name)> {
        if parent.0 == ROOT {
            return Err(error(Errno::EACCES));
        }
        let node = self.node(parent)?;
        let Node::Dir { path, .. } = &node else {
            return Err(error(Errno::ENOTDIR));
        };
        let name = name.to_str().ok_or_else(|| error(Errno::EINVAL))?;
        let path = if path.is_empty() {
            Name::from(name)
        } else {
            Name::from(format!("{path}/{name}"))
        };
        Ok((node, path))
    }

    fn attributes(&self, number: INodeNo) -> io::Result<FileAttr> {
        if number.0 == ROOT {
            return Ok(attributes(number, FileType::Directory, 0, self.owner));
        }
        Ok(match self.node(number)? {
            Node::File { disk, inode, .. } => attributes(
                number,
                FileType::RegularFile,
                disk.len_of(inode)?,
                self.owner,
            ),
            Node::Dir { .. } => attributes(number, FileType::Directory, 0, self.owner),
        })
    }

    fn entry(&self, parent: &Node, path: &Name, entry: Entry) -> io::Result<FileAttr> {
        self.attributes(INodeNo(self.nodes.number(parent, path, entry)))
    }

    fn look_up(&self, parent: INodeNo, name: &OsStr) -> io::Result<FileAttr> {
        let none = || error(Errno::ENOENT);
        if parent.0 == ROOT {
            let root = self.nodes.root_of(Path::new(name));
            return self.attributes(INodeNo(root.ok_or_else(none)?));
        }
        let (dir, path) = self.place(parent, name)?;
        let found = disk_of(&dir).look_up(&path)?;
        self.entry(&dir, &path, found.ok_or_else(none)?)
    }

    fn create_file(&self, parent: INodeNo, name: &OsStr) -> io::Result<FileAttr> {
        let (dir, path) = self.place(parent, name)?;
        let inode = disk_of(&dir).create_inode(&path)?;
        self.entry(&dir, &path, Entry::File(inode))
    }

    fn create_dir(&self, parent: INodeNo, name: &OsStr) -> io::Result<FileAttr> {
        let (dir, path) = self.place(parent, name)?;
        disk_of(&dir).make_dir(&path)?;
        self.entry(&dir, &path, Entry::Directory)
    }

    fn remove_dir(&self, parent: INodeNo, name: &OsStr) -> io::Result<()> {
        let (dir, path) = self.place(parent, name)?;
        disk_of(&dir).remove_dir(&path)?;
        self.nodes.forget_dir(&dir, &path);
        Ok(())
    }

    fn move_file(
        &self,
        (from_dir, from): (INodeNo, &OsStr),
        (to_dir, to): (INodeNo, &OsStr),
        flags: RenameFlags,
    ) -> io::Result<()> {
        let (dir, from) = self.place(from_dir, from)?;
        let (_, to) = self.place(to_dir, to)?;
        let disk = disk_of(&dir);
        match disk.look_up(&from)? {
            Some(Entry::Directory) => return Err(error(Errno::EOPNOTSUPP)),
            Some(Entry::File(_)) | None => {}
        }
        if flags.contains(RenameFlags::RENAME_NOREPLACE) && disk.look_up(&to)?.is_some() {
            return Err(error(Errno::EEXIST));
        }
        if !(flags - RenameFlags::RENAME_NOREPLACE).is_empty() {
            return Err(error(Errno::EINVAL));
        }
        disk.rename(&from, &to)
    }

    fn set_len(&self, number: INodeNo, len: Option<u64>) -> io::Result<FileAttr> {
        if let Some(len) = len {
            let Node::File {
                disk, inode, name, ..
            } = self.node(number)?
            else {
                return Err(error(Errno::EISDIR));
            };
            disk.file(inode, &name).set_len(len)?;
        }
        self.attributes(number)
    }

    fn open_file(&self, number: INodeNo) -> io::Result<()> {
        match self.node(number)? {
            Node::File {
                disk, inode, name, ..
            } => disk.open_inode(inode, &name),
            Node::Dir { .. } => Err(error(Errno::EISDIR)),
        }
    }

    fn read_file(&self, number: INodeNo, offset: u64, len: u32) -> io::Result<Vec<u8>> {
        match self.node(number)? {
            Node::File {
                disk, inode, name, ..
            } => disk.read_inode(inode, &name, offset, u64::from(len)),
            Node::Dir { .. } => Err(error(Errno::EISDIR)),
        }
    }

    /// An open file.
    fn file(&self, number: INodeNo) -> io::Result<Arc<dyn DiskFile>> {
        match self.node(number)? {
            Node::File {
                disk, inode, name, ..
            } => Ok(disk.file(inode, &name)),
            Node::Dir { .. } => Err(error(Errno::EISDIR)),
        }
    }

    /// A write is coming whose call ends with a sync, for which the kernel asks by itself.
    fn announce_sync(&self, number: INodeNo) {
        if let Ok(Node::File { disk, inode, .. }) = self.node(number) {
            disk.mark(Mark::Through(inode));
        }
    }

    fn allocate(&self, number: INodeNo, offset: u64, len: u64, mode: i32) -> io::Result<()> {
        let file = self.file(number)?;
        let mode = FallocateFlags::from_bits_truncate(mode);
        let keeps_size = mode.contains(FallocateFlags::FALLOC_FL_KEEP_SIZE);
        let there = file.len()?.saturating_sub(offset);
        let zeroes = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_ZERO_RANGE;
        if mode.intersects(zeroes) {
            let inside = if keeps_size { len.min(there) } else { len };
            let bytes = vec![0; usize::try_from(inside).map_err(|_| error(Errno::EFBIG))?];
            return file.write_at(offset, &bytes);
        }
        if !(mode - FallocateFlags::FALLOC_FL_KEEP_SIZE).is_empty() {
            return Err(error(Errno::EOPNOTSUPP));
        }
        let len = if keeps_size { len.min(there) } else { len };
        if len == 0 {
            Ok(())
        } else {
            file.allocate(offset, len)
        }
    }

    /// The mount's own directory is not a part of any disk: the names in it are there as long as the disks are.
    fn sync_dir(&self, number: INodeNo) -> io::Result<()> {
        if number.0 == ROOT {
            return Ok(());
        }
        match self.node(number)? {
            Node::Dir { disk, path, .. } => disk.sync_dir(&path),
            Node::File { .. } => Err(error(Errno::ENOTDIR)),
        }
    }

    /// The number of what a directory holds now.
    fn open_listing(&self, number: INodeNo) -> io::Result<u64> {
        let mut listing = Listing::new();
        if number.0 != ROOT {
            let dir = self.node(number)?;
            let Node::Dir { disk, path, .. } = &dir else {
                return Err(error(Errno::ENOTDIR));
            };
            for (name, entry) in disk.entries(path)? {
                let kind = match entry {
                    Entry::File(_) => FileType::RegularFile,
                    Entry::Directory => FileType::Directory,
                };
                let (_, path) = self.place(number, OsStr::new(&name))?;
                listing.push((self.nodes.number(&dir, &path, entry), kind, name));
            }
        }
        let handle = self.listings_ever.fetch_add(1, Relaxed);
        let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        listings.insert(handle, listing);
        Ok(handle)
    }

    /// Answers a sync that failed once the kernel shows no more than the disk does: pages may be lost.
    fn forget_pages(&self, number: INodeNo, failed: Errno, reply: ReplyEmpty) {
        let notifier = self.notifier.get().cloned();
        // The kernel may ask for something else before it has forgotten them, so this is no work for the thread that answers it.
        thread::spawn(move || {
            if let Some(notifier) = notifier {
                // A file that nobody knows any more has no pages.
                let _ = notifier.inval_inode(number, 0, 0);
            }
            reply.error(failed);
        });
    }
}

impl fuser::Filesystem for Filesystem {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // No reading ahead: which reads there are, and so which of them fail, is up to the process.
        let _ = config.set_max_readahead(1);
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let names = if parent.0 == ROOT { NEVER } else { FOREVER };
        match self.look_up(parent, name) {
            Ok(attributes) => reply.entry_with_ttls(&NEVER, &names, &attributes, GENERATION),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn getattr(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: Option<FileHandle>,
        reply: ReplyAttr,
    ) {
        match self.attributes(number) {
            Ok(attributes) => reply.attr(&NEVER, &attributes),
            Err(error) => reply.error(errno(&error)),
        }
    }

    /// Times, owners and rights are not kept.
    fn setattr(
        &self,
        _request: &Request,
        number: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        len: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        match self.set_len(number, len) {
            Ok(attributes) => reply.attr(&NEVER, &attributes),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn mknod(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _device: u32,
        reply: ReplyEntry,
    ) {
        if mode & nix::libc::S_IFMT != nix::libc::S_IFREG {
            return reply.error(Errno::EPERM);
        }
        match self.create_file(parent, name) {
            Ok(attributes) => reply.entry_with_ttls(&NEVER, &FOREVER, &attributes, GENERATION),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn mkdir(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        match self.create_dir(parent, name) {
            Ok(attributes) => reply.entry_with_ttls(&NEVER, &FOREVER, &attributes, GENERATION),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn unlink(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let placed = self.place(parent, name);
        let removed = placed.and_then(|(dir, path)| disk_of(&dir).remove(&path));
        answer(removed, reply);
    }

    fn rmdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.remove_dir(parent, name), reply);
    }

    fn rename(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        answer(
            self.move_file((parent, name), (new_parent, new_name), flags),
            reply,
        );
    }

    fn open(&self, _request: &Request, number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.open_file(number) {
            Ok(()) => reply.opened(HANDLE, FopenFlags::empty()),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn read(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        offset: u64,
        len: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.read_file(number, offset, len) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn write(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        offset: u64,
        bytes: &[u8],
        _write_flags: WriteFlags,
        flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        if flags.0 & nix::libc::O_DSYNC != 0 {
            self.announce_sync(number);
        }
        let file = self.file(number);
        match file.and_then(|file| file.write_at(offset, bytes)) {
            Ok(()) => reply.written(u32::try_from(bytes.len()).unwrap_or(u32::MAX)),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn flush(
        &self,
        _request: &Request,
        _number: INodeNo,
        _handle: FileHandle,
        _owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::ENOSYS);
    }

    fn fsync(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        let file = self.file(number);
        if let Some(before) = self.nodes.slow_syncs_before(number.0) {
            return sync_slowly(file, before, reply);
        }
        match file.and_then(|file| file.sync()) {
            Ok(()) => reply.ok(),
            Err(error) => self.forget_pages(number, errno(&error), reply),
        }
    }

    fn opendir(&self, _request: &Request, number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.open_listing(number) {
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::empty()),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn readdir(
        &self,
        _request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        let own = [
            (number.0, FileType::Directory, ".".to_owned()),
            (ROOT, FileType::Directory, "..".to_owned()),
        ];
        let held = listings.get(&handle.0).into_iter().flatten();
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        for (place, (number, kind, name)) in (1..).zip(own.iter().chain(held)).skip(from) {
            if reply.add(INodeNo(*number), place, *kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(
        &self,
        _request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        listings.remove(&handle.0);
        reply.ok();
    }

    fn fsyncdir(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        answer(self.sync_dir(number), reply);
    }

    fn statfs(&self, _request: &Request, _number: INodeNo, reply: ReplyStatfs) {
        let files = BLOCKS;
        reply.statfs(
            BLOCKS, BLOCKS, BLOCKS, files, files, BLOCK_LEN, 255, BLOCK_LEN,
        );
    }

    fn create(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        match self.create_file(parent, name) {
            // The length, which is kept no longer than the name here, is asked for again whenever a file is opened or read.
            Ok(attributes) => {
                reply.created(&NEVER, &attributes, GENERATION, HANDLE, FopenFlags::empty());
            }
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn fallocate(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        offset: u64,
        len: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        answer(self.allocate(number, offset, len, mode), reply);
    }
}

/// Syncs while others work. Every second time it comes late, so that what was acknowledged too early is told by then; else its answer does, so that what is written
/// meanwhile is not covered.
fn sync_slowly(file: io::Result<Arc<dyn DiskFile>>, before: u64, reply: ReplyEmpty) {
    thread::spawn(move || {
        let comes_late = before.is_multiple_of(2);
        if comes_late {
            thread::sleep(SYNC_TAKES);
        }
        let synced = file.and_then(|file| file.sync());
        if !comes_late {
            thread::sleep(SYNC_TAKES);
        }
        answer(synced, reply);
    });
}

fn disk_of(node: &Node) -> &crate::sim::SimDisk {
    let (Node::File { disk, .. } | Node::Dir { disk, .. }) = node;
    disk
}

fn attributes(ino: INodeNo, kind: FileType, size: u64, owner: (u32, u32)) -> FileAttr {
    // Times would differ from run to run.
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    FileAttr {
        ino,
        size,
        blocks: size.div_ceil(512),
        atime: then,
        mtime: then,
        ctime: then,
        crtime: then,
        kind,
        perm: if kind == FileType::Directory {
            0o755
        } else {
            0o644
        },
        nlink: 1,
        uid: owner.0,
        gid: owner.1,
        rdev: 0,
        blksize: BLOCK_LEN,
        flags: 0,
    }
}

fn answer(done: io::Result<()>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(errno(&error)),
    }
}

fn error(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.into())
}

fn errno(error: &io::Error) -> Errno {
    if let Some(code) = error.raw_os_error() {
        return Errno::from_i32(code);
    }
    match error.kind() {
        io::ErrorKind::NotFound => Errno::ENOENT,
        io::ErrorKind::AlreadyExists => Errno::EEXIST,
        io::ErrorKind::IsADirectory => Errno::EISDIR,
        io::ErrorKind::NotADirectory => Errno::ENOTDIR,
        io::ErrorKind::DirectoryNotEmpty => Errno::ENOTEMPTY,
        io::ErrorKind::InvalidInput => Errno::EINVAL,
        io::ErrorKind::FileTooLarge => Errno::EFBIG,
        _ => Errno::EIO,
    }
}
