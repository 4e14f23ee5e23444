import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Prints the metrics of a producer that sent a record, a consumer that read and committed it in a group, and an admin
 * client that listed topics: {@code CLIENT GROUP TAGS NAME}, sorted. The argument is a broker with a topic {@code orders}.
 */
public final class MetricNames {
    private static final TreeSet<String> LINES = new TreeSet<>();

    public static void main(String[] args) throws Exception {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", args[0]);
        settings.put("enable.metrics.push", "false");
        settings.put("group.id", "billing");
        settings.put("auto.offset.reset", "earliest");
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.send(new ProducerRecord<>("orders", 0, null, new byte[100])).get();
            add("producer", producer.metrics());
        }
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of("orders"));
            while (consumer.poll(Duration.ofSeconds(1)).isEmpty()) { }
            consumer.poll(Duration.ofSeconds(1));
            consumer.commitSync();
            add("consumer", consumer.metrics());
        }
        try (Admin admin = Admin.create(settings)) {
            admin.listTopics().names().get();
            add("admin", admin.metrics());
        }
        LINES.forEach(System.out::println);
    }

    private static void add(String client, Map<MetricName, ? extends Metric> metrics) {
        for (MetricName name : metrics.keySet()) {
            String tags = String.join(",", new TreeSet<>(name.tags().keySet()));
            LINES.add(client + " " + name.group() + " " + tags + " " + name.name());
        }
    }
}
