//! When a scheduler is asked, and when it is not.

use std::any::Any;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use super::*;

/// Notes what it is asked, and holds nobody.
#[derive(Debug, Default)]
struct Recorder {
    notes: StdMutex<Vec<&'static str>>,
    /// The end of a thread, once it has come.
    ended: StdMutex<Vec<String>>,
}

impl Recorder {
    fn note(&self, note: &'static str) {
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(note);
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.notes.lock().unwrap())
    }
}

impl Scheduler for Recorder {
    fn add(&self, _name: &str) -> ThreadNo {
        self.note("add");
        ThreadNo(0)
    }

    fn begin(&self, _thread: ThreadNo) {
        self.note("begin");
    }

    fn end(&self, _thread: ThreadNo, panicked: Option<Panicked<'_>>) {
        self.note("end");
        let text = |payload: &(dyn Any + Send)| payload.downcast_ref::<&str>().map(|s| (*s).into());
        let panic = panicked.and_then(|panicked| text(panicked.0));
        self.ended.lock().unwrap().extend(panic);
    }

    fn pause(&self, _thread: ThreadNo) {
        self.note("pause");
    }

    fn wait(&self, _thread: ThreadNo, wait: Wait, _patience: Option<Duration>) -> Woken {
        self.note(match wait {
            Wait::Lock(_) => "wait for a lock",
            Wait::Signal(_) => "wait for a signal",
            Wait::End(_) => "wait for an end",
            Wait::Time => "wait for time",
        });
        Woken::Timeout
    }

    fn wake(&self, wait: Wait, all: bool) {
        self.note(match (wait, all) {
            (Wait::Lock(_), _) => "lock released",
            (_, false) => "signal to one",
            (_, true) => "signal to all",
        });
    }
}

#[test]
fn a_scheduler_hears_of_releases_signals_and_waits_but_not_of_free_locks() {
    let recorder = Arc::new(Recorder::default());
    let (mutex, signal, shared) = (Mutex::new(1), Condvar::new(), RwLock::new(1));
    let seat = Seat::take(Arc::clone(&recorder) as _, "test");
    assert_eq!(recorder.take(), ["add", "begin"]);

    let guard = mutex.lock().unwrap();
    assert_eq!(recorder.take(), [""; 0]);
    let (guard, woken) = signal
        .wait_timeout(guard, Duration::from_millis(1))
        .unwrap();
    assert_eq!(woken, Woken::Timeout);
    assert_eq!(recorder.take(), ["lock released", "wait for a signal"]);
    drop(guard);
    signal.notify_one();
    signal.notify_all();
    assert_eq!(
        recorder.take(),
        ["lock released", "signal to one", "signal to all"]
    );

    drop((shared.read().unwrap(), shared.read().unwrap()));
    *shared.write().unwrap() += 1;
    pause();
    sleep(Duration::from_hours(1));
    assert_eq!(
        recorder.take(),
        [
            "lock released",
            "lock released",
            "lock released",
            "pause",
            "wait for time"
        ]
    );

    drop(seat);
    assert_eq!(recorder.take(), ["end"]);
    drop(mutex.lock().unwrap());
    pause();
    assert_eq!(recorder.take(), [""; 0], "the seat outlived itself");
}

#[test]
fn a_thread_takes_part_where_its_starter_does_and_says_what_it_panicked_with() {
    let recorder = Arc::new(Recorder::default());
    let seat = Seat::take(Arc::clone(&recorder) as _, "test");
    let child = spawn("child", || {
        pause();
        panic!("out of luck");
    });
    let joined: std::thread::Result<()> = child.unwrap().join();
    assert!(joined.is_err());
    drop(seat);
    let mut notes = recorder.take();
    notes.sort_unstable();
    assert_eq!(
        notes,
        [
            "add",
            "add",
            "begin",
            "begin",
            "end",
            "end",
            "pause",
            "wait for an end"
        ]
    );
    assert_eq!(*recorder.ended.lock().unwrap(), ["out of luck"]);
}

#[test]
fn without_a_scheduler_a_signal_wakes_and_patience_ends() {
    let shared = Arc::new((Mutex::new(false), Condvar::new()));
    let other = Arc::clone(&shared);
    let child = spawn("child", move || {
        *lock(&other.0) = true;
        other.1.notify_one();
    })
    .unwrap();
    let mut done = lock(&shared.0);
    while !*done {
        done = shared.1.wait(done).unwrap();
    }
    child.join().unwrap();
    let (_done, woken) = shared.1.wait_timeout(done, Duration::ZERO).unwrap();
    assert_eq!(woken, Woken::Timeout);
}
