import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Function;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.DefaultRecordBatch;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecords.RecordFilter;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.Utils;

/** Writes every batch and hash beside this project: see README.md there. The argument is the folder. */
public final class Vectors {
    private static final long NOON = 1_700_000_000_000L;
    private static final Header[] NONE = {};

    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        Path batches = Files.createDirectories(folder.resolve("batches"));

        // Each with every codec; the text is the same but for the codec's name.
        Map<String, Function<Compression, ByteBuffer>> shapes = new TreeMap<>();
        shapes.put("append_time", Vectors::appendTime);
        shapes.put("compacted", compression -> compact(plain(compression, 10), 10_000, 0));
        shapes.put("delete_horizon", compression -> compact(tombstones(compression), NOON, 86_400_000));
        shapes.put("many", Vectors::many);
        shapes.put("mixed", Vectors::mixed);
        shapes.put("one", compression -> plain(compression, 1));
        shapes.put("transactional", Vectors::transactional);
        for (Map.Entry<String, Function<Compression, ByteBuffer>> shape : shapes.entrySet()) {
            for (CompressionType type : CompressionType.values()) {
                ByteBuffer bytes = shape.getValue().apply(Compression.of(type).build());
                write(batches.resolve(shape.getKey() + "." + type.name + ".bin"), bytes);
                if (type == CompressionType.NONE) {
                    describe(batches.resolve(shape.getKey() + ".txt"), bytes);
                }
            }
        }

        // Uncompressed whatever the topic's codec.
        Map<String, ByteBuffer> single = new TreeMap<>();
        single.put("marker_abort", marker(ControlRecordType.ABORT));
        single.put("marker_commit", marker(ControlRecordType.COMMIT));
        single.put("compacted_away", header());
        for (Map.Entry<String, ByteBuffer> batch : single.entrySet()) {
            write(batches.resolve(batch.getKey() + ".none.bin"), batch.getValue());
            describe(batches.resolve(batch.getKey() + ".txt"), batch.getValue());
        }

        // Formats from before Kafka 0.11.
        for (byte magic = 0; magic < 2; magic++) {
            MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(512), magic, Compression.NONE,
                magic == 0 ? TimestampType.NO_TIMESTAMP_TYPE : TimestampType.CREATE_TIME, 0L);
            builder.append(magic == 0 ? RecordBatch.NO_TIMESTAMP : NOON, utf8("key"), utf8("value"));
            write(batches.resolve("magic_" + magic + ".bin"), builder.build().buffer());
        }

        hashes(folder.resolve("murmur2.txt"));
    }

    /** Null, empty and not ASCII; headers doubled, null and empty; timestamps that an i32 cannot hold apart. */
    private static ByteBuffer mixed(Compression compression) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(4096), RecordBatch.CURRENT_MAGIC_VALUE,
            compression, TimestampType.CREATE_TIME, 4_000_000_000L, RecordBatch.NO_TIMESTAMP, 17);
        builder.append(NOON, utf8("key"), utf8("value"), NONE);
        builder.append(NOON + 1, null, utf8("no key"), NONE);
        builder.append(NOON - 1, utf8(""), utf8("empty key, earlier"), NONE);
        builder.append(NOON, utf8("tombstone"), null, NONE);
        builder.append(NOON, utf8("empty"), utf8(""), NONE);
        builder.append(NOON, (byte[]) null, null, NONE);
        builder.append(0, utf8("1970"), utf8("a delta below an i32"), NONE);
        builder.append(NOON + (1L << 33), utf8("later"), utf8("a delta above an i32"), NONE);
        builder.append(NOON, utf8("Ottla Kafková"), utf8("Příbor, 29. října – 東京 🚀"), NONE);
        builder.append(NOON, new byte[] {0, -1, -128, 127}, new byte[] {-1, -2}, NONE);
        builder.append(NOON, utf8("headers"), utf8("in order"), new Header[] {
            new RecordHeader("b", utf8("1")), new RecordHeader("a", utf8("2")), new RecordHeader("b", utf8("3")),
            new RecordHeader("null", null), new RecordHeader("empty", utf8("")), new RecordHeader("", utf8("no key")),
            new RecordHeader("klíč", new byte[] {0, 1, 2, -1}), new RecordHeader("long", new byte[70]),
        });
        builder.append(NOON, null, (byte[]) null, new Header[] {new RecordHeader("only", utf8("headers"))});
        builder.append(NOON, utf8("k".repeat(63)), utf8("v".repeat(64)), NONE);
        builder.append(NOON, utf8("k".repeat(64)), utf8("v".repeat(8192)), NONE);
        return builder.build().buffer();
    }

    /** More than a block of each codec: snappy's 32 KiB, LZ4's 64 KiB. */
    private static ByteBuffer many(Compression compression) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 17), compression,
            TimestampType.CREATE_TIME, 100L);
        Random random = new Random(1);
        String[] words = {"tea", "milk", "bread", "castle", "trial", "letter", "clerk", "insect"};
        for (int i = 0; i < 1000; i++) {
            String value = String.format("{\"id\":%d,\"item\":\"%s\",\"with\":\"%s\",\"price\":%d}", random.nextInt(1 << 30),
                words[random.nextInt(8)], words[random.nextInt(8)], random.nextInt(10_000)).replace('"', '\'');
            builder.append(NOON + i / 3, utf8("user-" + random.nextInt(500)), utf8(value), NONE);
        }
        return builder.build().buffer();
    }

    private static ByteBuffer appendTime(Compression compression) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(512), RecordBatch.CURRENT_MAGIC_VALUE,
            compression, TimestampType.LOG_APPEND_TIME, 7L, NOON + 12_345);
        for (int i = 0; i < 3; i++) {
            builder.append(NOON + i, utf8("key"), utf8("value " + i), NONE);
        }
        return builder.build().buffer();
    }

    private static ByteBuffer transactional(Compression compression) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(512), RecordBatch.CURRENT_MAGIC_VALUE,
            compression, TimestampType.CREATE_TIME, 90L, RecordBatch.NO_TIMESTAMP, 5_000_000_000L, (short) 7,
            Integer.MAX_VALUE - 1, true, 3);
        for (int i = 0; i < 4; i++) {
            builder.append(NOON + i, utf8("account-" + i), utf8("+" + i), NONE);
        }
        return builder.build().buffer();
    }

    private static ByteBuffer plain(Compression compression, int count) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1024), compression,
            TimestampType.CREATE_TIME, 50L);
        for (int i = 0; i < count; i++) {
            builder.append(NOON + 10L * i, utf8("key-" + i), utf8("value-" + i), NONE);
        }
        return builder.build().buffer();
    }

    private static ByteBuffer tombstones(Compression compression) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1024), compression,
            TimestampType.CREATE_TIME, 30L);
        for (int i = 0; i < 6; i++) {
            builder.append(NOON + i, utf8("key-" + i), i % 2 == 0 ? null : utf8("value"), NONE);
        }
        return builder.build().buffer();
    }

    /** What a log cleaner leaves: records 1, 2 and 4, so that first and last are gone. */
    private static ByteBuffer compact(ByteBuffer bytes, long now, long retention) {
        ByteBuffer cleaned = ByteBuffer.allocate(4096);
        MemoryRecords.readableRecords(bytes).filterTo(new RecordFilter(now, retention) {
            @Override
            protected BatchRetentionResult checkBatchRetention(RecordBatch batch) {
                return new BatchRetentionResult(BatchRetention.DELETE_EMPTY, false);
            }

            @Override
            protected boolean shouldRetainRecord(RecordBatch batch, Record record) {
                long index = record.offset() - batch.baseOffset();
                return index == 1 || index == 2 || index == 4;
            }
        }, cleaned, BufferSupplier.NO_CACHING);
        cleaned.flip();
        return cleaned;
    }

    private static ByteBuffer marker(ControlRecordType type) {
        return MemoryRecords.withEndTransactionMarker(94L, NOON, 3, 5_000_000_000L, (short) 7,
            new EndTransactionMarker(type, 11)).buffer();
    }

    /** All that compaction leaves of an idempotent producer's last batch. */
    private static ByteBuffer header() {
        ByteBuffer buffer = ByteBuffer.allocate(DefaultRecordBatch.RECORD_BATCH_OVERHEAD);
        DefaultRecordBatch.writeEmptyHeader(buffer, RecordBatch.CURRENT_MAGIC_VALUE, 5_000_000_000L, (short) 7, 12, 200L,
            209L, 3, TimestampType.CREATE_TIME, NOON, false, false);
        buffer.flip();
        return buffer;
    }

    private static void hashes(Path file) throws IOException {
        Random random = new Random(2);
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 1000; i++) {
            byte[] key;
            if (i < 20) {
                key = "0123456789abcdefghij".substring(0, i).getBytes(StandardCharsets.US_ASCII);
            } else if (i < 400) {
                key = utf8("user-" + random.nextInt());
            } else if (i < 600) {
                key = utf8(random.ints(1 + random.nextInt(8), 0xa1, 0x4000).collect(StringBuilder::new,
                    StringBuilder::appendCodePoint, StringBuilder::append).toString());
            } else {
                key = new byte[random.nextInt(40)];
                random.nextBytes(key);
            }
            int hash = Utils.murmur2(key);
            lines.append(Reader.token(key)).append(' ').append(hash).append(' ').append(Utils.toPositive(hash)).append('\n');
        }
        Files.writeString(file, lines.toString());
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static void write(Path file, ByteBuffer bytes) throws IOException {
        Files.write(file, Utils.toArray(bytes.duplicate()));
    }

    private static void describe(Path file, ByteBuffer bytes) throws IOException {
        try (PrintStream out = new PrintStream(file.toFile(), StandardCharsets.UTF_8)) {
            Reader.print(bytes.duplicate(), out);
        }
    }
}
