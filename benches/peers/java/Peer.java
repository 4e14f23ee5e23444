import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The jobs by Java's clients. Producing is done in the way of Kafka's own ProducerPerformance: one thread sends, a callback counts.
 *
 * <p>It reads the words that the Rust programs read, and prints the line that they print.
 */
public final class Peer {
    /** By so many nanoseconds a timer may be late before it counts as the client's doing. */
    private static final long GRACE = 1_000_000;

    private static final int KEYS = 10_000;

    /** The most records of one poll. */
    private static final int POLL_RECORDS = 50_000;

    public static void main(String[] arguments) throws Exception {
        Words words = new Words(arguments);
        String group = words.text("group");
        switch (words.text("work")) {
            case "consume" -> consume(words, group);
            case "end-to-end" -> Journey.run(words);
            case "produce" -> produce(words);
            case "rebalance" -> Sharing.run(words, group);
            default -> throw new IllegalArgumentException("`work` is one of consume, end-to-end, produce, rebalance");
        }
    }

    private static void consume(Words words, String group) throws IOException {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", words.text("bootstrap"));
        settings.put("auto.offset.reset", "earliest");
        settings.put("max.poll.records", POLL_RECORDS);
        if (!group.isEmpty()) {
            settings.put("group.id", group);
            settings.put("group.protocol", words.text("protocol"));
        }
        String topic = words.text("topic");
        int warmUp = words.number("warm_up");
        int all = words.number("records") + warmUp;
        long begin = System.nanoTime();
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            if (group.isEmpty()) {
                consumer.assign(consumer.partitionsFor(topic).stream()
                    .map(it -> new TopicPartition(it.topic(), it.partition())).toList());
            } else {
                consumer.subscribe(List.of(topic));
            }
            long read = 0;
            long before = 0;
            long touched = 0;
            long first = 0;
            long started = 0;
            long cpu = 0;
            while (read < all) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    byte[] value = record.value();
                    touched += value[0] + value[value.length - 1];
                    read++;
                }
                if (read > 0 && first == 0) {
                    first = System.nanoTime() - begin;
                }
                if (read >= warmUp && started == 0) {
                    before = read;
                    started = System.nanoTime();
                    cpu = cpuNanos();
                }
            }
            if (touched == 0) {
                throw new IllegalStateException("the values are empty");
            }
            System.out.println(String.format(
                Locale.ROOT,
                "{\"acked\":%d,\"failed\":0,\"stored\":%d,\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"peak_rss_bytes\":%d,\"feed_bytes\":0,\"first_ms\":%.1f}",
                read - before, read, (System.nanoTime() - started) / 1e9, (cpuNanos() - cpu) / 1e9, peakRssBytes(), first / 1e6));
        }
    }

    static Map<String, Object> producing(Words words, Object bootstrap) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("acks", "all");
        settings.put("enable.idempotence", "true");
        settings.put("compression.type", words.text("compression"));
        settings.put("linger.ms", words.text("linger_ms"));
        settings.put("batch.size", words.text("batch_bytes"));
        settings.put("buffer.memory", words.text("buffer_bytes"));
        return settings;
    }

    private static void produce(Words words) throws Exception {
        Feed feed = new Feed(words);
        Map<String, Object> settings = producing(words, words.text("bootstrap"));
        int rate = words.number("rate");
        int records = words.number("records");
        int warmUp = words.number("warm_up");
        words.drop("partitions");
        words.finish();

        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.send(feed.next()).get();
            Job before = new Job(producer, feed, warmUp, rate);
            before.run();
            long cpu = cpuNanos();
            long begin = System.nanoTime();
            Job measured = new Job(producer, feed, records, rate);
            measured.run();
            double seconds = (System.nanoTime() - begin) / 1e9;
            double cpuSeconds = (cpuNanos() - cpu) / 1e9;
            long acked = measured.acked.get();
            String line = String.format(
                Locale.ROOT,
                "{\"acked\":%d,\"failed\":%d,\"stored\":%d,\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"peak_rss_bytes\":%d,\"feed_bytes\":%d",
                acked, measured.failed.get(), 1 + before.acked.get() + acked, seconds, cpuSeconds, peakRssBytes(), feed.bytes);
            System.out.println(line + measured.percentiles() + "}");
        }
    }

    /** Sends so many records, as fast as it goes or at a rate. */
    private static final class Job {
        final AtomicLong acked = new AtomicLong();
        final AtomicLong failed = new AtomicLong();
        private final KafkaProducer<byte[], byte[]> producer;
        private final Feed feed;
        private final int records;
        private final int rate;
        private final long[] latencies;

        Job(KafkaProducer<byte[], byte[]> producer, Feed feed, int records, int rate) {
            this.producer = producer;
            this.feed = feed;
            this.records = records;
            this.rate = rate;
            this.latencies = new long[rate == 0 ? 0 : records];
        }

        void run() {
            if (rate == 0) {
                Callback count = (written, error) -> count(error);
                for (int number = 0; number < records; number++) {
                    producer.send(feed.next(), count);
                }
            } else {
                sendAtRate();
            }
            producer.flush();
        }

        private void sendAtRate() {
            long begin = System.nanoTime();
            for (int number = 0; number < records; number++) {
                long due = begin + number * 1_000_000_000L / rate;
                long from = pace(due);
                int index = number;
                producer.send(feed.next(), (written, error) -> {
                    latencies[index] = System.nanoTime() - from;
                    count(error);
                });
            }
        }

        private void count(Exception error) {
            if (error == null) {
                acked.incrementAndGet();
            } else if (failed.incrementAndGet() == 1) {
                System.err.println("failed: " + error);
            }
        }

        String percentiles() {
            return latencies.length == 0 ? "" : Peer.percentiles(latencies);
        }
    }

    /** Waits until a record is due, and tells when its latency begins. */
    static long pace(long due) {
        for (long early = due - System.nanoTime(); early > 0; early = due - System.nanoTime()) {
            LockSupport.parkNanos(early);
        }
        long now = System.nanoTime();
        return now - due > GRACE ? due : now;
    }

    static String percentiles(long[] latencies) {
        Arrays.sort(latencies);
        return String.format(
            Locale.ROOT,
            ",\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f",
            percentile(latencies, 500), percentile(latencies, 990), percentile(latencies, 999));
    }

    /** Within how many microseconds so many of a thousand came. */
    private static double percentile(long[] sorted, long thousandths) {
        long rank = (sorted.length * thousandths + 999) / 1000;
        return sorted[(int) Math.max(rank, 1) - 1] / 1e3;
    }

    /** Records without end: topics, keys and values in turn. */
    static final class Feed {
        final long bytes;
        final String[] topics;
        private final byte[][] keys;
        private final byte[][] values;
        private int topic;
        private int key;
        private int value;

        Feed(Words words) throws IOException {
            String name = words.text("topic");
            topics = new String[words.number("topics")];
            for (int number = 0; number < topics.length; number++) {
                topics[number] = topics.length == 1 ? name : name + "-" + number;
            }
            keys = new byte[words.text("keyed").equals("true") ? KEYS : 0][];
            for (int number = 0; number < keys.length; number++) {
                keys[number] = String.format(Locale.ROOT, "key-%08d", number).getBytes(StandardCharsets.US_ASCII);
            }
            int size = words.number("size");
            byte[] all = Files.readAllBytes(Path.of(words.text("values")));
            if (all.length == 0 || all.length % size != 0) {
                throw new IllegalArgumentException("the file does not hold values of " + size + " bytes");
            }
            bytes = all.length;
            values = new byte[all.length / size][];
            for (int number = 0; number < values.length; number++) {
                values[number] = Arrays.copyOfRange(all, number * size, (number + 1) * size);
            }
        }

        ProducerRecord<byte[], byte[]> next() {
            byte[] itsKey = keys.length == 0 ? null : keys[key];
            var record = new ProducerRecord<byte[], byte[]>(topics[topic], itsKey, values[value]);
            topic = topic + 1 == topics.length ? 0 : topic + 1;
            key = key + 1 >= keys.length ? 0 : key + 1;
            value = value + 1 == values.length ? 0 : value + 1;
            return record;
        }
    }

    static long cpuNanos() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    static long peakRssBytes() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
            }
        }
        throw new IOException("no VmHWM in /proc/self/status");
    }

    /** The name=value arguments that were not asked for yet. */
    static final class Words {
        private final Map<String, String> said = new HashMap<>();

        Words(String[] arguments) {
            for (String word : arguments) {
                String[] parts = word.split("=", 2);
                if (parts.length < 2 || said.put(parts[0], parts[1]) != null) {
                    throw new IllegalArgumentException("`" + word + "` is said twice, or is not `name=value`");
                }
            }
            // What only other clients have a use for.
            said.remove("deliveries");
            if (said.get("group").isEmpty()) {
                said.remove("protocol");
            }
        }

        /** What only other jobs have a use for. */
        void drop(String name) {
            said.remove(name);
        }

        String text(String name) {
            String value = said.remove(name);
            if (value == null) {
                throw new IllegalArgumentException("`" + name + "` is missing");
            }
            return value;
        }

        int number(String name) {
            return Integer.parseInt(text(name));
        }

        void finish() {
            if (!said.isEmpty()) {
                throw new IllegalArgumentException("unknown: " + said.keySet());
            }
        }
    }
}
