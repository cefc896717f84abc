#!/usr/bin/env python3
"""Reads a Lightning DB directory and prints its records, one JSON object a line.

Written from docs/design/file_format.md alone, with nothing but the standard library: it shows that the page is enough. It
writes nothing, and stops with a message and exit code 2 at the first damage that it cannot read around.

    read_db.py DIRECTORY

Each line is {"table": NAME, "key": HEX, "value": HEX}, sorted by table and key; tables without rows give
{"table": NAME}.
"""

import bisect
import json
import os
import struct
import sys

FORMAT = 1
FANOUT = 508
BITS = 32512
MAP_PAGE = 4096
COPIES = (0, 16384)


class Damage(Exception):
    """Bytes that are not what the format page says."""


def make_crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ 0x82F63B78 if n & 1 else n >> 1
        table.append(n)
    return table


CRC_TABLE = make_crc_table()


def crc32c(*parts):
    crc = 0xFFFFFFFF
    table = CRC_TABLE
    for part in parts:
        for byte in part:
            crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def crc_zeroed(data, at):
    return crc32c(data[:at], b"\0\0\0\0", data[at + 4:])


def crc_joined(data, at):
    return crc32c(data[:at], data[at + 4:])


def u8(data, at):
    return data[at]


def u16(data, at):
    return struct.unpack_from("<H", data, at)[0]


def u32(data, at):
    return struct.unpack_from("<I", data, at)[0]


def u64(data, at):
    return struct.unpack_from("<Q", data, at)[0]


def read_file(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def check_format(found, what):
    if found != FORMAT:
        raise Damage(f"{what} of format {found}, this reader knows {FORMAT}")


def level_len(kind, level, count):
    span = FANOUT if kind == 1 else BITS
    length = -(-count // span)
    for _ in range(level):
        length = -(-length // FANOUT)
    return length


def height_of(kind, count):
    if count == 0:
        return 0
    level = 0
    while level_len(kind, level, count) > 1:
        level += 1
    return level + 1


class Superblock:
    def __init__(self, sector):
        self.page_size = u32(sector, 12)
        self.segment_len = u64(sector, 16)
        self.salt = u64(sector, 24)
        self.checkpoint = u64(sector, 32)
        self.version = u64(sector, 40)
        self.log_lsn = u64(sector, 48)
        self.log_chain = u32(sector, 56)
        self.map_height = u8(sector, 60)
        self.bitmap_height = u8(sector, 61)
        self.map_crc = u32(sector, 64)
        self.page_count = u32(sector, 72)
        self.slot_count = u32(sector, 76)
        self.predecessor = (u64(sector, 80), u32(sector, 88))
        self.digest = (self.checkpoint, u32(sector, 508))
        self.geometry = (self.page_size, self.segment_len, self.salt)

    def is_consistent(self):
        size = self.page_size
        return (
            512 <= size <= 65536
            and size & (size - 1) == 0
            and self.predecessor[0] < self.checkpoint
            and self.map_height == height_of(1, self.page_count)
            and self.bitmap_height == height_of(2, self.slot_count)
        )


def read_superblock(sector):
    """The superblock, or None where there is no valid one."""
    if len(sector) != 512 or sector[:8] != b"LIGHTNDB":
        return None
    if crc_zeroed(sector, 508) != u32(sector, 508):
        return None
    check_format(u32(sector, 8), "a superblock")
    superblock = Superblock(sector)
    return superblock if superblock.is_consistent() else None


def read_buffer(buffer):
    """The superblock and map pages of a sealed buffer; None for any other."""
    if buffer is None or len(buffer) < 512 or buffer[:8] != b"LDBLWRIT":
        return None
    header = buffer[:512]
    if crc_zeroed(header, 508) != u32(header, 508):
        return None
    check_format(u32(header, 8), "a double-write buffer")
    if u32(header, 12) != 1:
        return None
    body = buffer[512:512 + u64(header, 24)]
    if len(body) != u64(header, 24) or crc32c(body) != u32(header, 32):
        return None
    superblock = read_superblock(body[:512])
    if superblock is None or superblock.checkpoint != u64(header, 16):
        return None
    pages, at = {}, 512
    while at < len(body):
        length = u16(body, at)
        page = body[at + 2:at + 2 + length].ljust(MAP_PAGE, b"\0")
        pages[(u8(page, 4), u8(page, 5), u32(page, 8))] = page
        at += 2 + length
    return superblock, pages


def home(kind, level, index):
    if kind == 1:
        region, place = {
            0: (index // FANOUT, 24 + index % FANOUT),
            1: (index, 0),
            2: (index * FANOUT, 1),
            3: (index * FANOUT * FANOUT, 2),
        }[level]
    elif level == 0:
        region, place = index // 16, 8 + index % 16
    else:
        region, place = index, 3 + level
    return 32768 + MAP_PAGE * (532 * region + place)


class Map:
    def __init__(self, data, file, superblock, pages):
        self.file = file or b""
        self.pages = pages
        self.superblock = superblock
        self.data = data or b""
        self.entries = []
        if superblock.map_height > 0:
            self.load(superblock.map_height - 1, 0, superblock.map_crc)

    def map_page(self, level, index, crc):
        page = self.pages.get((1, level, index))
        if page is None:
            at = home(1, level, index)
            page = self.file[at:at + MAP_PAGE]
        is_sound = (
            len(page) == MAP_PAGE
            and page[:4] == b"LMAP"
            and (u8(page, 4), u8(page, 5), u32(page, 8)) == (1, level, index)
            and crc == u32(page, 12) == crc_zeroed(page, 12)
        )
        if not is_sound:
            raise Damage(f"map page {level}/{index} at offset {home(1, level, index)}")
        return page

    def load(self, level, index, crc):
        page = self.map_page(level, index, crc)
        if level == 0:
            self.entries.extend(struct.iter_unpack("<II", page[32:]))
            return
        below = level_len(1, level - 1, self.superblock.page_count)
        for position in range(min(FANOUT, below - index * FANOUT)):
            self.load(level - 1, index * FANOUT + position, u32(page, 32 + 8 * position))

    def page(self, number):
        """The bytes of a page, checked."""
        slot, crc = self.entries[number] if number < len(self.entries) else (0, 0)
        if slot == 0:
            raise Damage(f"page {number} is not mapped")
        size = self.superblock.page_size
        at = max(32768, size) + (slot - 1) * size
        page = self.data[at:at + size]
        is_sound = (
            len(page) == size
            and crc == u32(page, 24) == crc_zeroed(page, 24)
            and u32(page, 20) == number
            and u64(page, 0) <= self.superblock.version
        )
        if not is_sound:
            raise Damage(f"page {number} in data at offset {at}")
        return page

    def extent(self, first, length):
        piece = self.superblock.page_size - 32
        parts = []
        for number in range(first, first + -(-length // piece)):
            page = self.page(number)
            if u8(page, 13) != 3:
                raise Damage(f"page {number} is no piece of an extent")
            parts.append(page[32:])
        return b"".join(parts)[:length]

    def node(self, number, level):
        """Keys, and values or children, of a node; level None for a root."""
        page = self.page(number)
        size = len(page)
        own, kind = u8(page, 12), u8(page, 13)
        if kind != (1 if own == 0 else 2) or own > 40 or (level is not None and own != level):
            raise Damage(f"page {number} is no node at level {level}")
        n, prefix_len = u16(page, 8), u16(page, 10)
        prefix = page[size - prefix_len:]
        slots = 32 + 4 * n if own == 0 else 32 + 8 * n + 4
        inline_max = size // 8
        keys, values = [], []
        for i in range(n):
            head = struct.pack(">I", u32(page, 32 + 4 * i))
            slot = u16(page, slots + 2 * i)
            if own > 0 and slot <= 4:
                keys.append(prefix + head[:slot])
                continue
            suffix_len = u16(page, slot)
            length = prefix_len + suffix_len
            rest = max(0, min(length, inline_max) - prefix_len - 4)
            at = slot + (5 if own == 0 else 2)
            key = prefix + head[:min(4, suffix_len)] + page[at:at + rest]
            at += rest
            if length > inline_max:
                key += self.extent(u32(page, at), length - inline_max)
                at += 4
            keys.append(key)
            if own == 0:
                value = page[at:at + u16(page, slot + 2)]
                if u8(page, slot + 4) == 1:
                    value = self.extent(u32(value, 8), u64(value, 0))
                values.append(value)
        children = []
        if own > 0:
            children = list(struct.unpack_from(f"<{n + 1}I", page, 32 + 4 * n))
        return own, keys, values, children

    def rows(self, root, level=None):
        own, keys, values, children = self.node(root, level)
        if own == 0:
            yield from zip(keys, values)
        for child in children:
            yield from self.rows(child, own - 1)


class Segment:
    def __init__(self, name, data, header):
        self.name = name
        self.data = data
        self.chain = u32(header, 4)
        self.seq = u64(header, 24)
        self.continues = (u64(header, 40), u32(header, 12))
        self.durable = u64(header, 48)
        self.origin = u8(header, 56)


class Log:
    """The log behind a superblock: `groups` yields the payloads of whole groups."""

    def __init__(self, directory, superblock):
        self.superblock = superblock
        self.len = superblock.segment_len
        self.first = (superblock.log_lsn - 1) // self.len
        self.headless = []
        self.segments = {}
        wal = os.path.join(directory, "wal")
        for name in sorted(os.listdir(wal)):
            if not name.isdigit() or name != f"{int(name):06}":
                continue
            data = read_file(os.path.join(wal, name))[:self.len]
            self.add(name, data)

    def add(self, name, data):
        header = data[:64]
        is_sound = (
            len(data) >= 4096
            and header[:4] == b"LDBs"
            and crc_joined(header, 4) == u32(header, 4)
        )
        if is_sound:
            check_format(u32(header, 8), f"log segment {name}")
        ours = (self.superblock.salt, self.len)
        if not is_sound or (u64(header, 16), u64(header, 32)) != ours or u64(header, 24) == 0:
            self.headless.append((name, data))
            return
        segment = Segment(name, data, header)
        if segment.seq < self.first:
            return
        if segment.seq in self.segments:
            raise Damage(f"two log segments {segment.seq}")
        self.segments[segment.seq] = segment

    def frame_header(self, data, at):
        """The 64 bytes at an offset, if they are a sound frame header of this database."""
        header = data[at:at + 64]
        is_sound = (
            len(header) == 64
            and header[:4] == b"LDBf"
            and crc_joined(header, 4) == u32(header, 4)
            and u64(header, 8) == self.superblock.salt
        )
        return header if is_sound else None

    def accept(self, segment, at, chain):
        header = self.frame_header(segment.data, at)
        if header is None:
            return None
        is_here = (
            u64(header, 16) == segment.seq
            and u64(header, 24) == segment.seq * self.len + at
            and u32(header, 48) == chain
        )
        payload = segment.data[at + 64:at + 64 + u32(header, 40)]
        if not is_here or len(payload) != u32(header, 40):
            return None
        return (header, payload) if crc32c(payload) == u32(header, 44) else None

    def groups(self):
        lsn, chain = self.superblock.log_lsn, self.superblock.log_chain
        segment = self.segments.get(self.first)
        if segment is None:
            raise Damage(f"no log segment {self.first}, where the log starts")
        at = lsn - self.first * self.len
        if at < 4096 or (at == 4096 and segment.chain != chain):
            raise Damage(f"log segment {segment.name} is not where the log starts")
        parts = None
        while True:
            places = dict.fromkeys((-(-at // 64) * 64, -(-at // 4096) * 4096))
            found = None
            for place in places:
                found = self.accept(segment, place, chain)
                if found is not None:
                    break
            if found is not None:
                header, payload = found
                at, chain = place + 64 + len(payload), u32(header, 4)
                flags = u8(header, 52)
                if (flags & 1 != 0) != (parts is None):
                    raise Damage(f"a misplaced part in {segment.name} at offset {place}")
                parts = (parts or b"") + payload
                if flags & 2:
                    yield parts
                    parts = None
                continue
            end = (segment.seq * self.len + at, chain)
            later = [s for s in self.segments.values() if s.seq > segment.seq and s.continues == end]
            if not later:
                self.judge(segment, at)
                return
            segment = max(later, key=lambda s: s.seq)
            at, chain = 4096, segment.chain
            if segment.origin == 1:
                parts = None

    def judge(self, hole, at):
        """Raises Damage if the hole was durable once."""
        for name, data in self.headless:
            for block in range(4096, len(data), 4096):
                header = self.frame_header(data, block)
                if header is not None:
                    seq, position = u64(header, 16), u64(header, 24)
                    if seq >= self.first and position == seq * self.len + block:
                        raise Damage(f"log segment {name} has lost its header")
        durable = self.last_durable(hole, at)
        if durable is not None and durable > hole.seq * self.len + at:
            raise Damage(f"log segment {hole.name} at offset {at}: it was durable to {durable}")

    def last_durable(self, hole, at):
        for seq in sorted((s for s in self.segments if s >= hole.seq), reverse=True):
            segment = self.segments[seq]
            end = at if seq == hole.seq else 4096
            places = list(range(-(-end // 4096) * 4096, len(segment.data), 4096))[::-1]
            exact = -(-end // 64) * 64
            if exact % 4096:
                places.append(exact)
            for place in places:
                header = self.frame_header(segment.data, place)
                is_here = header is not None and (u64(header, 16), u64(header, 24)) == (
                    seq,
                    seq * self.len + place,
                )
                if is_here:
                    return u64(header, 32)
            if seq != hole.seq:
                return segment.durable
        return None


class Cursor:
    """Reads a commit group's bytes."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, length):
        if self.at + length > len(self.data):
            raise Damage("a commit group that ends early")
        self.at += length
        return self.data[self.at - length:self.at]

    def varint(self):
        value = shift = 0
        while shift < 64:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise Damage("a varint of more than 64 bits")

    def bytes(self):
        return self.take(self.varint())

    def bound(self):
        kind = self.take(1)[0]
        if kind > 2:
            raise Damage(f"a bound of kind {kind}")
        return (kind, self.bytes() if kind else b"")


def apply_group(tables, group, version):
    cursor = Cursor(group)
    found = u64(cursor.take(8), 0)
    cursor.take(8)
    if found != version:
        raise Damage(f"a commit group of version {found}, expected {version}")
    names = [cursor.bytes().decode() for _ in range(cursor.varint())]
    while cursor.at < len(cursor.data):
        name = names[cursor.varint()]
        kind = cursor.take(1)[0]
        if kind == 0:
            tables.get(name, {}).pop(cursor.bytes(), None)
        elif kind == 1:
            key = cursor.bytes()
            tables.setdefault(name, {})[key] = cursor.bytes()
        elif kind == 2:
            tables.setdefault(name, {})
        elif kind == 3:
            tables.pop(name, None)
        elif kind == 4:
            tables[names[cursor.varint()]] = tables.pop(name)
        elif kind == 5:
            delete_range(tables.get(name, {}), cursor.bound(), cursor.bound())
        else:
            raise Damage(f"an operation of kind {kind}")


def delete_range(rows, low, high):
    keys = sorted(rows)
    first = 0
    if low[0]:
        find = bisect.bisect_left if low[0] == 1 else bisect.bisect_right
        first = find(keys, low[1])
    last = len(keys)
    if high[0]:
        find = bisect.bisect_right if high[0] == 1 else bisect.bisect_left
        last = find(keys, high[1])
    for key in keys[first:last]:
        del rows[key]


def choose(directory):
    """The checkpoint's superblock, and the map pages that the buffer has in place of those at home."""
    copies = []
    files = {name: read_file(os.path.join(directory, name)) for name in ("data", "map")}
    for file in files.values():
        copies += [read_superblock(file[at:at + 512]) for at in COPIES if file]
    copies = [copy for copy in copies if copy]
    newest = max(copies, key=lambda copy: copy.checkpoint) if copies else None
    buffer = read_buffer(read_file(os.path.join(directory, "doublewrite")))
    if buffer is not None:
        superblock, pages = buffer
        fits = newest is None or (
            superblock.geometry == newest.geometry
            and newest.digest in (superblock.predecessor, superblock.digest)
        )
        if fits:
            return files, superblock, pages
    if newest is None:
        raise Damage("no database: no valid superblock, no sealed buffer")
    return files, newest, {}


def read_database(directory):
    files, superblock, pages = choose(directory)
    page_map = Map(files["data"], files["map"], superblock, pages)
    tables = {}
    if superblock.page_count > 1:
        for name, root in page_map.rows(1):
            tables[name.decode()] = dict(page_map.rows(u32(root, 0)))
    version = max(superblock.version, 1)
    for group in Log(directory, superblock).groups():
        version += 1
        apply_group(tables, group, version)
    return tables


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        tables = read_database(sys.argv[1])
    except (Damage, struct.error, IndexError, OSError) as error:
        print(f"read_db: {error}", file=sys.stderr)
        sys.exit(2)
    for table in sorted(tables, key=str.encode):
        if not tables[table]:
            print(json.dumps({"table": table}))
        for key in sorted(tables[table]):
            print(json.dumps({"table": table, "key": key.hex(), "value": tables[table][key].hex()}))


if __name__ == "__main__":
    main()
