// Publishes 1 KB messages through Watermill or through Sarama alone: so many callers, each waiting for the
// acknowledgement of its message before it sends the next.
//
// Arguments: watermill|sarama, HOST:PORT, topic, messages to warm up with, callers.
// For each line on standard input, which says how many messages, prints: seconds, CPU seconds, then milliseconds:
// mean, median, 99th percentile; then megabytes resident.
package main

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
)

const payloadBytes = 1024

// publish sends one message and waits for its acknowledgement.
type publish func() error

func main() {
	which, address, topic := os.Args[1], os.Args[2], os.Args[3]
	warm, callers := number(os.Args[4]), number(os.Args[5])
	send, end := open(which, address, topic)
	run(send, warm, callers)
	turns := bufio.NewScanner(os.Stdin)
	for turns.Scan() {
		measure(send, number(turns.Text()), callers)
	}
	end()
}

func measure(send publish, messages, callers int) {
	cpu, began := cpuSeconds(), time.Now()
	waits := run(send, messages, callers)
	seconds, spent := time.Since(began).Seconds(), cpuSeconds()-cpu
	slices.Sort(waits)
	var sum time.Duration
	for _, wait := range waits {
		sum += wait
	}
	mean := millis(sum) / float64(len(waits))
	half, last := millis(at(waits, 0.50)), millis(at(waits, 0.99))
	fmt.Println(seconds, spent, mean, half, last, residentMegabytes())
}

func open(which, address, topic string) (publish, func()) {
	payload := make([]byte, payloadBytes)
	if which == "watermill" {
		config := kafka.DefaultSaramaSyncPublisherConfig()
		config.Producer.RequiredAcks = sarama.WaitForAll
		publisher, err := kafka.NewPublisher(kafka.PublisherConfig{
			Brokers:               []string{address},
			Marshaler:             kafka.DefaultMarshaler{},
			OverwriteSaramaConfig: config,
		}, watermill.NopLogger{})
		check(err)
		return func() error {
			return publisher.Publish(topic, message.NewMessage(watermill.NewUUID(), payload))
		}, func() { check(publisher.Close()) }
	}
	config := sarama.NewConfig()
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	producer, err := sarama.NewSyncProducer([]string{address}, config)
	check(err)
	return func() error {
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{
			Topic: topic, Value: sarama.ByteEncoder(payload),
		})
		return err
	}, func() { check(producer.Close()) }
}

// run sends messages from all callers at once and returns how long each waited.
func run(send publish, messages, callers int) []time.Duration {
	var left atomic.Int64
	left.Store(int64(messages))
	all := make([][]time.Duration, callers)
	var group sync.WaitGroup
	for caller := range callers {
		group.Add(1)
		go func() {
			defer group.Done()
			for left.Add(-1) >= 0 {
				began := time.Now()
				check(send())
				all[caller] = append(all[caller], time.Since(began))
			}
		}()
	}
	group.Wait()
	return slices.Concat(all...)
}

func at(sorted []time.Duration, part float64) time.Duration {
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*part))]
}

func millis(wait time.Duration) float64 { return float64(wait) / float64(time.Millisecond) }

func cpuSeconds() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(usage.Utime) + seconds(usage.Stime)
}

// residentMegabytes is NaN where the system does not tell.
func residentMegabytes() string {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return "nan"
	}
	return fmt.Sprint(float64(number(strings.Fields(string(statm))[1])*os.Getpagesize()) / (1 << 20))
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
