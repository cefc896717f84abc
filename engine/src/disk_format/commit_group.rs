//! What a log frame's payload means: the results of one commit group.
//!
//! Layout: version u64 | time u64 (0: not recorded) | table count varint | (name length varint | name)… | operations until the end:
//! table index varint | kind u8 | what the kind needs:
//!
//! | kind | name         | then |
//! |-----:|--------------|------|
//! | 0    | delete       | key length varint, key |
//! | 1    | put          | key length varint, key, value length varint, value |
//! | 2    | create       | nothing: the table exists from now on, and did perhaps before |
//! | 3    | drop         | nothing |
//! | 4    | rename       | the new name's table index varint |
//! | 5    | delete range | low bound, high bound |
//!
//! A bound is 0 (none), or 1 (this key too) or 2 (but not this key) with key length varint, key. Varints are
//! LEB128. Operations stand in the order in which they take effect. The group is one unit: it is in the log whole or
//! not at all, so transactions within it are not told apart.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::ids::{CommitTime, Version};

/// One operation of a group, on one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation<'a> {
    /// The table's name, as it is when this takes effect.
    pub table: &'a str,
    /// What happens to it.
    pub action: Action<'a>,
}

/// What an operation does to its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Removes a key, if it is there.
    Delete {
        /// The key.
        key: &'a [u8],
    },
    /// Sets a key. The table is created if it does not exist.
    Put {
        /// The key.
        key: &'a [u8],
        /// The value that it has from now on.
        value: &'a [u8],
    },
    /// Creates the table, if it does not exist.
    Create,
    /// Removes the table with all that is in it.
    Drop,
    /// Gives the table another name, which is free.
    Rename {
        /// The name that it has from now on.
        to: &'a str,
    },
    /// Removes all keys between two bounds.
    DeleteRange {
        /// Where the range begins.
        low: Bound<&'a [u8]>,
        /// Where it ends.
        high: Bound<&'a [u8]>,
    },
}

impl<'a> Action<'a> {
    /// A key set to a value, or removed.
    pub const fn of((key, value): (&'a [u8], Option<&'a [u8]>)) -> Self {
        match value {
            Some(value) => Self::Put { key, value },
            None => Self::Delete { key },
        }
    }
}

const DELETE: u8 = 0;
const PUT: u8 = 1;
const CREATE: u8 = 2;
const DROP: u8 = 3;
const RENAME: u8 = 4;
const DELETE_RANGE: u8 = 5;

const UNBOUNDED: u8 = 0;
const INCLUDED: u8 = 1;
const EXCLUDED: u8 = 2;

/// Why bytes are not a commit group: what was expected, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What should stand there.
    pub expected: &'static str,
    /// Byte offset in the payload.
    pub offset: usize,
}

/// Writes a group.
#[derive(Debug)]
pub struct Encoder<'a> {
    /// The names so far, as they will stand in the payload.
    names: Vec<u8>,
    tables: usize,
    /// The first table: most groups have no other.
    first: &'a str,
    /// The others.
    places: BTreeMap<&'a str, usize>,
    /// The table of the last operation: most often that of the next one too.
    last: (&'a str, usize),
    body: Vec<u8>,
    payload: Vec<u8>,
    version: Version,
    time: CommitTime,
}

/// Memory that groups are written in, one after the other.
#[derive(Debug, Default)]
pub struct EncoderMemory {
    names: Vec<u8>,
    body: Vec<u8>,
    payload: Vec<u8>,
}

/// What a group took more of is given back.
const MEMORY_KEPT: usize = 1 << 20;

impl EncoderMemory {
    /// The payload of the group written last.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The payload is needed no longer.
    pub fn empty(&mut self) {
        for buffer in [&mut self.names, &mut self.body, &mut self.payload] {
            if buffer.capacity() > MEMORY_KEPT {
                *buffer = Vec::new();
            }
            buffer.clear();
        }
    }
}

impl<'a> Encoder<'a> {
    /// A group that publishes `version`.
    pub fn new(version: Version) -> Self {
        Self {
            names: Vec::new(),
            tables: 0,
            first: "",
            places: BTreeMap::new(),
            last: ("", 0),
            body: Vec::new(),
            payload: Vec::new(),
            version,
            time: CommitTime(0),
        }
    }

    /// Writes in memory that was used before.
    #[must_use]
    pub fn within(mut self, mut memory: EncoderMemory) -> Self {
        memory.empty();
        (self.names, self.body, self.payload) = (memory.names, memory.body, memory.payload);
        self
    }

    /// Says when it was written.
    #[must_use]
    pub fn at(mut self, time: CommitTime) -> Self {
        self.time = time;
        self
    }

    /// Makes room for operations of `bytes` bytes of keys and values.
    #[must_use]
    pub fn with_room_for(mut self, bytes: usize) -> Self {
        self.body.reserve(bytes);
        self
    }

    /// Appends an operation.
    pub fn push(&mut self, operation: Operation<'a>) {
        let table = self.table_index(operation.table);
        put_varint(&mut self.body, table as u64);
        match operation.action {
            Action::Delete { key } => {
                self.body.push(DELETE);
                put_bytes(&mut self.body, key);
            }
            Action::Put { key, value } => {
                self.body.push(PUT);
                put_bytes(&mut self.body, key);
                put_bytes(&mut self.body, value);
            }
            Action::Create => self.body.push(CREATE),
            Action::Drop => self.body.push(DROP),
            Action::Rename { to } => {
                let to = self.table_index(to);
                self.body.push(RENAME);
                put_varint(&mut self.body, to as u64);
            }
            Action::DeleteRange { low, high } => {
                self.body.push(DELETE_RANGE);
                put_bound(&mut self.body, low);
                put_bound(&mut self.body, high);
            }
        }
    }

    fn table_index(&mut self, table: &'a str) -> usize {
        if self.tables > 0 && self.last.0 == table {
            return self.last.1;
        }
        let next = self.tables;
        let index = if next == 0 {
            self.first = table;
            0
        } else if self.first == table {
            0
        } else {
            *self.places.entry(table).or_insert(next)
        };
        if index == next {
            put_bytes(&mut self.names, table.as_bytes());
            self.tables = next.saturating_add(1);
        }
        self.last = (table, index);
        index
    }

    /// The payload.
    pub fn finish(self) -> Vec<u8> {
        self.finish_within().payload
    }

    /// The payload, in the memory that it was written in.
    pub fn finish_within(mut self) -> EncoderMemory {
        let payload = &mut self.payload;
        let len = self.names.len().saturating_add(self.body.len());
        payload.reserve(len.saturating_add(64));
        payload.extend_from_slice(&self.version.get().to_le_bytes());
        payload.extend_from_slice(&self.time.get().to_le_bytes());
        put_varint(payload, self.tables as u64);
        payload.extend_from_slice(&self.names);
        payload.extend_from_slice(&self.body);
        EncoderMemory {
            names: self.names,
            body: self.body,
            payload: self.payload,
        }
    }
}

/// A decoded group: its version, and its operations, decoded one at a time.
#[derive(Debug)]
pub struct CommitGroup<'a> {
    /// The version that the group publishes.
    pub version: Version,
    /// When it was written.
    pub time: CommitTime,
    tables: Vec<&'a str>,
    rest: Reader<'a>,
}

impl<'a> CommitGroup<'a> {
    /// Decodes a payload's header.
    pub fn decode(payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader {
            bytes: payload,
            offset: 0,
        };
        let version = reader.u64("a version")?;
        let time = reader.u64("a time")?;
        let count = reader.varint()?;
        let mut tables = Vec::new();
        for _ in 0..count {
            let offset = reader.offset;
            let name = std::str::from_utf8(reader.bytes()?);
            tables.push(name.map_err(|_| Malformed {
                expected: "a table's name",
                offset,
            })?);
        }
        Ok(Self {
            version: Version(version),
            time: CommitTime(time),
            tables,
            rest: reader,
        })
    }

    fn operation(&mut self) -> Result<Operation<'a>, Malformed> {
        let table = self.table()?;
        let offset = self.rest.offset;
        let action = match self.rest.take(1, "an operation's kind")? {
            [DELETE] => Action::Delete {
                key: self.rest.bytes()?,
            },
            [PUT] => Action::Put {
                key: self.rest.bytes()?,
                value: self.rest.bytes()?,
            },
            [CREATE] => Action::Create,
            [DROP] => Action::Drop,
            [RENAME] => Action::Rename { to: self.table()? },
            [DELETE_RANGE] => Action::DeleteRange {
                low: self.rest.bound()?,
                high: self.rest.bound()?,
            },
            _ => {
                return Err(Malformed {
                    expected: "kind 0 to 5",
                    offset,
                });
            }
        };
        Ok(Operation { table, action })
    }

    fn table(&mut self) -> Result<&'a str, Malformed> {
        let offset = self.rest.offset;
        let index = usize::try_from(self.rest.varint()?).unwrap_or(usize::MAX);
        self.tables.get(index).copied().ok_or(Malformed {
            expected: "the index of a table of this group",
            offset,
        })
    }
}

impl<'a> Iterator for CommitGroup<'a> {
    type Item = Result<Operation<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.offset >= self.rest.bytes.len() {
            return None;
        }
        let operation = self.operation();
        if operation.is_err() {
            self.rest.offset = self.rest.bytes.len();
        }
        Some(operation)
    }
}

#[derive(Debug)]
struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize, expected: &'static str) -> Result<&'a [u8], Malformed> {
        let end = self.offset.saturating_add(len);
        let taken = self.bytes.get(self.offset..end);
        let taken = taken.ok_or(Malformed {
            expected,
            offset: self.offset,
        })?;
        self.offset = end;
        Ok(taken)
    }

    fn u64(&mut self, expected: &'static str) -> Result<u64, Malformed> {
        let bytes = self.take(8, expected)?;
        Ok(bytes.try_into().map_or(0, u64::from_le_bytes))
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let offset = self.offset;
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take(1, "a varint")? else {
                break;
            };
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed {
            expected: "a varint of at most 64 bits",
            offset,
        })
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        self.take(len, "as many bytes as the length says")
    }

    fn bound(&mut self) -> Result<Bound<&'a [u8]>, Malformed> {
        let offset = self.offset;
        match self.take(1, "a bound")? {
            [UNBOUNDED] => Ok(Bound::Unbounded),
            [INCLUDED] => Ok(Bound::Included(self.bytes()?)),
            [EXCLUDED] => Ok(Bound::Excluded(self.bytes()?)),
            _ => Err(Malformed {
                expected: "a bound of kind 0 to 2",
                offset,
            }),
        }
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_bound(out: &mut Vec<u8>, bound: Bound<&[u8]>) {
    match bound {
        Bound::Unbounded => out.push(UNBOUNDED),
        Bound::Included(key) => {
            out.push(INCLUDED);
            put_bytes(out, key);
        }
        Bound::Excluded(key) => {
            out.push(EXCLUDED);
            put_bytes(out, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type OwnedBound = Bound<Vec<u8>>;

    #[derive(Clone, Debug)]
    enum Owned {
        Delete(Vec<u8>),
        Put(Vec<u8>, Vec<u8>),
        Create,
        Drop,
        Rename(String),
        DeleteRange(OwnedBound, OwnedBound),
    }

    fn operation((table, action): &(String, Owned)) -> Operation<'_> {
        let action = match action {
            Owned::Delete(key) => Action::Delete { key },
            Owned::Put(key, value) => Action::Put { key, value },
            Owned::Create => Action::Create,
            Owned::Drop => Action::Drop,
            Owned::Rename(to) => Action::Rename { to },
            Owned::DeleteRange(low, high) => Action::DeleteRange {
                low: low.as_ref().map(Vec::as_slice),
                high: high.as_ref().map(Vec::as_slice),
            },
        };
        Operation { table, action }
    }

    fn encode(version: u64, operations: &[(String, Owned)]) -> Vec<u8> {
        let mut encoder = Encoder::new(Version(version)).at(CommitTime(version / 2));
        for owned in operations {
            encoder.push(operation(owned));
        }
        encoder.finish()
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..300)
    }

    fn bound() -> impl Strategy<Value = OwnedBound> {
        prop_oneof![
            Just(Bound::Unbounded),
            bytes().prop_map(Bound::Included),
            bytes().prop_map(Bound::Excluded),
        ]
    }

    fn owned() -> impl Strategy<Value = (String, Owned)> {
        let action = prop_oneof![
            bytes().prop_map(Owned::Delete),
            (bytes(), bytes()).prop_map(|(key, value)| Owned::Put(key, value)),
            Just(Owned::Create),
            Just(Owned::Drop),
            "[a-d]{0,2}".prop_map(Owned::Rename),
            (bound(), bound()).prop_map(|(low, high)| Owned::DeleteRange(low, high)),
        ];
        ("[a-c]{0,2}", action)
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            version: u64,
            operations in prop::collection::vec(owned(), 0..20),
        ) {
            let payload = encode(version, &operations);
            let group = CommitGroup::decode(&payload).unwrap();
            prop_assert_eq!((group.version, group.time), (Version(version), CommitTime(version / 2)));
            let decoded: Vec<_> = group.map(|o| o.unwrap()).collect();
            let expected: Vec<_> = operations.iter().map(operation).collect();
            prop_assert_eq!(decoded, expected);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            if let Ok(group) = CommitGroup::decode(&bytes) {
                prop_assert!(group.count() <= bytes.len());
            }
        }

        #[test]
        fn arbitrary_operations_never_panic(mut body: Vec<u8>, kind in 0_u8..7) {
            body.splice(0..0, [0, kind]);
            let mut payload = encode(1, &[]);
            payload.pop();
            payload.extend([1, 1, b't']);
            payload.extend(&body);
            let group = CommitGroup::decode(&payload).unwrap();
            prop_assert!(group.count() <= body.len());
        }
    }

    #[test]
    fn a_cut_payload_is_malformed() {
        let (key, value) = (b"key".to_vec(), b"value".to_vec());
        let bound = || Bound::Excluded(key.clone());
        for action in [
            Owned::Put(key.clone(), value),
            Owned::Rename("u".to_owned()),
            Owned::DeleteRange(bound(), bound()),
            Owned::DeleteRange(Bound::Unbounded, Bound::Unbounded),
            Owned::Drop,
        ] {
            let payload = encode(3, &[("t".to_owned(), action)]);
            for len in 0..payload.len() {
                let cut = &payload[..len];
                let whole = CommitGroup::decode(cut).map(|group| {
                    let operations: Vec<_> = group.collect();
                    operations.len() == 1 && operations.iter().all(Result::is_ok)
                });
                assert_ne!(whole, Ok(true), "cut at {len}");
            }
        }
    }
}
