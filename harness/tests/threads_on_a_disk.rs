//! Threads that share a simulated disk: what a sync covers when another thread writes meanwhile.

#[path = "support/sim.rs"]
mod sim_common;

use std::sync::{Arc, Mutex};

use lightning_chaos::crash::{Sample, cut};
use lightning_chaos::rng::Rng;
use lightning_chaos::scenario::CrashModel;
use lightning_chaos::sim::{SimConfig, SimDisk};
use lightning_chaos::threads::Baton;
use lightning_chaos::trace::{Event, Operation};
use lightning_db::disk::{Disk, OpenMode};
use lightning_db::sync::spawn;
use sim_common::image;

/// What happened, in the order of calls and returns, and whether the write was durable in the end.
fn write_beside_a_sync(seed: u64) -> (Vec<&'static str>, bool, Vec<Event>) {
    let disk = SimDisk::new(SimConfig::default());
    let order = Arc::new(Mutex::new(Vec::new()));
    let baton = Baton::new(Rng::from_seed(seed), 1_000);
    let place = baton.take("main");
    let file = disk.open("a", OpenMode::Create).unwrap();
    file.set_len(512).unwrap();
    disk.sync_dir("").unwrap();
    let threads = [("write", "written"), ("sync", "synced")].map(|(call, done)| {
        let (file, order) = (Arc::clone(&file), Arc::clone(&order));
        spawn(call, move || {
            order.lock().unwrap().push(call);
            match call {
                "write" => file.write_at(0, &[1; 512]).unwrap(),
                _ => file.sync().unwrap(),
            }
            order.lock().unwrap().push(done);
        })
    });
    for thread in threads {
        thread.unwrap().join().unwrap();
    }
    place.leave();
    // Sample 0 loses all it can.
    let worst = cut(
        &disk.state(),
        CrashModel::Posix,
        Sample(0),
        &mut Rng::from_seed(1),
    );
    let left = image(&worst);
    let is_durable = left["a"].as_ref().unwrap().contains(&1);
    let order = order.lock().unwrap().clone();
    (order, is_durable, disk.finish().events)
}

#[test]
fn a_sync_covers_what_ended_before_it_began_and_nothing_that_lands_while_it_runs() {
    let (mut before, mut during, mut after) = (0, 0, 0);
    for seed in 0..300 {
        let (order, is_durable, events) = write_beside_a_sync(seed);
        let at = |what| order.iter().position(|&call| call == what).unwrap();
        let place = |is: fn(&Operation) -> bool| {
            let mut events = events.iter();
            events
                .position(|event| event.applied().is_some_and(is))
                .unwrap()
        };
        let write_lands = place(|operation| matches!(operation, Operation::Write { .. }));
        let sync_begins = place(|operation| matches!(operation, Operation::Sync(_)));
        assert_eq!(is_durable, write_lands < sync_begins, "seed {seed}");
        if at("written") < at("sync") {
            assert!(is_durable, "seed {seed}: {order:?}");
            before += 1;
        } else if !is_durable && at("written") < at("synced") {
            // It landed, and returned, while the sync was on its way.
            during += 1;
        } else if at("write") > at("synced") {
            assert!(!is_durable, "seed {seed}: {order:?}");
            after += 1;
        }
    }
    assert!(
        before > 10 && during > 10 && after > 10,
        "{before} {during} {after}"
    );
}

#[test]
fn a_machine_that_is_switched_off_lets_every_thread_go() {
    for seed in 0..50 {
        let disk = SimDisk::new(SimConfig {
            operation_budget: 40,
            ..SimConfig::default()
        });
        let baton = Baton::new(Rng::from_seed(seed), 10_000);
        let place = baton.take("main");
        let file = disk.open("a", OpenMode::Create).unwrap();
        let writer = |place: u64| {
            let file = Arc::clone(&file);
            spawn("writer", move || {
                let writes = (0..1_000).map_while(|_| file.write_at(place, b"x").ok());
                writes.count()
            })
        };
        let writers = [writer(0), writer(1), writer(2)];
        let written = writers.map(|thread| thread.unwrap().join().unwrap());
        place.leave();
        assert_eq!(written.iter().sum::<usize>(), 39, "seed {seed}");
        assert!(disk.is_hung());
        assert_eq!(baton.hang(), None);
    }
}
