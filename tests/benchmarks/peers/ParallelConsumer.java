import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Confluent's Parallel Consumer, ordered by key, with a handler that waits and checks what it sees.
 *
 * <p>Arguments: HOST:PORT TOPIC MESSAGES CONCURRENCY MILLISECONDS. Prints, for the second of two passes, one
 * line: seconds from the first call to the end of the last, CPU seconds of this process in that time, its
 * resident megabytes (with the compiler, which ran in it), the most calls at once, and how many broke the
 * order of their key.
 */
public final class ParallelConsumer {
    private static final long DEADLINE = 120; // seconds for a pass, the join included

    private final long millis;
    private final AtomicBoolean started = new AtomicBoolean();
    private final AtomicInteger unfinished = new AtomicInteger();
    private final AtomicInteger most = new AtomicInteger();
    private final AtomicInteger faults = new AtomicInteger();
    private final AtomicInteger left;
    private final Set<String> busy = ConcurrentHashMap.newKeySet();
    private final Map<String, Long> last = new ConcurrentHashMap<>();
    private final CountDownLatch over = new CountDownLatch(1);
    private volatile long began, beganCpu;
    private volatile String result;

    private ParallelConsumer(int messages, long millis) {
        this.left = new AtomicInteger(messages);
        this.millis = millis;
    }

    public static void main(String[] arguments) throws Exception {
        int messages = Integer.parseInt(arguments[2]);
        int concurrency = Integer.parseInt(arguments[3]);
        long millis = Long.parseLong(arguments[4]);
        String printed = "";
        // The first pass is for the compiler in the JVM: a service that has run for a while is what is compared.
        for (int pass = 0; pass < 2; pass++) {
            printed = new ParallelConsumer(messages, millis).measure(arguments[0], arguments[1], concurrency);
        }
        System.out.println(printed);
    }

    private String measure(String address, String topic, int concurrency) throws Exception {
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", address,
            "group.id", "benchmark." + UUID.randomUUID(),
            "auto.offset.reset", "earliest",
            "enable.auto.commit", false);
        // Keys as text: two arrays of the same bytes are not equal in Java, and would be two keys.
        var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer());
        var options = ParallelConsumerOptions.<String, byte[]>builder()
            .consumer(consumer)
            .ordering(ProcessingOrder.KEY)
            .maxConcurrency(concurrency)
            .build();
        try (var processor = ParallelStreamProcessor.createEosStreamProcessor(options)) {
            processor.subscribe(List.of(topic));
            processor.poll(context -> handle(context.getSingleConsumerRecord()));
            if (!over.await(DEADLINE, TimeUnit.SECONDS)) {
                throw new IllegalStateException(left + " messages were not handled in " + DEADLINE + " s");
            }
        }
        return result + " " + resident() + " " + most + " " + faults;
    }

    private void handle(ConsumerRecord<String, byte[]> record) {
        if (started.compareAndSet(false, true)) {
            beganCpu = cpu();
            began = System.nanoTime();
        }
        Long before = last.put(record.key(), record.offset());
        boolean alone = busy.add(record.key());
        if (!alone || before != null && before >= record.offset()) {
            faults.incrementAndGet();
        }
        most.accumulateAndGet(unfinished.incrementAndGet(), Math::max);
        try {
            Thread.sleep(millis);
        } catch (InterruptedException closing) {
            Thread.currentThread().interrupt();
        }
        unfinished.decrementAndGet();
        busy.remove(record.key());
        if (left.decrementAndGet() == 0) {
            result = (System.nanoTime() - began) / 1e9 + " " + (cpu() - beganCpu) / 1e9;
            over.countDown();
        }
    }

    private static long cpu() {
        var system = ManagementFactory.getPlatformMXBean(com.sun.management.OperatingSystemMXBean.class);
        return system.getProcessCpuTime();
    }

    private static double resident() throws Exception {
        Path status = Path.of("/proc/self/status");
        if (!Files.exists(status)) {
            return Double.NaN;
        }
        try (var lines = Files.lines(status)) {
            String line = lines.filter(each -> each.startsWith("VmRSS:")).findFirst().orElseThrow();
            return Long.parseLong(line.replaceAll("\\D", "")) / 1024.0;
        }
    }
}
