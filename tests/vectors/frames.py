"""Writes frames/: one text, compressed as clients other than the Java one compress it. See README.md."""

import gzip
import io
import pathlib
import struct
import zlib

import lz4.frame as lz4
import snappy
import zstandard as zstd


def noise(count):
    state = 0
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield state


FRAMES = pathlib.Path(__file__).parent / "frames"
TEXT = "".join(f"record {i % 300}: {'again and again, ' * (i % 9)}{i // 600}\n" for i in range(4_500)).encode()
HALF = len(TEXT) // 2
# What no codec makes smaller: the top bytes of a linear congruential generator.
NOISE = bytes(state >> 56 for state in noise(20_000))
# A few bytes for others, which a reader passes over: LZ4 and Zstandard have the same.
SKIPPABLE = struct.pack("<II", 0x184D2A53, 5) + b"skip!"


def lz4_frame(text=TEXT, store_size=False, **options):
    compressor = lz4.LZ4FrameCompressor(**{"block_linked": False, **options})
    # A compressor told the size takes smaller blocks than it was asked for.
    start = compressor.begin(len(text) if store_size else 0)
    return start + compressor.compress(text) + compressor.flush()


def zstd_frame(text=TEXT, flush_every=None, **options):
    options = options or {"level": 3}
    if "compression_params" not in options:
        options["write_content_size"] = False
    compressor = zstd.ZstdCompressor(**options).compressobj()
    step = flush_every or len(text)
    parts = [
        compressor.compress(text[i : i + step]) + compressor.flush(zstd.COMPRESSOBJ_FLUSH_BLOCK)
        for i in range(0, len(text), step)
    ]
    return b"".join(parts) + compressor.flush()


def gzip_member(text, flags=0, extra=b""):
    """A member with the optional header fields that gzip(1) never writes."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    header = struct.pack("<BBBBIBB", 0x1F, 0x8B, 8, flags, 0, 2, 255) + extra
    if flags & 2:
        header += struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    body = deflate.compress(text) + deflate.flush()
    return header + body + struct.pack("<II", zlib.crc32(text), len(text))


def xerial(text, version=1, block=20_000):
    out = b"\x82SNAPPY\0" + struct.pack(">II", version, 1)
    for i in range(0, len(text), block):
        compressed = snappy.compress(text[i : i + block])
        out += struct.pack(">I", len(compressed)) + compressed
    return out


def written_at_once(text):
    out = io.BytesIO()
    with gzip.GzipFile("name.txt", "wb", 1, out, 1_700_000_000) as file:
        file.write(text)
    return out.getvalue()


SIZES = {
    "64k": lz4.BLOCKSIZE_MAX64KB,
    "256k": lz4.BLOCKSIZE_MAX256KB,
    "1m": lz4.BLOCKSIZE_MAX1MB,
    "4m": lz4.BLOCKSIZE_MAX4MB,
}

WRITTEN = {
    # FLG 0x70, BD 0x40
    "block_checksums.lz4": lz4_frame(block_size=SIZES["64k"], block_checksum=True),
    # FLG 0x64, BD 0x70
    "content_checksum_4m.lz4": lz4_frame(block_size=SIZES["4m"], content_checksum=True),
    # FLG 0x40: a block refers to what earlier blocks hold
    "linked_64k.lz4": lz4_frame(block_size=SIZES["64k"], block_linked=True),
    "linked_256k.lz4": lz4_frame(block_size=SIZES["256k"], block_linked=True),
    # FLG 0x5c: everything at once, high compression
    "linked_all.lz4": lz4_frame(
        block_size=SIZES["64k"],
        block_linked=True,
        block_checksum=True,
        content_checksum=True,
        store_size=True,
        compression_level=9,
    ),
    "content_size_1m.lz4": lz4_frame(block_size=SIZES["1m"], store_size=True),
    # Blocks that are stored, not compressed
    "stored.lz4": lz4_frame(NOISE, content_checksum=True),
    "several_frames.lz4": SKIPPABLE + lz4_frame(TEXT[:HALF], block_linked=True) + SKIPPABLE + lz4_frame(TEXT[HALF:]),
    "checksum.zstd": zstd_frame(write_checksum=True),
    "content_size.zstd": zstd.ZstdCompressor(19).compress(TEXT),
    "many_blocks.zstd": zstd_frame(flush_every=1_000, level=1),
    "window_128m.zstd": zstd_frame(
        compression_params=zstd.ZstdCompressionParameters.from_level(
            3, window_log=27, enable_ldm=True, write_content_size=False
        )
    ),
    "several_frames.zstd": zstd_frame(TEXT[:HALF]) + SKIPPABLE + zstd_frame(TEXT[HALF:], level=-5),
    "zeros.zstd": zstd_frame(bytes(300_000)),
    "named.gzip": written_at_once(TEXT),
    "all_fields.gzip": gzip_member(TEXT, 0x1E, struct.pack("<H", 4) + b"more" + b"name\0" + b"comment\0"),
    "several_members.gzip": gzip_member(TEXT[:HALF]) + gzip_member(b"") + gzip_member(TEXT[HALF:]),
    "padded.gzip": gzip_member(TEXT) + bytes(16),
    "bare.snappy": snappy.compress(TEXT),
    "version_2.snappy": xerial(TEXT, 2),
    "several_streams.snappy": xerial(TEXT[:HALF]) + xerial(TEXT[HALF:]),
}

FRAMES.mkdir(exist_ok=True)
for name, frame in WRITTEN.items():
    (FRAMES / name).write_bytes(frame)
