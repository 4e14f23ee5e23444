import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.utils.Utils;

/**
 * Prints what the Java client reads from files of record batches, or from standard input if none is named.
 *
 * <pre>
 * batch BASE_OFFSET LAST_OFFSET LEADER_EPOCH TIMESTAMP_TYPE MAX_TIMESTAMP PRODUCER_ID PRODUCER_EPOCH BASE_SEQUENCE FLAGS COUNT CODEC
 * record OFFSET TIMESTAMP KEY VALUE
 * header KEY VALUE
 * </pre>
 *
 * A key or value is {@code null}, {@code "text"}, or {@code x} and hexadecimal digits. FLAGS are {@code -} or some of
 * {@code t} (transactional), {@code c} (control) and {@code d} (delete horizon).
 */
public final class Reader {
    public static void main(String[] files) throws IOException {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        if (files.length == 0) {
            print(ByteBuffer.wrap(System.in.readAllBytes()), out);
        }
        for (String file : files) {
            print(ByteBuffer.wrap(Files.readAllBytes(Path.of(file))), out);
        }
        out.flush();
    }

    static void print(ByteBuffer bytes, PrintStream out) {
        for (MutableRecordBatch batch : MemoryRecords.readableRecords(bytes).batches()) {
            batch.ensureValid();
            String flags = (batch.isTransactional() ? "t" : "") + (batch.isControlBatch() ? "c" : "")
                + (batch.deleteHorizonMs().isPresent() ? "d" : "");
            out.printf("batch %d %d %d %s %d %d %d %d %s %d %s%n", batch.baseOffset(), batch.lastOffset(),
                batch.partitionLeaderEpoch(), batch.timestampType().name, batch.maxTimestamp(), batch.producerId(),
                batch.producerEpoch(), batch.baseSequence(), flags.isEmpty() ? "-" : flags, batch.countOrNull(),
                batch.compressionType().name);
            for (Record record : batch) {
                out.printf("record %d %d %s %s%n", record.offset(), record.timestamp(), token(record.key()),
                    token(record.value()));
                for (Header header : record.headers()) {
                    out.printf("header %s %s%n", token(Utils.utf8(header.key())), token(header.value()));
                }
            }
        }
    }

    private static String token(ByteBuffer bytes) {
        return token(Utils.toNullableArray(bytes));
    }

    static String token(byte[] bytes) {
        if (bytes == null) {
            return "null";
        }
        for (byte b : bytes) {
            if (b <= ' ' || b == '"' || b == '\\' || b == 127) {
                return "x" + HexFormat.of().formatHex(bytes);
            }
        }
        return '"' + new String(bytes, StandardCharsets.US_ASCII) + '"';
    }
}
