import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;

/** A member of a group that writes down what it reads before it commits; see the example group_member. */
public class Member {
    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        properties.put("group.id", arguments[2]);
        properties.put("key.deserializer", StringDeserializer.class.getName());
        properties.put("value.deserializer", StringDeserializer.class.getName());
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        for (int i = 4; i < arguments.length; i++) {
            String[] setting = arguments[i].split("=", 2);
            properties.put(setting[0], setting[1]);
        }
        KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties);
        Thread main = Thread.currentThread();
        Thread end = new Thread(() -> {
            try {
                while (System.in.read() >= 0) { }
            } catch (IOException e) {
                // The end as well.
            }
            consumer.wakeup();
        });
        end.setDaemon(true);
        end.start();
        try (FileOutputStream file = new FileOutputStream(arguments[3])) {
            consumer.subscribe(List.of(arguments[1]));
            while (true) {
                ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(500));
                if (records.isEmpty()) {
                    continue;
                }
                int generation = consumer.groupMetadata().generationId();
                StringBuilder lines = new StringBuilder();
                long now = System.currentTimeMillis();
                for (ConsumerRecord<String, String> record : records) {
                    lines.append("R ").append(record.partition()).append(' ').append(record.offset()).append(' ')
                        .append(record.value()).append(' ').append(now).append(' ').append(generation).append('\n');
                }
                file.write(lines.toString().getBytes(StandardCharsets.UTF_8));
                commit(consumer, file);
            }
        } catch (WakeupException e) {
            // Asked to leave.
        } finally {
            close(consumer);
        }
    }

    private static void commit(KafkaConsumer<String, String> consumer, FileOutputStream file) throws IOException {
        try {
            consumer.commitSync();
            file.write(("C " + System.currentTimeMillis() + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (WakeupException e) {
            // What is written down is committed before it leaves.
            commit(consumer, file);
            throw e;
        } catch (RuntimeException e) {
            file.write(("F " + System.currentTimeMillis() + "\n").getBytes(StandardCharsets.UTF_8));
            System.err.println("not committed: " + e);
        }
    }

    /** It leaves all the same: what is not told to a coordinator that is down, the session's end tells. */
    private static void close(KafkaConsumer<String, String> consumer) {
        try {
            consumer.close(Duration.ofSeconds(10));
        } catch (RuntimeException e) {
            System.err.println("close: " + e);
        }
    }
}
