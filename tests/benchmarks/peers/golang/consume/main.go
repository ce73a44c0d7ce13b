// Command consume reads a topic with Watermill's router or a Sarama consumer group and does nothing with
// the messages. It prints the seconds from the first message to the last, the CPU seconds of the process in
// that time, and the most memory it had, in MiB.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
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

type meter struct {
	left  atomic.Int64
	once  sync.Once
	began time.Time
	cpu   float64
	over  chan struct{}
}

func (m *meter) count() {
	m.once.Do(func() { m.began, m.cpu = time.Now(), cpuSeconds() })
	if m.left.Add(-1) == 0 {
		seconds, cpu := time.Since(m.began).Seconds(), cpuSeconds()-m.cpu
		fmt.Printf("%.6f %.6f %.1f\n", seconds, cpu, peak())
		close(m.over)
	}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func peak() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "VmHWM:") {
			kib, _ := strconv.ParseFloat(strings.Fields(line)[1], 64)
			return kib / 1024
		}
	}
	return 0
}

type member struct{ meter *meter }

func (member) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (member) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (m member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case record, open := <-claim.Messages():
			if !open {
				return nil
			}
			m.meter.count()
			session.MarkMessage(record, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

func withSarama(ctx context.Context, m *meter, address, topic, group string) {
	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	client, err := sarama.NewConsumerGroup([]string{address}, group, config)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for ctx.Err() == nil {
			err := client.Consume(ctx, []string{topic}, member{m})
			select {
			case <-m.over:
				return
			default:
			}
			if err != nil {
				log.Fatal(err)
			}
		}
	}()
	<-m.over
	client.Close()
}

func withWatermill(ctx context.Context, m *meter, address, topic, group string) {
	config := kafka.DefaultSaramaSubscriberConfig()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	logger := watermill.NopLogger{}
	subscriber, err := kafka.NewSubscriber(kafka.SubscriberConfig{
		Brokers: []string{address}, Unmarshaler: kafka.DefaultMarshaler{},
		OverwriteSaramaConfig: config, ConsumerGroup: group,
	}, logger)
	if err != nil {
		log.Fatal(err)
	}
	router, err := message.NewRouter(message.RouterConfig{}, logger)
	if err != nil {
		log.Fatal(err)
	}
	router.AddConsumerHandler("nothing", topic, subscriber, func(*message.Message) error {
		m.count()
		return nil
	})
	go func() {
		if err := router.Run(ctx); err != nil {
			log.Fatal(err)
		}
	}()
	<-m.over
	router.Close()
}

func main() {
	if len(os.Args) != 6 {
		log.Fatal("usage: consume watermill|sarama ADDRESS TOPIC GROUP MESSAGES")
	}
	messages, err := strconv.ParseInt(os.Args[5], 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	m := &meter{over: make(chan struct{})}
	m.left.Store(messages)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	run := withSarama
	if os.Args[1] == "watermill" {
		run = withWatermill
	}
	run(ctx, m, os.Args[2], os.Args[3], os.Args[4])
}
