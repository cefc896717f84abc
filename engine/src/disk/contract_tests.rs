//! The contract's promises, asked of each implementation. What a power cut leaves is the harness's to show.

use std::io::ErrorKind;

use super::{Disk, MemoryDisk, OpenMode, RealDisk};

fn on_each_disk(check: impl Fn(&dyn Disk)) {
    check(&MemoryDisk::new());
    let directory = tempfile::tempdir().unwrap();
    check(&RealDisk::create(directory.path().join("new/deep")).unwrap());
}

#[test]
fn what_was_written_is_read_back() {
    on_each_disk(|disk| {
        let file = disk.open("f", OpenMode::Create).unwrap();
        file.write_at(3, b"abc").unwrap();
        file.write_at(4, b"X").unwrap();
        file.sync().unwrap();
        file.start_writeback(0, 6).unwrap();
        let mut bytes = [9; 6];
        disk.open("f", OpenMode::Read)
            .unwrap()
            .read_at(0, &mut bytes)
            .unwrap();
        assert_eq!(&bytes, b"\0\0\0aXc");
    });
}

#[test]
fn reading_past_the_end_is_an_error() {
    on_each_disk(|disk| {
        let file = disk.open("f", OpenMode::Create).unwrap();
        assert!(file.is_empty().unwrap());
        file.write_at(0, b"abc").unwrap();
        for (offset, len) in [(0, 4), (3, 1), (1 << 40, 1)] {
            let error = file.read_at(offset, &mut vec![0; len]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{offset} {len}");
        }
        file.read_at(3, &mut []).unwrap();
    });
}

#[test]
fn length_is_cut_and_grows_with_zeroes() {
    on_each_disk(|disk| {
        let file = disk.open("f", OpenMode::Create).unwrap();
        file.write_at(0, b"abcdef").unwrap();
        file.set_len(2).unwrap();
        file.allocate(1, 4).unwrap();
        assert_eq!(file.len().unwrap(), 5);
        let mut bytes = [9; 5];
        file.read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"ab\0\0\0");
        file.allocate(0, 3).unwrap();
        file.allocate(0, 0).unwrap();
        assert_eq!(file.len().unwrap(), 5);
        assert!(file.allocate(u64::MAX, 2).is_err());
    });
}

#[test]
fn modes_are_kept() {
    on_each_disk(|disk| {
        let kind = |name, mode| disk.open(name, mode).unwrap_err().kind();
        assert_eq!(kind("f", OpenMode::Read), ErrorKind::NotFound);
        assert_eq!(kind("f", OpenMode::Write), ErrorKind::NotFound);
        assert_eq!(kind("d/f", OpenMode::Create), ErrorKind::NotFound);
        disk.open("f", OpenMode::Create).unwrap();
        assert_eq!(kind("f", OpenMode::Create), ErrorKind::AlreadyExists);
        let reader = disk.open("f", OpenMode::Read).unwrap();
        assert!(reader.write_at(0, b"x").is_err());
        assert!(reader.set_len(1).is_err());
        assert_eq!(reader.len().unwrap(), 0);
        disk.create_dir("d").unwrap();
        assert!(disk.open("d", OpenMode::Read).is_err());
    });
}

#[test]
fn directories_list_their_own_names_sorted() {
    on_each_disk(|disk| {
        disk.create_dir("").unwrap();
        disk.create_dir("wal").unwrap();
        disk.create_dir("wal").unwrap();
        for name in ["wal/2", "wal/1", "data", "walrus"] {
            disk.open(name, OpenMode::Create).unwrap();
        }
        assert_eq!(disk.list("wal").unwrap(), ["1", "2"]);
        assert_eq!(disk.list("").unwrap(), ["data", "wal", "walrus"]);
        assert_eq!(disk.list("none").unwrap_err().kind(), ErrorKind::NotFound);
        disk.sync_dir("wal").unwrap();
        disk.sync_dir("").unwrap();
        assert!(disk.sync_dir("none").is_err());
        assert!(disk.create_dir("data").is_err());
    });
}

#[test]
fn rename_replaces_and_remove_forgets_but_open_files_live_on() {
    on_each_disk(|disk| {
        let old = disk.open("old", OpenMode::Create).unwrap();
        old.write_at(0, b"old").unwrap();
        disk.open("new", OpenMode::Create)
            .unwrap()
            .write_at(0, b"new")
            .unwrap();
        disk.rename("new", "old").unwrap();
        assert_eq!(disk.list("").unwrap(), ["old"]);
        let mut bytes = [0; 3];
        disk.open("old", OpenMode::Read)
            .unwrap()
            .read_at(0, &mut bytes)
            .unwrap();
        assert_eq!(&bytes, b"new");
        old.read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"old");
        disk.remove("old").unwrap();
        assert_eq!(disk.remove("old").unwrap_err().kind(), ErrorKind::NotFound);
        assert!(disk.rename("old", "x").is_err());
    });
}

#[test]
fn a_lock_is_refused_while_it_is_held() {
    on_each_disk(|disk| {
        let held = disk.lock("lock").unwrap();
        assert_eq!(disk.lock("lock").unwrap_err().kind(), ErrorKind::WouldBlock);
        let _other = disk.lock("other").unwrap();
        drop(held);
        let _again = disk.lock("lock").unwrap();
    });
}

#[test]
fn names_that_lead_out_are_refused() {
    on_each_disk(|disk| {
        for name in ["../f", "/tmp/f", "a/../../f", "."] {
            let kind = disk.open(name, OpenMode::Create).unwrap_err().kind();
            assert_eq!(kind, ErrorKind::InvalidInput, "{name}");
            assert!(disk.list(name).is_err() && disk.create_dir(name).is_err());
            assert!(disk.remove(name).is_err() && disk.lock(name).is_err());
            assert!(disk.rename(name, "x").is_err() && disk.rename("x", name).is_err());
        }
    });
}

#[test]
fn a_missing_directory_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    assert_eq!(
        RealDisk::open(&missing).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    RealDisk::create(&missing).unwrap();
    RealDisk::create(&missing).unwrap();
    RealDisk::open(&missing).unwrap();
}

#[test]
fn a_clone_of_a_memory_disk_is_the_same_directory() {
    let disk = MemoryDisk::new();
    disk.clone().open("f", OpenMode::Create).unwrap();
    assert_eq!(disk.list("").unwrap(), ["f"]);
}
