//! Many pages at once: those in neighbouring slots by one read.

use super::page_map::{Map, PageAddress};
use crate::disk_format::PageExpectation;
use crate::ids::PageNo;

/// Slots that one read takes at most.
const RUN_MAX: usize = 32;

impl Map {
    /// Reads `pages` where the last completed checkpoint has them, and shows those that are verified (M4). A page that is
    /// not mapped, damaged, or moved during the read is left out: whoever reads it by itself learns why.
    pub fn read_runs(&self, pages: &[PageNo], show: &mut dyn FnMut(PageNo, &[u8])) {
        let (mut places, newest, page_size) = {
            let state = self.state();
            let place = |no: &PageNo| state.lookup(*no).map(|address| (address, *no));
            let places: Vec<(PageAddress, PageNo)> = pages.iter().filter_map(place).collect();
            let superblock = &state.superblock;
            (
                places,
                superblock.version,
                superblock.geometry.page_size as usize,
            )
        };
        places.sort_unstable_by_key(|(address, _)| address.slot);
        let follows = |(a, _): &(PageAddress, PageNo), (b, _): &(PageAddress, PageNo)| {
            a.slot.get().checked_add(1) == Some(b.slot.get())
        };
        let mut bytes = Vec::new();
        for run in places.chunk_by(follows).flat_map(|run| run.chunks(RUN_MAX)) {
            let Some((first, _)) = run.first() else {
                continue;
            };
            bytes.resize(run.len() * page_size, 0);
            let offset = self.geometry.slot_offset(first.slot);
            if self.files.data.read(offset, &mut bytes).is_err() {
                continue;
            }
            for ((address, no), page) in run.iter().zip(bytes.chunks_exact(page_size)) {
                let expected = PageExpectation {
                    page_no: *no,
                    crc: address.crc,
                    newest,
                };
                if expected.check(page).is_ok() {
                    show(*no, page);
                }
            }
        }
    }
}
