import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * A transactional producer that aborts, commits, commits offsets and is fenced; then a consumer of what is committed.
 * Arguments: bootstrap servers, topic, transactional id, group. Prints one line a step.
 */
public class Transactions {
    private static String servers;
    private static String topic;

    public static void main(String[] arguments) {
        servers = arguments[0];
        topic = arguments[1];
        String id = arguments[2];
        String group = arguments[3];
        TopicPartition first = new TopicPartition(topic, 0);

        try (KafkaProducer<String, String> producer = producer(id); KafkaProducer<String, String> next = producer(id)) {
            producer.initTransactions();
            producer.beginTransaction();
            send(producer, "aborted");
            producer.flush();
            producer.abortTransaction();

            producer.beginTransaction();
            send(producer, "committed");
            producer.sendOffsetsToTransaction(Map.of(first, new OffsetAndMetadata(7)), new ConsumerGroupMetadata(group));
            producer.commitTransaction();

            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(first, new OffsetAndMetadata(9)), new ConsumerGroupMetadata(group));
            send(producer, "zombie");
            producer.flush();
            next.initTransactions();
            try {
                producer.commitTransaction();
                System.out.println("not fenced");
            } catch (KafkaException expected) {
                System.out.println("fenced: " + expected.getClass().getSimpleName());
            }
            next.beginTransaction();
            send(next, "end");
            next.commitTransaction();
        }
        read(group, first);
    }

    private static KafkaProducer<String, String> producer(String id) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", servers);
        config.put("transactional.id", id);
        return new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
    }

    /** Sends a record to each of the topic's first three partitions. */
    private static void send(KafkaProducer<String, String> producer, String value) {
        for (int partition = 0; partition < 3; partition++) {
            producer.send(new ProducerRecord<>(topic, partition, null, value));
        }
    }

    private static void read(String group, TopicPartition first) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", servers);
        config.put("group.id", group);
        config.put("isolation.level", "read_committed");
        try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
            System.out.println("offset: " + consumer.committed(Set.of(first)).get(first).offset());
            List<TopicPartition> partitions = new ArrayList<>();
            for (int partition = 0; partition < 3; partition++) {
                partitions.add(new TopicPartition(topic, partition));
            }
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            int ends = 0;
            while (ends < 3) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    System.out.println(record.partition() + " " + record.value());
                    ends += record.value().equals("end") ? 1 : 0;
                }
            }
        }
    }
}
