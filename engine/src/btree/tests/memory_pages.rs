//! A page source in memory that accounts for every page and extent.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use crate::btree::{Reached, Tree};
use crate::error::StorageError;
use crate::ids::PageNo;
use crate::image::{Image, ImageRef};
use crate::pages::{ExtentImage, HeldPages, PageImage, ReadPages, WritePages};

/// Pages and extents that live. Reading, writing or freeing one that does not is an error.
#[derive(Debug)]
pub(super) struct MemoryPages {
    page_size: usize,
    next: u32,
    pub(super) pages: BTreeMap<PageNo, Image>,
    extents: BTreeMap<PageNo, Image>,
    free: Vec<PageNo>,
    /// Changed since `publish`, and whether any was freed.
    touched: BTreeSet<PageNo>,
    has_freed: bool,
    /// How many pages may still be read: a test's guard against endless loops.
    budget: Cell<u64>,
}

/// The bytes of a page that are not the tree's.
const FOREIGN: [std::ops::Range<usize>; 2] = [0..8, 18..32];

impl MemoryPages {
    pub(super) fn new(page_size: usize) -> Self {
        Self {
            page_size,
            next: 1,
            pages: BTreeMap::new(),
            extents: BTreeMap::new(),
            free: Vec::new(),
            touched: BTreeSet::new(),
            has_freed: false,
            budget: Cell::new(u64::MAX),
        }
    }

    /// What there is, as others see it from now on.
    pub(super) fn publish(&mut self) -> Published {
        self.touched.clear();
        self.has_freed = false;
        Published(self.pages.clone())
    }

    /// Reads fail after `pages` more.
    pub(super) fn set_budget(&self, pages: u64) {
        self.budget.set(pages);
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.budget.get() == 0
    }

    /// What lives, in pages and extents.
    pub(super) fn live(&self) -> (usize, usize) {
        (self.pages.len(), self.extents.len())
    }

    /// Asserts that `trees` are sound and own everything that lives, each thing once.
    pub(super) fn assert_sound(&self, trees: &[Tree]) {
        let mut reached = Vec::new();
        for tree in trees {
            let problems = tree.check(self, |one| reached.push(one));
            assert!(problems.is_empty(), "{problems:?}");
        }
        let once: BTreeSet<_> = reached.iter().copied().collect();
        assert_eq!(once.len(), reached.len(), "something is reached twice");
        let pages = self.pages.keys().map(|no| Reached::Page(*no));
        let extents = self.extents.iter().map(|(no, image)| Reached::Extent {
            first: *no,
            len: image.len() as u64,
        });
        assert_eq!(once, pages.chain(extents).collect(), "leaked or lost");
    }

    fn number(&mut self) -> PageNo {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            PageNo(self.next - 1)
        })
    }
}

fn missing(no: PageNo) -> StorageError {
    StorageError::corruption("data", 0, Some(no), "a page or extent that lives", "none")
}

/// Pages as they were.
pub(super) struct Published(BTreeMap<PageNo, Image>);

/// One page in so many is not in memory.
const ABSENT: u32 = 31;

impl HeldPages for Published {
    fn page(&self, no: PageNo) -> Option<ImageRef<'_>> {
        let page = self.0.get(&no).filter(|_| !no.get().is_multiple_of(ABSENT));
        page.map(Image::borrow)
    }
}

/// Every third page must be asked for, as if it were not in memory; and all of them when the budget ends.
impl HeldPages for &MemoryPages {
    fn page(&self, no: PageNo) -> Option<ImageRef<'_>> {
        if no.get().is_multiple_of(3) {
            return None;
        }
        self.budget.set(self.budget.get().checked_sub(1)?);
        self.pages.get(&no).map(Image::borrow)
    }
}

impl ReadPages for MemoryPages {
    type Held<'h> = &'h MemoryPages;

    fn hold(&self) -> Self::Held<'_> {
        self
    }

    fn page(&self, no: PageNo) -> Result<PageImage, StorageError> {
        let Some(budget) = self.budget.get().checked_sub(1) else {
            return Err(StorageError::limit("budget", 1, 0));
        };
        self.budget.set(budget);
        self.pages.get(&no).cloned().ok_or_else(|| missing(no))
    }

    fn extent(&self, first: PageNo, len: u64) -> Result<ExtentImage, StorageError> {
        let image = self.extents.get(&first).ok_or_else(|| missing(first))?;
        if image.len() as u64 == len {
            Ok(image.clone())
        } else {
            Err(missing(first))
        }
    }
}

impl WritePages for MemoryPages {
    fn page_mut(&mut self, no: PageNo) -> Result<&mut [u8], StorageError> {
        self.touched.insert(no);
        let image = self.pages.get_mut(&no).ok_or_else(|| missing(no))?;
        Ok(image.make_mut())
    }

    fn adopt(&mut self, no: PageNo, copy: PageImage) -> Result<bool, StorageError> {
        let is_untouched = !self.has_freed && self.touched.insert(no);
        if is_untouched {
            self.pages.insert(no, copy).ok_or_else(|| missing(no))?;
        }
        Ok(is_untouched)
    }

    fn allocate(&mut self) -> Result<PageNo, StorageError> {
        let no = self.number();
        let mut image = Image::zeroed(self.page_size);
        // Foreign bytes that the tree must neither read nor change.
        for range in FOREIGN {
            image.make_mut()[range].fill(0xA5);
        }
        self.pages.insert(no, image);
        self.touched.insert(no);
        Ok(no)
    }

    fn free(&mut self, no: PageNo) -> Result<(), StorageError> {
        let image = self.pages.remove(&no).ok_or_else(|| missing(no))?;
        for range in FOREIGN {
            assert!(
                image[range].iter().all(|byte| *byte == 0xA5),
                "foreign bytes were changed"
            );
        }
        self.free.push(no);
        self.has_freed = true;
        Ok(())
    }

    fn allocate_extent(&mut self, value: &[u8]) -> Result<PageNo, StorageError> {
        assert!(!value.is_empty());
        let no = self.number();
        self.extents.insert(no, Image::from(value));
        Ok(no)
    }

    fn free_extent(&mut self, first: PageNo, len: u64) -> Result<(), StorageError> {
        self.extent(first, len)?;
        self.extents.remove(&first);
        self.free.push(first);
        Ok(())
    }
}
