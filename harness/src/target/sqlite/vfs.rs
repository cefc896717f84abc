//! A file system that SQLite knows by name, for one session.
//!
//! V1. `pAppData` points to an `Arc<Host>` that lives as long as the registration.
//! V2. A [`Vfs`] outlives the connections that were opened on it: the connection owns it.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use libsqlite3_sys as ffi;

use super::host::{Host, Opening};
use super::methods;
use super::open_file::OpenFile;

/// Names may be that long.
const PATH_LEN_MAX: c_int = 512;
/// The first moment of the year 2000, in milliseconds of the Julian day: the one time there is.
const NOW_MS: ffi::sqlite3_int64 = 211_813_444_800_000;

/// A registered file system.
#[derive(Debug)]
pub(super) struct Vfs {
    raw: *mut ffi::sqlite3_vfs,
    name: CString,
    host: *mut Arc<Host>,
}

impl Vfs {
    /// Registers a file system on a host, under a name of its own.
    pub(super) fn register(host: Arc<Host>) -> Result<Self, c_int> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("chaos-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let name = CString::new(name).map_err(|_| ffi::SQLITE_ERROR)?;
        let host = Box::into_raw(Box::new(host));
        let raw = Box::into_raw(Box::new(table(&name, host)));
        let this = Self { raw, name, host };
        // SAFETY: the table and the name live until `drop`, which unregisters it.
        match unsafe { ffi::sqlite3_vfs_register(raw, 0) } {
            ffi::SQLITE_OK => Ok(this),
            code => Err(code),
        }
    }

    pub(super) fn name(&self) -> &CStr {
        &self.name
    }

    pub(super) fn host(&self) -> &Host {
        // SAFETY: V1.
        unsafe { &*self.host }
    }
}

impl Drop for Vfs {
    fn drop(&mut self) {
        // SAFETY: V2: nobody uses it any more. Unregistering what was never registered does nothing.
        unsafe { ffi::sqlite3_vfs_unregister(self.raw) };
        // SAFETY: made by `Box::into_raw` in `register`, and given up here.
        drop(unsafe { Box::from_raw(self.raw) });
        // SAFETY: as above.
        drop(unsafe { Box::from_raw(self.host) });
    }
}

fn table(name: &CStr, host: *mut Arc<Host>) -> ffi::sqlite3_vfs {
    ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: methods::RAW_FILE_LEN,
        mxPathname: PATH_LEN_MAX,
        pNext: ptr::null_mut(),
        zName: name.as_ptr(),
        pAppData: host.cast(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: None,
        xCurrentTimeInt64: Some(current_time_int64),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }
}

/// The host of a file system.
unsafe fn host_of<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Arc<Host> {
    // SAFETY: V1, and SQLite passes the table that was registered.
    unsafe { &*(*vfs).pAppData.cast::<Arc<Host>>() }
}

/// A name as text; nothing for a null pointer, or for what is no text.
unsafe fn text_of<'a>(name: *const c_char) -> Option<&'a str> {
    if name.is_null() {
        return None;
    }
    // SAFETY: SQLite's names end with a zero and live through the call.
    unsafe { CStr::from_ptr(name) }.to_str().ok()
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    raw: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives `szOsFile` bytes.
    unsafe { methods::put_nothing(raw) };
    // SAFETY: see there.
    let (host, name) = unsafe { (host_of(vfs), text_of(name)) };
    let create = flags & ffi::SQLITE_OPEN_CREATE != 0;
    let exclusive = flags & ffi::SQLITE_OPEN_EXCLUSIVE != 0;
    let file = match name {
        Some(name) => host.open(name, Opening { create, exclusive }),
        None => Host::open_temporary(),
    };
    let Ok(file) = file else {
        return ffi::SQLITE_CANTOPEN;
    };
    let sync_dir = create && flags & NEW_JOURNAL != 0;
    let open = OpenFile::new(Arc::clone(host), file, sync_dir);
    // SAFETY: as above.
    unsafe { methods::put(raw, open) };
    if !out_flags.is_null() {
        // SAFETY: where it is given, there is room for the answer.
        unsafe { out_flags.write(flags) };
    }
    ffi::SQLITE_OK
}

/// The kinds of file whose directory is synced with their first sync, if they are opened to be created.
const NEW_JOURNAL: c_int =
    ffi::SQLITE_OPEN_SUPER_JOURNAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_WAL;

unsafe extern "C" fn delete(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_dir: c_int,
) -> c_int {
    // SAFETY: see there.
    let (host, name) = unsafe { (host_of(vfs), text_of(name)) };
    let (Ok(disk), Some(name)) = (host.disk(), name) else {
        return ffi::SQLITE_IOERR_DELETE;
    };
    match disk.remove(name) {
        Ok(()) if sync_dir & 1 == 0 => ffi::SQLITE_OK,
        Ok(()) => match disk.sync_dir("") {
            Ok(()) => ffi::SQLITE_OK,
            Err(_) => ffi::SQLITE_IOERR_DIR_FSYNC,
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            ffi::SQLITE_IOERR_DELETE_NOENT
        }
        Err(_) => ffi::SQLITE_IOERR_DELETE,
    }
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    to: *mut c_int,
) -> c_int {
    // SAFETY: see there.
    let (host, name) = unsafe { (host_of(vfs), text_of(name)) };
    match name.map(|name| host.has(name)) {
        Some(Ok(has)) => {
            // SAFETY: SQLite gives room for the answer.
            unsafe { to.write(c_int::from(has)) };
            ffi::SQLITE_OK
        }
        _ => ffi::SQLITE_IOERR_ACCESS,
    }
}

/// Names are relative to the disk, and full as they are.
unsafe extern "C" fn full_pathname(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    to: *mut c_char,
) -> c_int {
    // SAFETY: SQLite's names end with a zero and live through the call.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if usize::try_from(room).is_ok_and(|room| name.len() > room) {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: there is room, as was looked at, in a buffer of SQLite's own.
    unsafe { ptr::copy_nonoverlapping(name.as_ptr().cast(), to, name.len()) };
    ffi::SQLITE_OK
}

/// Never what SQLite draws from: its generator is seeded by [`super::connection`].
unsafe extern "C" fn randomness(_: *mut ffi::sqlite3_vfs, len: c_int, to: *mut c_char) -> c_int {
    // SAFETY: SQLite gives room for `len` bytes.
    unsafe { ptr::write_bytes(to.cast::<u8>(), 7, usize::try_from(len).unwrap_or(0)) };
    len
}

/// Nobody waits for anybody here.
unsafe extern "C" fn sleep(_: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

unsafe extern "C" fn current_time(_: *mut ffi::sqlite3_vfs, to: *mut f64) -> c_int {
    #[expect(clippy::cast_precision_loss, reason = "48 bits fit a double exactly")]
    let days = NOW_MS as f64 / 86_400_000.0;
    // SAFETY: SQLite gives room for the answer.
    unsafe { to.write(days) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time_int64(
    _: *mut ffi::sqlite3_vfs,
    to: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite gives room for the answer.
    unsafe { to.write(NOW_MS) };
    ffi::SQLITE_OK
}
