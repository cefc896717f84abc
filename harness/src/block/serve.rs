//! Disks as files of a FUSE file system: `0`, `1`, …
//!
//! Every read and write comes here, since files are opened for direct I/O: nothing of a disk stays in the kernel's cache when its
//! power is cut. One thread serves, so events have one order.

use std::ffi::OsStr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request,
    WriteFlags,
};

use super::device::{Device, Served};

/// Nothing is remembered by the kernel.
const TTL: Duration = Duration::ZERO;
/// The inode of disk 0.
const FIRST: u64 = 2;

#[derive(Debug)]
pub(super) struct Server {
    pub(super) served: Served,
}

impl Server {
    fn device(&self, inode: INodeNo) -> Option<Arc<Device>> {
        let number = usize::try_from(inode.0.checked_sub(FIRST)?).ok()?;
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        served.get(number).cloned()
    }

    fn attributes(&self, inode: INodeNo) -> Option<FileAttr> {
        if inode == INodeNo::ROOT {
            return Some(attributes(inode, FileType::Directory, 0));
        }
        let device = self.device(inode)?;
        Some(attributes(inode, FileType::RegularFile, device.bytes()))
    }
}

impl Filesystem for Server {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let number: Option<u64> = name.to_str().and_then(|name| name.parse().ok());
        let inode = number.and_then(|number| number.checked_add(FIRST));
        let found = inode.and_then(|inode| self.attributes(INodeNo(inode)));
        match found {
            Some(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(inode) {
            Some(attributes) => reply.attr(&TTL, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(device) = self.device(inode) else {
            return reply.error(Errno::ENOENT);
        };
        let mut buf = vec![0; size as usize];
        let count = device.read(offset, &mut buf);
        reply.data(&buf[..count]);
    }

    fn write(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let Some(device) = self.device(inode) else {
            return reply.error(Errno::ENOENT);
        };
        device.write(offset, data);
        reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX));
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let Some(device) = self.device(inode) else {
            return reply.error(Errno::ENOENT);
        };
        device.flush();
        reply.ok();
    }
}

fn attributes(inode: INodeNo, kind: FileType, size: u64) -> FileAttr {
    FileAttr {
        ino: inode,
        size,
        blocks: size / 512,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm: 0o600,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}
