//! Both versions of redb behind the trait.

use std::collections::BTreeMap;
use std::sync::Arc;

use lightning_chaos::crash::{Sample, cut};
use lightning_chaos::rng::Rng;
use lightning_chaos::scenario::CrashModel;
use lightning_chaos::sim::{SimConfig, SimDisk};
use lightning_chaos::target::{
    Ability, ClientId, Durability, ErrorKind, Mode, Options, Session, Target, find,
};
use lightning_chaos::trace::DiskState;
use lightning_db::disk::{Disk, OpenMode};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

const ONE: ClientId = ClientId(1);

fn each_version(check: impl Fn(&dyn Target)) {
    for name in ["redb", "redb-4.1.0"] {
        check(&*find(name).unwrap());
    }
}

fn new_disk() -> SimDisk {
    SimDisk::new(SimConfig::default())
}

fn open(target: &dyn Target, disk: &SimDisk, mode: Mode) -> Box<dyn Session> {
    target
        .open(Arc::new(disk.clone()), &Options::new(), mode)
        .unwrap()
}

fn rows(session: &mut dyn Session) -> Rows {
    let mut rows = Rows::new();
    session
        .scan("t", &mut |key, value| {
            rows.insert(key.to_vec(), value.to_vec());
        })
        .unwrap();
    rows
}

fn put(session: &mut dyn Session, key: &[u8], value: &[u8], durability: Durability) {
    session.begin(ONE).unwrap();
    session.put(ONE, "t", key, value).unwrap();
    session.commit(ONE, durability).unwrap();
}

/// What a power cut leaves that takes all that is not durable.
fn after_power_cut(disk: &SimDisk) -> SimDisk {
    let mut rng = Rng::from_seed(1);
    let left: DiskState = cut(&disk.state(), CrashModel::Posix, Sample::NOTHING, &mut rng);
    SimDisk::boot(left, SimConfig::default())
}

#[test]
fn rows_are_read_as_a_map_would_have_them() {
    each_version(|target| {
        let disk = new_disk();
        let mut session = open(target, &disk, Mode::CreateOrOpen);
        let (mut model, mut rng) = (Rows::new(), Rng::from_seed(3));
        for _ in 0..40 {
            session.begin(ONE).unwrap();
            let mut changed = model.clone();
            for _ in 0..rng.below(5) {
                let key = vec![u8::try_from(rng.below(20)).unwrap()];
                if rng.chance(0.3) {
                    session.delete(ONE, "t", &key).unwrap();
                    changed.remove(&key);
                } else {
                    let value = vec![7; rng.index(3000)];
                    session.put(ONE, "t", &key, &value).unwrap();
                    assert_eq!(session.get(ONE, "t", &key).unwrap(), Some(value.clone()));
                    changed.insert(key, value);
                }
            }
            if rng.chance(0.2) {
                session.rollback(ONE).unwrap();
            } else {
                session.commit(ONE, Durability::Sync).unwrap();
                model = changed;
            }
            assert_eq!(rows(&mut *session), model);
        }
        session.checkpoint().unwrap();
        assert_eq!(session.verify().unwrap(), Vec::<String>::new());
        session.close().unwrap();
        let mut session = open(target, &disk, Mode::Existing);
        assert_eq!(rows(&mut *session), model);
    });
}

#[test]
fn a_synced_commit_is_durable_when_it_is_acknowledged_and_another_is_not() {
    each_version(|target| {
        let disk = new_disk();
        let mut session = open(target, &disk, Mode::CreateOrOpen);
        put(&mut *session, b"a", b"1", Durability::Sync);
        put(&mut *session, b"b", b"2", Durability::None);
        assert_eq!(rows(&mut *session).len(), 2);
        let disk = after_power_cut(&disk);
        let mut session = open(target, &disk, Mode::Existing);
        let left = rows(&mut *session);
        assert_eq!(left.get(b"a".as_slice()).unwrap(), b"1");
        assert!(!left.contains_key(b"b".as_slice()));
        put(&mut *session, b"b", b"2", Durability::None);
        put(&mut *session, b"c", b"3", Durability::Sync);
        let disk = after_power_cut(&disk);
        assert_eq!(rows(&mut *open(target, &disk, Mode::Existing)).len(), 3);
    });
}

#[test]
fn a_checkpoint_after_a_commit_that_is_not_durable_is_no_failure() {
    each_version(|target| {
        let disk = new_disk();
        let mut session = open(target, &disk, Mode::CreateOrOpen);
        put(&mut *session, b"a", b"1", Durability::None);
        session.checkpoint().unwrap();
        assert_eq!(rows(&mut *session).len(), 1);
    });
}

#[test]
fn the_name_of_a_new_database_is_durable_when_it_is_open() {
    each_version(|target| {
        let disk = new_disk();
        drop(open(target, &disk, Mode::CreateOrOpen));
        let disk = after_power_cut(&disk);
        assert_eq!(disk.list("").unwrap(), ["redb.db"]);
        assert_eq!(rows(&mut *open(target, &disk, Mode::Existing)), Rows::new());
    });
}

#[test]
fn a_creation_that_was_cut_off_is_begun_again() {
    each_version(|target| {
        let disk = new_disk();
        let left = disk.open("redb.db.new", OpenMode::Create).unwrap();
        left.write_at(0, &[9; 10_000]).unwrap();
        let mut session = open(target, &disk, Mode::CreateOrOpen);
        put(&mut *session, b"a", b"1", Durability::Sync);
        assert_eq!(disk.list("").unwrap(), ["redb.db"]);
    });
}

#[test]
fn no_database_and_an_empty_file_are_refused_where_one_must_be() {
    each_version(|target| {
        let disk = new_disk();
        let open = |disk: &SimDisk, mode| {
            let opened = target.open(Arc::new(disk.clone()), &Options::new(), mode);
            opened.err().expect("it is refused")
        };
        assert_eq!(open(&disk, Mode::Existing).kind, ErrorKind::Io);
        assert!(disk.list("").unwrap().is_empty());
        disk.open("redb.db", OpenMode::Create).unwrap();
        for mode in [Mode::Existing, Mode::CreateOrOpen] {
            assert_eq!(open(&disk, mode).kind, ErrorKind::Corruption);
        }
    });
}

#[test]
fn a_session_that_is_dropped_writes_nothing_more() {
    each_version(|target| {
        let disk = new_disk();
        let mut session = open(target, &disk, Mode::CreateOrOpen);
        put(&mut *session, b"a", b"1", Durability::Sync);
        session.begin(ONE).unwrap();
        session.put(ONE, "t", b"b", b"2").unwrap();
        let before = disk.position();
        drop(session);
        assert_eq!(disk.position(), before);
        let mut session = open(target, &disk, Mode::Existing);
        assert_eq!(rows(&mut *session).len(), 1);
    });
}

#[test]
fn a_second_transaction_is_refused_and_a_foreign_one_too() {
    each_version(|target| {
        assert!(!target.can(Ability::Interleave));
        let disk = new_disk();
        let mut session = open(target, &disk, Mode::CreateOrOpen);
        session.begin(ONE).unwrap();
        assert_eq!(
            session.begin(ClientId(2)).unwrap_err().kind,
            ErrorKind::Busy
        );
        assert!(session.put(ClientId(2), "t", b"a", b"1").is_err());
        session.rollback(ONE).unwrap();
        session.begin(ClientId(2)).unwrap();
    });
}
