import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Records on their way from a producer to a consumer of the same process: see job/src/journey.rs. */
final class Journey {
    /** Bytes at the front of a value: its number, and when its latency began. */
    private static final int STAMP = 16;

    /** The longest that a job waits for the last of its records. */
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private Journey() {}

    static void run(Peer.Words words) throws Exception {
        Peer.Feed feed = new Peer.Feed(words);
        Map<String, Object> reading = new HashMap<>();
        reading.put("bootstrap.servers", words.text("bootstrap"));
        reading.put("enable.auto.commit", "false");
        Map<String, Object> producing = Peer.producing(words, reading.get("bootstrap.servers"));
        int rate = words.number("rate");
        int records = words.number("records");
        int warmUp = words.number("warm_up");
        List<TopicPartition> partitions = IntStream.range(0, words.number("partitions"))
            .mapToObj(partition -> new TopicPartition(feed.topics[0], partition)).toList();
        words.finish();

        try (var producer = new KafkaProducer<>(producing, new ByteArraySerializer(), new ByteArraySerializer());
            var consumer = new KafkaConsumer<>(reading, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(partitions);
            consumer.seekToEnd(partitions);
            // Now, and not with the first poll: what is sent next is behind these.
            partitions.forEach(consumer::position);
            var failure = new AtomicReference<Exception>();
            var sender = new Thread(() -> send(producer, feed, warmUp + records, rate, failure));
            sender.start();

            long limit = System.nanoTime() + (warmUp + records) / rate * 1_000_000_000L + PATIENCE.toNanos();
            boolean[] seen = new boolean[records];
            long[] latencies = new long[records];
            int came = 0;
            long started = 0;
            long cpu = 0;
            while (came < records) {
                if (System.nanoTime() > limit) {
                    throw new IllegalStateException(came + " of " + records + " records came");
                }
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    long now = System.nanoTime();
                    ByteBuffer stamp = ByteBuffer.wrap(record.value()).order(ByteOrder.LITTLE_ENDIAN);
                    int index = (int) stamp.getLong() - warmUp;
                    if (index < 0) {
                        continue;
                    }
                    if (started == 0) {
                        started = System.nanoTime();
                        cpu = Peer.cpuNanos();
                    }
                    if (seen[index]) {
                        throw new IllegalStateException("record " + index + " came twice");
                    }
                    seen[index] = true;
                    latencies[came++] = now - stamp.getLong();
                }
            }
            double seconds = (System.nanoTime() - started) / 1e9;
            double cpuSeconds = (Peer.cpuNanos() - cpu) / 1e9;
            sender.join();
            if (failure.get() != null) {
                throw failure.get();
            }
            System.out.println(String.format(
                Locale.ROOT,
                "{\"acked\":%d,\"failed\":0,\"stored\":%d,\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"peak_rss_bytes\":%d,\"feed_bytes\":%d",
                records, warmUp + records, seconds, cpuSeconds, Peer.peakRssBytes(), feed.bytes) + Peer.percentiles(latencies) + "}");
        }
    }

    private static void send(
        KafkaProducer<byte[], byte[]> producer, Peer.Feed feed, int records, int rate, AtomicReference<Exception> failure) {
        long begin = System.nanoTime();
        for (int number = 0; number < records; number++) {
            long from = Peer.pace(begin + number * 1_000_000_000L / rate);
            var next = feed.next();
            byte[] value = Arrays.copyOf(next.value(), next.value().length);
            ByteBuffer.wrap(value, 0, STAMP).order(ByteOrder.LITTLE_ENDIAN).putLong(number).putLong(from);
            producer.send(new ProducerRecord<>(next.topic(), next.key(), value), (written, error) -> {
                if (error != null) {
                    failure.compareAndSet(null, error);
                }
            });
        }
        producer.flush();
    }
}
