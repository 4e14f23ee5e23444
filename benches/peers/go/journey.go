// Records on their way from a producer to a consumer of the same process: see job/src/journey.rs.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// Bytes at the front of a value: its number, and when its latency began.
	stamp = 16
	// The longest that a job waits for the last of its records.
	lastWait = 30 * time.Second
	// What is sent until it arrives, before anything is measured.
	marker = ^uint64(0)
)

func endToEnd(words *words) error {
	feed, err := load(words)
	if err != nil {
		return err
	}
	topic, rate, records, warmUp := feed.topics[0], words.number("rate"), words.number("records"), words.number("warm_up")
	ends := map[int32]kgo.Offset{}
	for partition := range words.number("partitions") {
		ends[int32(partition)] = kgo.NewOffset().AtEnd()
	}
	bootstrap := kgo.SeedBrokers(words.said["bootstrap"])
	consumer, err := kgo.NewClient(bootstrap, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: ends}))
	if err != nil {
		return err
	}
	defer consumer.Close()
	producer, err := connect(words)
	if err != nil {
		return err
	}
	defer producer.Close()
	if err := words.finish(); err != nil {
		return err
	}

	markers, err := awaitReader(producer, consumer, feed)
	if err != nil {
		return err
	}
	epoch := time.Now()
	sent := make(chan error, 1)
	go func() { sent <- send(producer, feed, epoch, warmUp+records, rate) }()

	context, cancel := context.WithTimeout(context.Background(), time.Duration((warmUp+records)/rate)*time.Second+lastWait)
	defer cancel()
	seen := make([]bool, records)
	var latencies []time.Duration
	var measured *meter
	for len(latencies) < records {
		fetches := consumer.PollFetches(context)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("%d of %d records came: %w", len(latencies), records, err)
		}
		now := time.Since(epoch)
		for iterator := fetches.RecordIter(); !iterator.Done(); {
			value := iterator.Next().Value
			number := binary.LittleEndian.Uint64(value)
			if number == marker || number < uint64(warmUp) {
				continue
			}
			if measured == nil {
				begun := start()
				measured = &begun
			}
			if index := number - uint64(warmUp); seen[index] {
				return fmt.Errorf("record %d came twice", number)
			} else {
				seen[index] = true
			}
			latencies = append(latencies, now-time.Duration(binary.LittleEndian.Uint64(value[8:])))
		}
	}
	if err := <-sent; err != nil {
		return err
	}
	measured.report(tally{acked: int64(records)}, int64(markers+warmUp), len(feed.values), latencies)
	return nil
}

// awaitReader sends markers until the consumer has read one: it knows the ends of its partitions then. It tells how many.
func awaitReader(producer, consumer *kgo.Client, feed *feed) (int, error) {
	limit := time.Now().Add(lastWait)
	for markers := 1; time.Now().Before(limit); markers++ {
		record := feed.next()
		record.Value = binary.LittleEndian.AppendUint64(nil, marker)
		if err := producer.ProduceSync(context.Background(), record).FirstErr(); err != nil {
			return 0, err
		}
		context, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		fetches := consumer.PollFetches(context)
		cancel()
		if fetches.NumRecords() > 0 {
			return markers, nil
		}
	}
	return 0, fmt.Errorf("the consumer has read none of the records sent to begin with")
}

func send(producer *kgo.Client, feed *feed, epoch time.Time, records, rate int) error {
	begin := time.Now()
	failed := make(chan error, 1)
	for number := range records {
		from := pace(begin, number, rate)
		record := feed.next()
		record.Value = slices.Clone(record.Value)
		binary.LittleEndian.PutUint64(record.Value, uint64(number))
		binary.LittleEndian.PutUint64(record.Value[8:stamp], uint64(from.Sub(epoch)))
		producer.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := producer.Flush(context.Background()); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}
