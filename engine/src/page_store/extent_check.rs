//! Whether an extent can be read, without holding more of it in memory than one page.

use crate::disk_format::expect_overflow;
use crate::error::StorageError;
use crate::ids::{PageNo, Version};
use crate::map::PageAddress;

use super::content::{self, Kind, Sight};
use super::disk_pages::misfit;
use super::page_table::Found;
use super::store::PageStore;

impl PageStore {
    /// Whether `extent_at` would give the extent.
    pub(super) fn check_extent_at(
        &self,
        first: PageNo,
        len: u64,
        at: Version,
    ) -> Result<(), StorageError> {
        match self.table.find(first, at, content::see) {
            Found::NotLoaded | Found::Content(Sight::Mapped) => self.check_on_disk(first, len, at),
            Found::Content(Sight::Stored(stored))
                if stored.kind == Kind::Extent && stored.len == len =>
            {
                let mut page = vec![0; self.page_size()];
                let mut pieces = (first.get()..).map(PageNo).zip(&stored.pieces);
                pieces.try_for_each(|(no, address)| self.check_piece(no, *address, &mut page))
            }
            // It is in memory already, or cannot be.
            _ => self.extent_at(first, len, at).map(drop),
        }
    }

    fn check_on_disk(&self, first: PageNo, len: u64, at: Version) -> Result<(), StorageError> {
        let within = "an extent within the mapped pages";
        let count = self.extent_pages(len);
        let end = count.and_then(|count| first.get().checked_add(count));
        let Some(end) = end.filter(|end| *end <= self.disk.map.page_count()) else {
            return Err(misfit(first, within, &format!("{len} bytes")));
        };
        let mut page = vec![0; self.page_size()];
        for no in (first.get()..end).map(PageNo) {
            while let Err(error) = self.check_mapped_piece(no, &mut page) {
                let (error, address) = error;
                if !matches!(
                    self.table.find(first, at, content::is_mapped),
                    Found::NotLoaded | Found::Content(true)
                ) {
                    // It was read or freed since; by now the chain has it.
                    return self.extent_at(first, len, at).map(drop);
                }
                if self.disk.map.lookup(no) == address {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Checks a piece where the map says it is; on an error also where that was.
    fn check_mapped_piece(
        &self,
        no: PageNo,
        page: &mut [u8],
    ) -> Result<(), (StorageError, Option<PageAddress>)> {
        let address = self.disk.map.lookup(no);
        let result = match address {
            Some(address) => self.check_piece(no, address, page),
            None => Err(self.disk.map.not_mapped(no, "a piece of an extent")),
        };
        result.map_err(|error| (error, address))
    }

    fn check_piece(
        &self,
        no: PageNo,
        address: PageAddress,
        page: &mut [u8],
    ) -> Result<(), StorageError> {
        self.disk.map.read_slot(no, address, page)?;
        expect_overflow(page).map_err(|kind| {
            let actual = format!("a page of kind {kind}");
            misfit(no, "a piece of an extent", &actual)
        })
    }
}
