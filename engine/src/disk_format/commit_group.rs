//! What a log frame's payload means: the results of one commit group.
//!
//! Layout: version u64 | table count varint | (name length varint | name)… | operations until the end:
//! table index varint | kind u8 (0 delete, 1 put) | key length varint | key | for a put: value length
//! varint | value. Varints are LEB128. The group is one unit: it is in the log whole or not at all, so
//! transactions within it are not told apart.

use crate::ids::Version;

/// One operation of a group, in commit order. A value of `None` deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation<'a> {
    /// The table's name.
    pub table: &'a str,
    /// The key.
    pub key: &'a [u8],
    /// The value that the key has from now on.
    pub value: Option<&'a [u8]>,
}

const DELETE: u8 = 0;
const PUT: u8 = 1;

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
    tables: Vec<&'a str>,
    body: Vec<u8>,
    version: Version,
}

impl<'a> Encoder<'a> {
    /// A group that publishes `version`.
    pub fn new(version: Version) -> Self {
        Self {
            tables: Vec::new(),
            body: Vec::new(),
            version,
        }
    }

    /// Appends an operation.
    pub fn push(&mut self, operation: Operation<'a>) {
        let table = self.table_index(operation.table);
        put_varint(&mut self.body, table as u64);
        self.body.push(if operation.value.is_some() {
            PUT
        } else {
            DELETE
        });
        put_bytes(&mut self.body, operation.key);
        if let Some(value) = operation.value {
            put_bytes(&mut self.body, value);
        }
    }

    fn table_index(&mut self, table: &'a str) -> usize {
        // Operations come table by table, so the last one is nearly always it.
        if let Some(index) = self.tables.iter().rposition(|name| *name == table) {
            return index;
        }
        self.tables.push(table);
        self.tables.len() - 1
    }

    /// The payload.
    pub fn finish(self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(self.body.len().saturating_add(64));
        payload.extend_from_slice(&self.version.get().to_le_bytes());
        put_varint(&mut payload, self.tables.len() as u64);
        for table in &self.tables {
            put_bytes(&mut payload, table.as_bytes());
        }
        payload.extend_from_slice(&self.body);
        payload
    }
}

/// A decoded group: its version, and its operations, decoded one at a time.
#[derive(Debug)]
pub struct CommitGroup<'a> {
    /// The version that the group publishes.
    pub version: Version,
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
        let version = reader.take(8, "a version")?;
        let version = version.try_into().map_or(0, u64::from_le_bytes);
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
            tables,
            rest: reader,
        })
    }

    fn operation(&mut self) -> Result<Operation<'a>, Malformed> {
        let offset = self.rest.offset;
        let index = usize::try_from(self.rest.varint()?).unwrap_or(usize::MAX);
        let unknown = Malformed {
            expected: "the index of a table of this group",
            offset,
        };
        let table = *self.tables.get(index).ok_or(unknown)?;
        let offset = self.rest.offset;
        let kind = self.rest.take(1, "an operation's kind")?;
        let key = self.rest.bytes()?;
        let value = match kind {
            [DELETE] => None,
            [PUT] => Some(self.rest.bytes()?),
            _ => {
                return Err(Malformed {
                    expected: "kind 0 or 1",
                    offset,
                });
            }
        };
        Ok(Operation { table, key, value })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Owned = (String, Vec<u8>, Option<Vec<u8>>);

    fn encode(version: u64, operations: &[Owned]) -> Vec<u8> {
        let mut encoder = Encoder::new(Version(version));
        for (table, key, value) in operations {
            encoder.push(Operation {
                table,
                key,
                value: value.as_deref(),
            });
        }
        encoder.finish()
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            version: u64,
            operations in prop::collection::vec(
                ("[a-c]{0,2}", prop::collection::vec(any::<u8>(), 0..300), any::<Option<Vec<u8>>>()),
                0..20,
            ),
        ) {
            let payload = encode(version, &operations);
            let group = CommitGroup::decode(&payload).unwrap();
            prop_assert_eq!(group.version, Version(version));
            let decoded: Vec<Owned> = group
                .map(|o| o.unwrap())
                .map(|o| (o.table.to_owned(), o.key.to_vec(), o.value.map(<[u8]>::to_vec)))
                .collect();
            prop_assert_eq!(decoded, operations);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            if let Ok(group) = CommitGroup::decode(&bytes) {
                prop_assert!(group.count() <= bytes.len());
            }
        }
    }

    #[test]
    fn a_cut_payload_is_malformed() {
        let payload = encode(
            3,
            &[("t".to_owned(), b"key".to_vec(), Some(b"value".to_vec()))],
        );
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
