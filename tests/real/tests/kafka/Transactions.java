import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Writes the transactions of three producers into three partitions, batch by batch in turn, some committed, some
 * aborted, one left open, and records outside of transactions between them. Arguments: bootstrap servers, topic.
 *
 * <p>Prints how many records there are, the offset where the open transaction begins in partition 0, and then the values
 * that a reader of committed records is to see. A value is its partition, a hyphen and a number.
 */
public final class Transactions {
    private static final int PARTITIONS = 3;
    private static final int STEPS = 400;

    private final String topic;
    private final Random random = new Random(7);
    private final List<String> visible = new ArrayList<>();
    private int sent;

    private Transactions(String topic) {
        this.topic = topic;
    }

    public static void main(String[] args) throws Exception {
        new Transactions(args[1]).write(args[0]);
        // The open transaction stays open: nothing is closed.
        Runtime.getRuntime().halt(0);
    }

    private void write(String bootstrap) throws Exception {
        List<Writer> writers = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            writers.add(new Writer(bootstrap, topic + "-" + i));
        }
        Writer plain = new Writer(bootstrap, null);
        for (int step = 0; step < STEPS; step++) {
            if (random.nextInt(8) == 0) {
                plain.send(random.nextInt(PARTITIONS), 1 + random.nextInt(5));
                plain.settle(true);
                continue;
            }
            Writer writer = writers.get(random.nextInt(writers.size()));
            if (!writer.isOpen) {
                writer.begin();
            } else if (random.nextInt(3) == 0) {
                writer.end(random.nextInt(5) < 3);
                continue;
            }
            // Now and then a transaction stays empty.
            writer.send(random.nextInt(PARTITIONS), random.nextInt(12));
        }
        for (Writer writer : writers) {
            if (writer.isOpen) {
                writer.end(random.nextBoolean());
            }
        }
        Writer open = writers.get(0);
        open.begin();
        long first = open.send(0, 3);
        // Committed, but in partition 0 behind the open transaction.
        Writer behind = writers.get(1);
        behind.begin();
        behind.send(0, 5);
        behind.pending.clear();
        behind.send(1, 5);
        behind.end(true);

        StringBuilder out = new StringBuilder();
        out.append(sent).append('\n').append(first).append('\n');
        visible.forEach(value -> out.append(value).append('\n'));
        System.out.print(out);
        System.out.flush();
    }

    private final class Writer {
        private final KafkaProducer<String, String> producer;
        private final List<String> pending = new ArrayList<>();
        private boolean isOpen;

        Writer(String bootstrap, String transactionalId) {
            Map<String, Object> settings = new java.util.HashMap<>(Map.of(
                    "bootstrap.servers", bootstrap,
                    "key.serializer", StringSerializer.class,
                    "value.serializer", StringSerializer.class,
                    "compression.type", transactionalId == null ? "none" : "lz4"));
            if (transactionalId != null) {
                settings.put("transactional.id", transactionalId);
                settings.put("transaction.timeout.ms", 600_000);
            }
            producer = new KafkaProducer<>(settings);
            if (transactionalId != null) {
                producer.initTransactions();
            }
        }

        void begin() {
            producer.beginTransaction();
            isOpen = true;
        }

        /** Sends records as one batch, and returns the offset of the first. */
        long send(int partition, int count) throws Exception {
            Future<RecordMetadata> first = null;
            for (int i = 0; i < count; i++) {
                String value = partition + "-" + sent++;
                Future<RecordMetadata> written = producer.send(new ProducerRecord<>(topic, partition, null, value));
                first = first == null ? written : first;
                pending.add(value);
            }
            producer.flush();
            return first == null ? -1 : first.get().offset();
        }

        void end(boolean commit) {
            if (commit) {
                producer.commitTransaction();
            } else {
                producer.abortTransaction();
            }
            isOpen = false;
            settle(commit);
        }

        void settle(boolean commit) {
            if (commit) {
                visible.addAll(pending);
            }
            pending.clear();
        }
    }
}
