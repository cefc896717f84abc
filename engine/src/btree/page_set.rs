//! A set of page numbers. Its memory is bounded by how many it holds, whatever the numbers are: they may come
//! from damaged pages.

use std::collections::BTreeMap;

use crate::ids::PageNo;

/// Numbers in one block, and 64-bit words that they take.
const BLOCK: u32 = 512;
const WORDS: usize = 8;

/// Page numbers, one bit each, in blocks of 512.
#[derive(Clone, Debug, Default)]
pub struct PageSet {
    blocks: BTreeMap<u32, [u64; WORDS]>,
    len: u64,
}

const fn place(page: PageNo) -> (u32, usize, u64) {
    let within = page.0 % BLOCK;
    (page.0 / BLOCK, (within / 64) as usize, 1 << (within % 64))
}

impl PageSet {
    /// Adds a page; `false` if it was there.
    pub fn insert(&mut self, page: PageNo) -> bool {
        let (block, word, bit) = place(page);
        let words = self.blocks.entry(block).or_insert([0; WORDS]);
        let Some(word) = words.get_mut(word).filter(|word| **word & bit == 0) else {
            return false;
        };
        *word |= bit;
        self.len += 1;
        true
    }

    /// Whether a page is there.
    pub fn contains(&self, page: PageNo) -> bool {
        let (block, word, bit) = place(page);
        let word = self.blocks.get(&block).and_then(|words| words.get(word));
        word.is_some_and(|word| word & bit != 0)
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The pages, ascending.
    pub fn iter(&self) -> impl Iterator<Item = PageNo> + '_ {
        self.blocks.iter().flat_map(|(block, words)| {
            let all = (block * BLOCK..=block * BLOCK + (BLOCK - 1)).map(PageNo);
            all.filter(move |page| {
                let (_, word, bit) = place(*page);
                words.get(word).is_some_and(|word| word & bit != 0)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_added_once() {
        let mut set = PageSet::default();
        let numbers = [0, 63, 64, 511, 512, 70_000, u32::MAX];
        for number in numbers {
            assert!(!set.contains(PageNo(number)));
            assert!(set.insert(PageNo(number)));
            assert!(!set.insert(PageNo(number)));
        }
        assert_eq!(set.len(), 7);
        assert_eq!(set.iter().map(PageNo::get).collect::<Vec<_>>(), numbers);
    }
}
