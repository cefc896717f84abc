//! What a salvage brings back of a damaged database: every record outside the damaged pages, and never a wrong one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::sweep::database::{Image, Rows, Subject, disk_of, flip, options};
use crate::sweep::live::{Live, What, live};
use crate::sweep::rng::Rng;
use lightning_db::disk::{Disk, MemoryDisk};
use lightning_db::ids::PageNo;
use lightning_db::{Database, SalvageReport, salvage_on};

/// Pages by number, with the rows that cannot be read without them.
type Owners = BTreeMap<PageNo, BTreeSet<(String, Vec<u8>)>>;

struct Salvaged {
    report: SalvageReport,
    rows: Rows,
    uncertain: BTreeSet<String>,
}

fn salvage(image: &Image) -> Result<Salvaged, String> {
    let from: Arc<dyn Disk> = Arc::new(disk_of(image));
    let to = MemoryDisk::new();
    let report = salvage_on(&from, Arc::new(to.clone()), options()).map_err(|e| e.to_string())?;
    let db = Database::open_on(Arc::new(to), options()).map_err(|e| e.to_string())?;
    assert!(db.verify().unwrap().is_clean());
    let uncertain = report.tables.iter().filter(|table| table.is_uncertain);
    let uncertain = uncertain.map(|table| table.name.clone()).collect();
    let rows = all_rows(&db);
    let counted: u64 = report.tables.iter().map(|table| table.rows).sum();
    assert_eq!(counted, rows.len() as u64);
    Ok(Salvaged {
        report,
        rows,
        uncertain,
    })
}

fn all_rows(db: &Database) -> Rows {
    let snapshot = db.snapshot().unwrap();
    let mut rows = Rows::new();
    for table in snapshot.tables().unwrap() {
        for row in snapshot.scan(&table).unwrap() {
            let (key, value) = row.unwrap();
            rows.insert((table.clone(), key.to_vec()), value.to_vec());
        }
    }
    rows
}

/// Which rows each page costs, found out by damaging it; inner nodes cost nothing that a salvage cannot find.
fn owners(subject: &Subject) -> Owners {
    let mut owners = Owners::new();
    for structure in live(&subject.image) {
        let What::Page(page) = structure.what else {
            continue;
        };
        let at = usize::try_from(structure.range.start).unwrap();
        if subject.image[&structure.file][at + 13] == 2 {
            owners.insert(page, BTreeSet::new());
            continue;
        }
        let disk = disk_of(&subject.image);
        flip(&disk, &structure.file, structure.range.start + 50, 2);
        let mut lost = BTreeSet::new();
        let db = Database::open_on(Arc::new(disk), options().read_only(true));
        for place in subject.rows.keys() {
            let read = db.as_ref().map(|db| db.get(&place.0, &place.1).is_ok());
            if !matches!(read, Ok(true)) {
                lost.insert(place.clone());
            }
        }
        owners.insert(page, lost);
    }
    owners
}

/// Some damage, and whether it hit a structure.
fn damage(image: &mut Image, structures: &[Live], rng: &mut Rng) -> String {
    let names: Vec<String> = image
        .keys()
        .filter(|name| *name != "lock")
        .cloned()
        .collect();
    let name = names[usize::try_from(rng.below(names.len() as u64)).unwrap()].clone();
    let bytes = image.get_mut(&name).unwrap();
    if bytes.is_empty() {
        return "nothing".to_owned();
    }
    let mut place = rng.below(bytes.len() as u64);
    let here: Vec<&Live> = structures.iter().filter(|live| live.file == name).collect();
    if !here.is_empty() && rng.below(4) > 0 {
        let range = &here[usize::try_from(rng.below(here.len() as u64)).unwrap()].range;
        place = range.start + rng.below(range.end - range.start);
    }
    let at = usize::try_from(place).unwrap().min(bytes.len() - 1);
    match rng.below(12) {
        0 => {
            image.remove(&name);
            format!("{name} is missing")
        }
        1 | 2 => {
            bytes.truncate(at);
            format!("{name} is cut at {at}")
        }
        3..6 => {
            let first = at / 512 * 512;
            let end = (first + 512 * usize::try_from(1 + rng.below(8)).unwrap()).min(bytes.len());
            bytes[first..end].fill(0);
            format!("{name} is zero from {first} to {end}")
        }
        _ => {
            bytes[at] ^= 1 << rng.below(8);
            format!("{name} has a flipped bit at {at}")
        }
    }
}

/// Pages of which a byte differs.
fn hit(subject: &Subject, damaged: &Image) -> BTreeSet<PageNo> {
    let is_hit = |structure: &Live| {
        let range = usize::try_from(structure.range.start).unwrap()
            ..usize::try_from(structure.range.end).unwrap();
        let now = damaged
            .get(&structure.file)
            .and_then(|bytes| bytes.get(range.clone()));
        now != Some(&subject.image[&structure.file][range])
    };
    let pages = live(&subject.image).into_iter().filter(is_hit);
    pages
        .filter_map(|structure| match structure.what {
            What::Page(page) => Some(page),
            _ => None,
        })
        .collect()
}

/// Certain rows are those of the state that the log was replayed to, the others were right once.
fn check_rows(salvaged: &Salvaged, subject: &Subject) -> Result<(), String> {
    let states = &subject.states;
    let reached = usize::try_from(salvaged.report.groups).unwrap();
    // Where nothing is certain, pieces of the log from before the last checkpoint may have been replayed.
    let state = states.get(reached);
    let ever = || subject.history.iter().chain(states);
    for ((table, key), value) in &salvaged.rows {
        let is_uncertain = salvaged.uncertain.contains(table);
        let was_in =
            |rows: &Rows, table: &str| rows.get(&(table.to_owned(), key.clone())) == Some(value);
        let is_right = if let Some(name) = table.strip_prefix("uncertain-") {
            is_uncertain && (name.starts_with("lost-") || ever().any(|rows| was_in(rows, name)))
        } else if table.starts_with("lost-") {
            let first = &states[0];
            first.keys().any(|(table, _)| was_in(first, table))
        } else {
            state.is_some_and(|state| was_in(state, table))
        };
        if !is_right {
            let key = key.escape_ascii();
            return Err(format!(
                "{table} {key}: a wrong value, after {reached} groups"
            ));
        }
    }
    Ok(())
}

/// What is missing was in a damaged page.
fn check_missing(
    salvaged: &Salvaged,
    states: &[Rows],
    allowed: &BTreeSet<(String, Vec<u8>)>,
) -> Result<(), String> {
    let reached = usize::try_from(salvaged.report.groups).unwrap();
    let mut keys_elsewhere: BTreeMap<&Vec<u8>, BTreeSet<&Vec<u8>>> = BTreeMap::new();
    for ((table, key), value) in &salvaged.rows {
        if table.starts_with("lost-") || table.starts_with("uncertain-") {
            keys_elsewhere.entry(key).or_default().insert(value);
        }
    }
    for (place, value) in &states[reached.min(states.len() - 1)] {
        let elsewhere = || {
            let values = keys_elsewhere.get(&place.1);
            // Behind a lost node stands what the checkpoint had.
            let before = states[0].get(place);
            values.is_some_and(|values| {
                values.contains(value) || before.is_some_and(|before| values.contains(before))
            })
        };
        if !salvaged.rows.contains_key(place) && !allowed.contains(place) && !elsewhere() {
            return Err(format!("{} {} is missing", place.0, place.1.escape_ascii()));
        }
    }
    Ok(())
}

fn check(subject: &Subject, owners: &Owners, damaged: &Image) -> Result<Option<Salvaged>, String> {
    let salvaged = match salvage(damaged) {
        Ok(salvaged) => salvaged,
        // With no page, no superblock and no log there is nothing to start from.
        Err(error) if error.contains("size of a page") => return Ok(None),
        Err(error) => return Err(error),
    };
    let states = &subject.states;
    check_rows(&salvaged, subject)?;
    let hit = hit(subject, damaged);
    let lost = hit.iter().filter_map(|page| owners.get(page)).flatten();
    let mut lost: BTreeSet<_> = lost.cloned().collect();
    if !hit.is_empty() {
        // Rows that the log deletes are in no page's account; it may end before that.
        let deleted = states[0]
            .keys()
            .filter(|place| !subject.rows.contains_key(*place));
        lost.extend(deleted.cloned());
    }
    check_missing(&salvaged, states, &lost)?;
    if !hit.is_empty() && salvaged.report.is_complete() {
        return Err("damaged pages were not noticed".to_owned());
    }
    Ok(Some(salvaged))
}

#[test]
fn of_random_damage_every_record_outside_the_damaged_pages_comes_back_and_none_is_wrong() {
    let subject = Subject::new();
    let owners = owners(&subject);
    let structures = live(&subject.image);
    let cases = std::env::var("SALVAGES").map_or(200, |number| number.parse().unwrap());
    let (mut complete, mut with_loss, mut uncertain) = (0, 0, 0);
    for seed in 0..cases {
        let mut rng = Rng(seed);
        let mut damaged = subject.image.clone();
        if seed % 8 == 0 {
            // Nothing proves a page then, unless all of them are whole.
            damaged.remove("map");
            damaged.remove("doublewrite");
        }
        let faults: Vec<String> = (0..=rng.below(3))
            .map(|_| damage(&mut damaged, &structures, &mut rng))
            .collect();
        match check(&subject, &owners, &damaged) {
            Ok(None) => {}
            Ok(Some(salvaged)) => {
                complete += u32::from(salvaged.report.is_complete());
                with_loss += u32::from(!salvaged.report.lost.is_empty());
                uncertain += u32::from(!salvaged.uncertain.is_empty());
            }
            Err(error) => panic!("seed {seed}: {faults:?}: {error}"),
        }
    }
    assert!(
        complete > 0 && with_loss > 0 && uncertain > 0,
        "{complete} {with_loss} {uncertain}"
    );
}

#[test]
fn an_undamaged_database_is_copied_whole_with_its_log() {
    let subject = Subject::new();
    let salvaged = salvage(&subject.image).unwrap();
    assert!(salvaged.report.is_complete(), "{:?}", salvaged.report);
    assert!(salvaged.report.groups > 10);
    assert!(salvaged.rows == subject.rows);
}

#[test]
fn without_its_map_a_sound_database_is_proven_by_the_pages_that_its_trees_reach() {
    let subject = Subject::new();
    for missing in [&["map"][..], &["map", "doublewrite"]] {
        let mut damaged = subject.image.clone();
        for name in missing {
            damaged.remove(*name);
        }
        let salvaged = salvage(&damaged).unwrap();
        assert!(salvaged.uncertain.is_empty(), "{:?}", salvaged.report);
        assert!(salvaged.rows == subject.rows);
    }
}

#[test]
fn without_any_superblock_everything_comes_back_as_uncertain() {
    let subject = Subject::new();
    let mut damaged = subject.image.clone();
    damaged.remove("doublewrite");
    damaged.remove("map");
    let data = damaged.get_mut("data").unwrap();
    data[..512].fill(0);
    data[16 << 10..(16 << 10) + 512].fill(0);
    let salvaged = salvage(&damaged).unwrap();
    for ((table, key), value) in &subject.rows {
        let name = format!("uncertain-{table}");
        assert!(salvaged.uncertain.contains(&name), "{name}");
        let found = salvaged.rows.get(&(name, key.clone()));
        assert_eq!(found, Some(value), "{table} {}", key.escape_ascii());
    }
    assert!(!salvaged.report.is_complete());
}

#[test]
fn rows_under_a_lost_inner_node_come_back_under_another_name() {
    let subject = Subject::new();
    let inner = live(&subject.image).into_iter().find(|structure| {
        let at = usize::try_from(structure.range.start).unwrap();
        // Level 1, an inner node.
        matches!(structure.what, What::Page(_)) && subject.image["data"][at + 12..at + 14] == [1, 2]
    });
    let mut damaged = subject.image.clone();
    let at = usize::try_from(inner.unwrap().range.start).unwrap();
    damaged.get_mut("data").unwrap()[at + 100] ^= 1;
    let salvaged = check(&subject, &owners(&subject), &damaged)
        .unwrap()
        .unwrap();
    let is_lost = |(table, _): &&(String, Vec<u8>)| table.starts_with("lost-");
    assert!(salvaged.rows.keys().filter(is_lost).count() > 10);
    assert!(salvaged.uncertain.is_empty());
    let losses = &salvaged.report.lost;
    assert!(
        losses
            .iter()
            .any(|loss| loss.keys.is_some() && loss.table.is_some())
    );
}
