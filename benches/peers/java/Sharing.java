import java.time.Duration;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A second member joins a group of one, again and again: see job/src/sharing.rs. */
final class Sharing {
    /** How often members of the classic protocol send heartbeats; the broker is told the same for the other one. */
    private static final int HEARTBEAT_MS = 500;

    private static final int ROUNDS = 5;

    /**
     * How long the first member owns everything before the second joins: then longer each time, so that the second comes
     * at different times between two heartbeats of the first.
     */
    private static final int REST_MS = 1000;

    /** The longest that each part takes. */
    private static final long PATIENCE_NANOS = TimeUnit.MINUTES.toNanos(1);

    /** What a member is told by its client: a record of a partition, or a number of partitions that came or went. */
    private record News(int member, int partition, int change, Exception failure) {}

    private final Map<String, Object> settings = new HashMap<>();
    private final String topic;
    private final int partitions;
    private final LinkedBlockingQueue<News> news = new LinkedBlockingQueue<>();
    private final int[] owned = new int[2];
    private final BitSet[] handed = {new BitSet(), new BitSet()};

    private Sharing(Peer.Words words, String group) {
        String protocol = words.text("protocol");
        settings.put("bootstrap.servers", words.text("bootstrap"));
        settings.put("group.id", group);
        settings.put("group.protocol", protocol);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        if (protocol.equals("classic")) {
            settings.put("heartbeat.interval.ms", HEARTBEAT_MS);
        }
        topic = words.text("topic");
        partitions = words.number("partitions");
    }

    static void run(Peer.Words words, String group) throws Exception {
        new Sharing(words, group).run();
    }

    private void run() throws Exception {
        int half = partitions / 2;
        Member first = new Member(0);
        first.start();
        until(() -> owned[0] == partitions && handed[0].cardinality() == partitions);
        long read = 0;
        long assigned = 0;
        long cpu = 0;
        for (int round = 0; round < ROUNDS; round++) {
            rest(REST_MS + HEARTBEAT_MS * round / ROUNDS);
            owned[1] = 0;
            handed[1].clear();
            long cpuBefore = Peer.cpuNanos();
            long begin = System.nanoTime();
            Member second = new Member(1);
            second.start();
            BooleanSupplier areShared = () -> owned[0] == half && owned[1] == half;
            assigned += until(areShared) - begin;
            until(() -> areShared.getAsBoolean() && handed[1].cardinality() >= half);
            read += System.nanoTime() - begin;
            cpu += Peer.cpuNanos() - cpuBefore;
            second.end();
            until(() -> owned[0] == partitions);
        }
        first.end();
        System.out.println(String.format(
            Locale.ROOT,
            "{\"acked\":%d,\"failed\":0,\"stored\":%d,\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"peak_rss_bytes\":%d,\"feed_bytes\":0,\"assigned_ms\":%.1f}",
            partitions, partitions, read / 1e9 / ROUNDS, cpu / 1e9 / ROUNDS, Peer.peakRssBytes(), assigned / 1e6 / ROUNDS));
    }

    /** Takes in what is told until a condition holds, and says when that was. */
    private long until(BooleanSupplier isDone) throws Exception {
        long limit = System.nanoTime() + PATIENCE_NANOS;
        while (true) {
            for (News told = news.poll(); told != null; told = news.poll()) {
                learn(told);
            }
            long now = System.nanoTime();
            if (isDone.getAsBoolean()) {
                return now;
            }
            News told = news.poll(limit - now, TimeUnit.NANOSECONDS);
            if (told == null) {
                throw new IllegalStateException(String.format(
                    Locale.ROOT,
                    "the members own %d and %d partitions and were handed %d and %d",
                    owned[0], owned[1], handed[0].cardinality(), handed[1].cardinality()));
            }
            learn(told);
        }
    }

    /** Waits for a while in which nothing is to change. */
    private void rest(long millis) throws Exception {
        long limit = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
        for (long left = limit - System.nanoTime(); left > 0; left = limit - System.nanoTime()) {
            News told = news.poll(left, TimeUnit.NANOSECONDS);
            if (told != null) {
                learn(told);
            }
        }
    }

    private void learn(News told) throws Exception {
        if (told.failure != null) {
            throw told.failure;
        }
        owned[told.member] += told.change;
        if (told.partition >= 0) {
            handed[told.member].set(told.partition);
        }
    }

    /** A member, which polls in a thread of its own. */
    private final class Member extends Thread implements ConsumerRebalanceListener {
        private final int number;
        private volatile boolean goesOn = true;

        Member(int number) {
            this.number = number;
            setDaemon(true);
        }

        void end() throws InterruptedException {
            goesOn = false;
            join();
        }

        @Override
        public void run() {
            try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                consumer.subscribe(List.of(topic), this);
                while (goesOn) {
                    for (var record : consumer.poll(Duration.ofMillis(100))) {
                        news.add(new News(number, record.partition(), 0, null));
                    }
                }
            } catch (RuntimeException error) {
                news.add(new News(number, -1, 0, error));
            }
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> came) {
            news.add(new News(number, -1, came.size(), null));
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> went) {
            news.add(new News(number, -1, -went.size(), null));
        }
    }
}
