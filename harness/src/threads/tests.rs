//! The order is the seed's, and nothing is left behind.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex as Notes};
use std::thread::Result as Joined;
use std::time::Duration;

use lightning_db::sync::{Condvar, JoinHandle, Mutex, Woken, lock, pause, sleep, spawn};

use super::Baton;
use crate::rng::Rng;

type Log = Arc<Notes<Vec<String>>>;

fn baton(seed: u64) -> Baton {
    Baton::new(Rng::from_seed(seed), 10_000)
}

fn note(log: &Log, text: impl Into<String>) {
    log.lock().unwrap().push(text.into());
}

/// Four threads that share a counter behind a lock which they hold across a pause.
fn race(seed: u64) -> Vec<String> {
    let (log, sum) = (Log::default(), Arc::new(Mutex::new(0)));
    let baton = baton(seed);
    let place = baton.take("main");
    let thread = |number: u32| {
        let (log, sum) = (Arc::clone(&log), Arc::clone(&sum));
        spawn(&format!("thread {number}"), move || {
            for _ in 0..5 {
                pause();
                let mut sum = lock(&sum);
                let before = *sum;
                pause();
                *sum = before + 1;
                note(&log, format!("{number} {before}"));
            }
        })
        .unwrap()
    };
    let threads: Vec<_> = (0..4).map(thread).collect();
    for thread in threads {
        thread.join().unwrap();
    }
    place.leave();
    assert_eq!(baton.hang(), None);
    assert_eq!(*lock(&sum), 20, "the lock let two in");
    log.lock().unwrap().clone()
}

#[test]
fn a_seed_is_an_order_whatever_else_the_machine_does() {
    let mut orders = BTreeSet::new();
    let busy: Vec<_> = (0..3)
        .map(|_| std::thread::spawn(|| (0..20_000_000u64).fold(0, |sum, n| sum ^ (n * sum))))
        .collect();
    for seed in 0..20 {
        let order = race(seed);
        for _ in 0..10 {
            assert_eq!(race(seed), order, "seed {seed}");
        }
        orders.insert(order);
    }
    assert!(orders.len() > 15, "{} orders of 20 seeds", orders.len());
    for thread in busy {
        drop(thread.join());
    }
}

/// Two threads that take two locks, each in its own order.
fn cross(seed: u64) -> Option<String> {
    let baton = baton(seed);
    let place = baton.take("main");
    let locks = Arc::new((Mutex::new(()), Mutex::new(())));
    let other = Arc::clone(&locks);
    let first = spawn("first", move || {
        let _a = lock(&locks.0);
        pause();
        drop(lock(&locks.1));
    });
    let second = spawn("second", move || {
        let _b = lock(&other.1);
        pause();
        drop(lock(&other.0));
    });
    let ends: Vec<Joined<()>> = [first, second]
        .into_iter()
        .map(|thread| thread.unwrap().join())
        .collect();
    place.leave();
    let hang = baton.hang();
    assert_eq!(hang.is_some(), ends.iter().any(Joined::is_err));
    assert_eq!(baton.panics(), [""; 0], "an eviction is no panic");
    hang
}

#[test]
fn two_threads_that_wait_for_each_other_are_a_hang_and_end_all_the_same() {
    let hangs: Vec<_> = (0..40).map(cross).collect();
    let found: BTreeSet<_> = hangs.iter().flatten().collect();
    let text = "main waits for the end of first, first waits for a lock, second waits for a lock";
    assert_eq!(found, BTreeSet::from([&text.to_owned()]));
    assert!(hangs.contains(&None), "some orders are free of it");
}

#[test]
fn a_signal_that_never_comes_is_a_hang() {
    let baton = baton(1);
    let place = baton.take("main");
    let waiter = spawn("waiter", || {
        let (mutex, signal) = (Mutex::new(()), Condvar::new());
        drop(signal.wait(lock(&mutex)));
    });
    // Nobody joins it: leaving does.
    drop(waiter.unwrap());
    place.leave();
    let hang = baton.hang().unwrap();
    assert_eq!(
        hang,
        "main waits for the end of waiter, waiter waits for a signal"
    );
}

#[test]
fn threads_that_never_end_are_a_hang() {
    let baton = baton(1);
    let place = baton.take("main");
    for name in ["one", "two"] {
        drop(spawn(name, || {
            loop {
                pause();
            }
        }));
    }
    place.leave();
    assert_eq!(baton.hang().unwrap(), "10000 turns, and no end");
}

#[test]
fn a_panic_ends_its_thread_and_the_others_go_on() {
    let baton = baton(3);
    let place = baton.take("main");
    let mutex = Arc::new(Mutex::new(1));
    let shared = Arc::clone(&mutex);
    let bad = spawn("bad", move || {
        let _held = lock(&shared);
        pause();
        std::panic::resume_unwind(Box::new("out of luck"));
    });
    let shared = Arc::clone(&mutex);
    let good = spawn("good", move || {
        pause();
        *lock(&shared) += 1;
    });
    let joined: Joined<()> = bad.unwrap().join();
    assert!(joined.is_err());
    good.unwrap().join().unwrap();
    place.leave();
    assert_eq!(baton.panics(), ["bad: out of luck"]);
    assert_eq!(baton.hang(), None);
    assert_eq!(*lock(&mutex), 2);
}

#[test]
fn a_drop_that_blocks_while_its_thread_is_ended_neither_unwinds_nor_sticks() {
    struct Locks(Arc<Mutex<u32>>);
    impl Drop for Locks {
        fn drop(&mut self) {
            pause();
            *lock(&self.0) += 1;
        }
    }
    let baton = baton(5);
    let place = baton.take("main");
    let mutex = Arc::new(Mutex::new(0));
    let ends = |name: &str| {
        let mutex = Arc::clone(&mutex);
        let waits = move || {
            let _locks = Locks(mutex);
            drop(Condvar::new().wait(lock(&Mutex::new(()))));
        };
        spawn(name, waits).unwrap()
    };
    let threads = [ends("one"), ends("two")];
    let joined: Vec<_> = threads.into_iter().map(JoinHandle::join).collect();
    assert!(joined.iter().all(Result::is_err));
    place.leave();
    assert!(baton.hang().is_some());
    assert_eq!(*lock(&mutex), 2);
}

#[test]
fn patience_ends_in_its_order_and_not_before_what_it_waits_for() {
    for seed in 0..20 {
        let log = Log::default();
        let baton = baton(seed);
        let place = baton.take("main");
        let sleeper = |hours: u64| {
            let log = Arc::clone(&log);
            spawn("sleeper", move || {
                sleep(Duration::from_hours(hours));
                note(&log, format!("{hours} hours"));
            })
            .unwrap()
        };
        let sleepers = [sleeper(3), sleeper(1), sleeper(2)];
        let (mutex, signal) = (Mutex::new(()), Condvar::new());
        let waited = signal.wait_timeout(lock(&mutex), Duration::from_hours(2));
        assert_eq!(waited.unwrap().1, Woken::Timeout);
        let first = log.lock().unwrap().first().cloned();
        assert_eq!(first.as_deref(), Some("1 hours"));
        for thread in sleepers {
            thread.join().unwrap();
        }
        place.leave();
        assert_eq!(baton.hang(), None);
        assert_eq!(*log.lock().unwrap(), ["1 hours", "2 hours", "3 hours"]);
    }
}

#[test]
fn a_signal_to_one_wakes_one_and_the_seed_says_which() {
    let mut woken = BTreeSet::new();
    for seed in 0..30 {
        let log = Log::default();
        let baton = baton(seed);
        let place = baton.take("main");
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let waiter = |name: &'static str| {
            let (log, shared) = (Arc::clone(&log), Arc::clone(&shared));
            spawn(name, move || {
                let mut waiting = lock(&shared.0);
                *waiting += 1;
                drop(shared.1.wait(waiting));
                note(&log, name);
            })
            .unwrap()
        };
        let waiters = [waiter("a"), waiter("b")];
        while *lock(&shared.0) < 2 {
            pause();
        }
        shared.1.notify_one();
        while log.lock().unwrap().is_empty() {
            pause();
        }
        assert_eq!(log.lock().unwrap().len(), 1, "seed {seed}");
        woken.insert(log.lock().unwrap()[0].clone());
        shared.1.notify_one();
        for thread in waiters {
            thread.join().unwrap();
        }
        place.leave();
        assert_eq!(baton.hang(), None);
    }
    assert_eq!(woken.len(), 2);
}
