//! The table of functions through which SQLite works on an open file.
//!
//! M1. A `sqlite3_file` made by [`put`] is the head of a [`RawFile`], whose `open` points to an [`OpenFile`] that lives
//!     until `close`, and that nobody else points to.
//! M2. SQLite calls these functions only with files made by [`put`], one call at a time for a connection, and never
//!     after `close`.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::ptr;

use libsqlite3_sys as ffi;

use super::open_file::OpenFile;

/// What SQLite keeps of an open file.
#[repr(C)]
pub(super) struct RawFile {
    head: ffi::sqlite3_file,
    open: *mut OpenFile,
}

/// The bytes that SQLite has to set aside for one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "two pointers are 16 bytes"
)]
pub(super) const RAW_FILE_LEN: c_int = size_of::<RawFile>() as c_int;

/// Says that nothing was opened.
///
/// # Safety
/// `raw` points to `RAW_FILE_LEN` writable bytes.
pub(super) unsafe fn put_nothing(raw: *mut ffi::sqlite3_file) {
    let file = RawFile {
        head: ffi::sqlite3_file {
            pMethods: ptr::null(),
        },
        open: ptr::null_mut(),
    };
    // SAFETY: the caller's promise; SQLite aligns it as it aligns its own files, which hold pointers.
    unsafe { raw.cast::<RawFile>().write(file) };
}

/// Hands an open file to SQLite.
///
/// # Safety
/// `raw` points to `RAW_FILE_LEN` writable bytes.
pub(super) unsafe fn put(raw: *mut ffi::sqlite3_file, open: OpenFile) {
    let file = RawFile {
        head: ffi::sqlite3_file {
            pMethods: &raw const METHODS,
        },
        open: Box::into_raw(Box::new(open)),
    };
    // SAFETY: as above.
    unsafe { raw.cast::<RawFile>().write(file) };
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// The open file behind SQLite's.
unsafe fn open_of<'a>(raw: *mut ffi::sqlite3_file) -> &'a mut OpenFile {
    // SAFETY: M1 and M2: it lives, and no other call of this connection runs.
    unsafe { &mut *(*raw.cast::<RawFile>()).open }
}

unsafe extern "C" fn close(raw: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: M1: the box made in `put`; M2: nothing is called after this.
    drop(unsafe { Box::from_raw((*raw.cast::<RawFile>()).open) });
    // SAFETY: the bytes are still SQLite's file.
    unsafe { put_nothing(raw) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    raw: *mut ffi::sqlite3_file,
    to: *mut c_void,
    len: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let (Ok(len), Ok(offset)) = (usize::try_from(len), u64::try_from(offset)) else {
        return ffi::SQLITE_IOERR_READ;
    };
    // SQLite's buffer may not have been written yet, so it is not lent out.
    let mut bytes = vec![0; len];
    // SAFETY: M1, M2.
    let code = unsafe { open_of(raw) }.read(offset, &mut bytes);
    // SAFETY: SQLite gives room for `len` bytes, and these are others.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to.cast(), len) };
    code
}

unsafe extern "C" fn write(
    raw: *mut ffi::sqlite3_file,
    from: *const c_void,
    len: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let (Ok(len), Ok(offset)) = (usize::try_from(len), u64::try_from(offset)) else {
        return ffi::SQLITE_IOERR_WRITE;
    };
    // SAFETY: SQLite gives `len` bytes that do not change during the call.
    let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), len) };
    // SAFETY: M1, M2.
    unsafe { open_of(raw) }.write(offset, bytes)
}

unsafe extern "C" fn truncate(raw: *mut ffi::sqlite3_file, len: ffi::sqlite3_int64) -> c_int {
    let Ok(len) = u64::try_from(len) else {
        return ffi::SQLITE_IOERR_TRUNCATE;
    };
    // SAFETY: M1, M2.
    unsafe { open_of(raw) }.truncate(len)
}

unsafe extern "C" fn sync(raw: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: M1, M2.
    unsafe { open_of(raw) }.sync()
}

unsafe extern "C" fn file_size(raw: *mut ffi::sqlite3_file, to: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: M1, M2.
    match unsafe { open_of(raw) }.len() {
        Ok(len) => {
            // SAFETY: SQLite gives room for the answer.
            unsafe { to.write(ffi::sqlite3_int64::try_from(len).unwrap_or(i64::MAX)) };
            ffi::SQLITE_OK
        }
        Err(code) => code,
    }
}

unsafe extern "C" fn lock(raw: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: M1, M2.
    unsafe { open_of(raw) }.lock(level)
}

unsafe extern "C" fn unlock(raw: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: M1, M2.
    unsafe { open_of(raw) }.unlock(level)
}

unsafe extern "C" fn check_reserved_lock(raw: *mut ffi::sqlite3_file, to: *mut c_int) -> c_int {
    // SAFETY: M1, M2.
    let reserved = unsafe { open_of(raw) }.is_reserved();
    // SAFETY: SQLite gives room for the answer.
    unsafe { to.write(c_int::from(reserved)) };
    ffi::SQLITE_OK
}

/// All that SQLite asks here is optional.
unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    512
}

/// Overwriting a sector leaves its neighbours alone, and all of them come from one version of the disk: what
/// `os_unix.c` claims by default, and what the model `posix` gives.
unsafe extern "C" fn device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE | ffi::SQLITE_IOCAP_SUBPAGE_READ
}

unsafe extern "C" fn shm_map(
    raw: *mut ffi::sqlite3_file,
    index: c_int,
    len: c_int,
    extend: c_int,
    to: *mut *mut c_void,
) -> c_int {
    let (Ok(index), Ok(len)) = (usize::try_from(index), usize::try_from(len)) else {
        return ffi::SQLITE_IOERR_SHMMAP;
    };
    // SAFETY: M1, M2.
    let shm = &mut unsafe { open_of(raw) }.shm;
    let region = shm.region(index, len, extend != 0);
    let region = region.map_or(ptr::null_mut(), <*mut u8>::cast);
    // SAFETY: SQLite gives room for the answer. The region lives until `shm_unmap` or `close`.
    unsafe { to.write(region) };
    ffi::SQLITE_OK
}

/// There is one connection, so every lock is free.
unsafe extern "C" fn shm_lock(_: *mut ffi::sqlite3_file, _: c_int, _: c_int, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_barrier(_: *mut ffi::sqlite3_file) {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(raw: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: M1, M2. SQLite looks at no region after this.
    unsafe { open_of(raw) }.shm.clear();
    ffi::SQLITE_OK
}
