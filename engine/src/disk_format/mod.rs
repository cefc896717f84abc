//! What lies on disk: bytes to types and back. Pure: no I/O, lock, clock, or panic on any input.

mod archive_file;
mod backup_file;
pub mod codec;
pub mod commit_group;
mod doublewrite;
mod fields;
pub mod frame;
mod map_page;
mod overflow;
mod page_header;
pub mod segment;
mod superblock;

pub use archive_file::{
    ARCHIVE_GROUP_LEN, ARCHIVE_SECTOR, ArchiveGroup, ArchiveHeader, ArchiveTrailer,
};
pub use backup_file::{
    BACKUP_ENTRY_LEN, BACKUP_SECTOR, BACKUP_TABLE_AT, BackupBase, BackupEntry, BackupHeader,
    BackupTrailer, sector_crc,
};
pub use codec::FormatError;
pub use doublewrite::{
    BUFFER_HEADER_LEN, BufferHeader, Closing, Seal, SealedBuffer, encode_closed, encode_void,
};
pub use map_page::{
    BITMAP_BITS, HOMES_START, MAP_FANOUT, MAP_HEIGHT_MAX, MAP_PAGE_LEN, MapKind, MapPage,
    MapPageId, height_of, level_len,
};
pub use overflow::{expect_overflow, mark_overflow};
pub use page_header::{PAGE_HEADER_LEN, PageExpectation, PageHeader, checkpoint_low, stamp};
pub use superblock::{
    Digest, FORMAT_VERSION, Geometry, PAGE_SIZE_MAX, PAGE_SIZE_MIN, Root, SUPERBLOCK_LEN,
    SUPERBLOCK_OFFSETS, Superblock, SuperblockError,
};
