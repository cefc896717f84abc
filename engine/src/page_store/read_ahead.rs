//! Pages that a scan is about to ask for, read from disk at once: one read for each run of neighbouring slots.
//!
//! It is a hint, so nothing fails here: a page that is damaged, moved meanwhile, or being read by somebody else is left to whoever
//! asks for it. Nothing is held while the disk is read but the claims to the pages (R6), for which others may wait as for any
//! load; it waits for nobody itself.

use crate::ids::{PageNo, Version};

use super::content::{self, Kind};
use super::loads::{Claim, Source};
use super::page_table::Found;
use super::store::PageStore;

/// Pages read ahead are at most this share of the memory, one in so many: they must still be there when their turn comes.
const AHEAD_SHARE: u64 = 32;

impl PageStore {
    /// Reads those of `upcoming` that a reader at version `at` would have to ask the map for.
    pub(super) fn read_ahead(&self, upcoming: &[PageNo], at: Version) {
        let page_size = self.disk.page_size;
        let room = self.memory / AHEAD_SHARE / page_size as u64;
        let few = upcoming
            .iter()
            .take(usize::try_from(room).unwrap_or(usize::MAX));
        let mut claims: Vec<(PageNo, Claim<'_>)> = Vec::new();
        for no in few {
            if self.is_on_disk_only(*no, at)
                && let Some(claim) = self.loads.lead(Source::Newest(Kind::Page, *no))
            {
                claims.push((*no, claim));
            }
        }
        // Another thread may have brought some since they were looked at.
        claims.retain(|(no, _)| self.is_on_disk_only(*no, at));
        if claims.len() < 2 {
            return;
        }
        let durable = self.durable();
        let wanted: Vec<PageNo> = claims.iter().map(|(no, _)| *no).collect();
        for (no, version, image) in self.disk.read_pages(&wanted) {
            self.count_loads(1);
            let Some(place) = claims.iter().position(|(claimed, _)| *claimed == no) else {
                continue;
            };
            let (_, claim) = claims.swap_remove(place);
            if let Ok(true) = self.keep_newest(no, (Kind::Page, version), &image, durable) {
                claim.tell(version, image);
            }
        }
    }

    fn is_on_disk_only(&self, no: PageNo, at: Version) -> bool {
        let found = self.table.find(no, at, content::is_mapped);
        matches!(found, Found::NotLoaded | Found::Content(true))
    }
}
