//! Values that say who wrote them.
//!
//! Layout, little-endian: magic u16 | client u16 | sequence u32 | operation u32 | length u32 | row u64 |
//! payload i64 | check u64 | filler. `row` is a hash of table and key, `check` one of everything else, `filler`
//! follows from the rest. So garbage, a damaged, a cut and a misplaced value are recognised alone.
//!
//! A *list* has a magic of its own, and elements in the place of the filler, each the transaction u64 and the operation u32 that added it.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::rows::TableId;
use crate::trace::TransactionId;

/// Length of the part that every value has.
pub const VALUE_LEN_MIN: usize = HEADER_LEN;

const MAGIC: u16 = 0xa1c5;
const MAGIC_OF_LISTS: u16 = 0xa1c6;
const ELEMENT_LEN: usize = 12;
const HEADER_LEN: usize = 40;
const CHECK_AT: usize = 32;

/// What a value says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The transaction that wrote it.
    pub transaction: TransactionId,
    /// Which of the transaction's operations.
    pub operation: u32,
    /// A number that means something to the workload.
    pub payload: i64,
}

/// Something that a transaction added to a list, or a value that it put: no two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// The transaction.
    pub transaction: TransactionId,
    /// Which of its operations.
    pub operation: u32,
}

/// Why bytes are no value that a workload wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Garbage {
    /// Too short, or no magic.
    #[error("{len} bytes that are no value of the workload")]
    Foreign {
        /// How many bytes.
        len: usize,
    },
    /// The length is not the one it was written with.
    #[error("a value of {written} bytes cut or grown to {found}")]
    Length {
        /// As written.
        written: usize,
        /// As found.
        found: usize,
    },
    /// Its bytes changed.
    #[error("a value whose checksum is wrong")]
    Damaged,
    /// It was written to another row.
    #[error("a value that was written to another row")]
    Misplaced,
}

/// The name of a client's transaction.
pub fn transaction_id(client: u16, sequence: u32) -> TransactionId {
    TransactionId(u64::from(client) << 32 | u64::from(sequence))
}

/// The client and the sequence number in a transaction's name.
pub fn client_and_sequence(id: TransactionId) -> (u64, u32) {
    (
        id.0 >> 32,
        u32::try_from(id.0 & u64::from(u32::MAX)).unwrap_or(u32::MAX),
    )
}

impl Stamp {
    /// The value of `len` bytes, or the shortest there is, for a row.
    pub fn write(&self, table: TableId, key: &[u8], len: usize) -> Vec<u8> {
        self.write_for(row_hash(table, key), len)
    }

    /// The value of `len` bytes, or the shortest there is, for a row whose table may be renamed.
    pub fn write_anywhere(&self, key: &[u8], len: usize) -> Vec<u8> {
        self.write_for(key_hash(key), len)
    }

    /// The list of a row whose newest element is this one's.
    pub fn write_list(&self, table: TableId, key: &[u8], elements: &[Element]) -> Vec<u8> {
        let len = HEADER_LEN + elements.len() * ELEMENT_LEN;
        let (mut value, _) = self.header(MAGIC_OF_LISTS, row_hash(table, key), len);
        for element in elements {
            value.extend_from_slice(&element.transaction.0.to_le_bytes());
            value.extend_from_slice(&element.operation.to_le_bytes());
        }
        seal(value)
    }

    /// The elements of a value that is a list.
    pub fn elements(value: &[u8]) -> Option<Vec<Element>> {
        let (header, rest) = value.split_at_checked(HEADER_LEN)?;
        if header[..2] != MAGIC_OF_LISTS.to_le_bytes() {
            return None;
        }
        let element = |bytes: &[u8]| Element {
            transaction: TransactionId(number(&bytes[..8])),
            operation: u32::try_from(number(&bytes[8..])).unwrap_or(u32::MAX),
        };
        Some(rest.chunks_exact(ELEMENT_LEN).map(element).collect())
    }

    /// What this one put or added.
    pub fn element(&self) -> Element {
        Element {
            transaction: self.transaction,
            operation: self.operation,
        }
    }

    fn write_for(&self, row: u64, len: usize) -> Vec<u8> {
        let len = len.max(HEADER_LEN);
        let (mut value, head) = self.header(MAGIC, row, len);
        fill(&mut value, head, len);
        seal(value)
    }

    /// A value without what follows its header, and the checksum of that.
    fn header(&self, magic: u16, row: u64, len: usize) -> (Vec<u8>, u64) {
        let mut value = Vec::with_capacity(len);
        value.extend_from_slice(&magic.to_le_bytes());
        value.extend_from_slice(&client_bytes(self.transaction));
        value.extend_from_slice(&client_and_sequence(self.transaction).1.to_le_bytes());
        value.extend_from_slice(&self.operation.to_le_bytes());
        value.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
        value.extend_from_slice(&row.to_le_bytes());
        value.extend_from_slice(&self.payload.to_le_bytes());
        let head = xxh3_64(&value);
        value.extend_from_slice(&head.to_le_bytes());
        (value, head)
    }

    /// Reads a value found in a row.
    pub fn read(table: TableId, key: &[u8], value: &[u8]) -> Result<Self, Garbage> {
        let foreign = Garbage::Foreign { len: value.len() };
        let header: &[u8; HEADER_LEN] = value.first_chunk().ok_or(foreign)?;
        if header[..2] != MAGIC.to_le_bytes() && header[..2] != MAGIC_OF_LISTS.to_le_bytes() {
            return Err(foreign);
        }
        let written = number(&header[12..16]);
        if written != value.len() as u64 {
            let written = usize::try_from(written).unwrap_or(usize::MAX);
            return Err(Garbage::Length {
                written,
                found: value.len(),
            });
        }
        let mut unchecked = value.to_vec();
        unchecked[CHECK_AT..HEADER_LEN]
            .copy_from_slice(&xxh3_64(&header[..CHECK_AT]).to_le_bytes());
        if number(&header[CHECK_AT..]) != xxh3_64(&unchecked) {
            return Err(Garbage::Damaged);
        }
        let row = number(&header[16..24]);
        if row != row_hash(table, key) && row != key_hash(key) {
            return Err(Garbage::Misplaced);
        }
        Ok(Self {
            transaction: TransactionId(number(&header[2..4]) << 32 | number(&header[4..8])),
            operation: u32::try_from(number(&header[8..12])).unwrap_or(u32::MAX),
            payload: number(&header[24..CHECK_AT]).cast_signed(),
        })
    }
}

/// Puts the checksum of all of a value into its header.
fn seal(mut value: Vec<u8>) -> Vec<u8> {
    let check = xxh3_64(&value);
    value[CHECK_AT..HEADER_LEN].copy_from_slice(&check.to_le_bytes());
    value
}

fn client_bytes(id: TransactionId) -> [u8; 2] {
    u16::try_from(client_and_sequence(id).0)
        .unwrap_or(u16::MAX)
        .to_le_bytes()
}

fn row_hash(table: TableId, key: &[u8]) -> u64 {
    xxh3_64_with_seed(key, u64::from(table.0) + 1)
}

/// Of a row whose table may be renamed.
fn key_hash(key: &[u8]) -> u64 {
    xxh3_64_with_seed(key, u64::MAX)
}

fn fill(value: &mut Vec<u8>, seed: u64, len: usize) {
    let mut word = seed | 1;
    while value.len() < len {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        let bytes = word.to_le_bytes();
        let part = bytes.len().min(len - value.len());
        value.extend_from_slice(&bytes[..part]);
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp() -> Stamp {
        Stamp {
            transaction: transaction_id(3, 77),
            operation: 2,
            payload: -5,
        }
    }

    #[test]
    fn a_value_reads_back_at_every_length() {
        for len in [0, 39, 40, 41, 47, 48, 100, 20_000] {
            let value = stamp().write(TableId(1), b"key", len);
            assert_eq!(value.len(), len.max(VALUE_LEN_MIN));
            assert_eq!(Stamp::read(TableId(1), b"key", &value), Ok(stamp()));
        }
    }

    #[test]
    fn a_list_reads_back_with_its_elements_and_any_flipped_bit_is_seen() {
        let element = |operation| Element {
            transaction: transaction_id(3, 70 + operation),
            operation,
        };
        let elements: Vec<_> = (0..3).map(element).collect();
        let value = stamp().write_list(TableId(1), b"key", &elements);
        assert_eq!(Stamp::read(TableId(1), b"key", &value), Ok(stamp()));
        assert_eq!(Stamp::elements(&value), Some(elements));
        assert_eq!(
            Stamp::elements(&stamp().write(TableId(1), b"key", 80)),
            None
        );
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Stamp::read(TableId(1), b"key", &flipped).is_err());
        }
    }

    #[test]
    fn a_value_that_moves_with_its_table_reads_back_in_any_table_and_under_no_other_key() {
        let value = stamp().write_anywhere(b"key", 50);
        for table in [TableId(0), TableId(7)] {
            assert_eq!(Stamp::read(table, b"key", &value), Ok(stamp()));
        }
        let other = Stamp::read(TableId(0), b"kez", &value);
        assert_eq!(other, Err(Garbage::Misplaced));
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let value = stamp().write(TableId(1), b"key", 50);
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                Stamp::read(TableId(1), b"key", &flipped).is_err(),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn a_cut_a_misplaced_and_a_foreign_value_are_told_apart() {
        let value = stamp().write(TableId(1), b"key", 50);
        let cut = Stamp::read(TableId(1), b"key", &value[..45]);
        assert_eq!(
            cut,
            Err(Garbage::Length {
                written: 50,
                found: 45
            })
        );
        assert_eq!(
            Stamp::read(TableId(1), b"kez", &value),
            Err(Garbage::Misplaced)
        );
        assert_eq!(
            Stamp::read(TableId(2), b"key", &value),
            Err(Garbage::Misplaced)
        );
        assert_eq!(
            Stamp::read(TableId(1), b"key", b""),
            Err(Garbage::Foreign { len: 0 })
        );
        assert_eq!(
            Stamp::read(TableId(1), b"key", &[0; 64]),
            Err(Garbage::Foreign { len: 64 })
        );
    }
}
