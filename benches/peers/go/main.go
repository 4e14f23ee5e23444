// The jobs by franz-go. It reads the words that the Rust programs read, and prints the line that they print.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	keys = 10_000
	// By so much a timer may be late before it counts as the client's doing.
	grace = time.Millisecond
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	words, err := readWords(os.Args[1:])
	if err != nil {
		return err
	}
	group := words.text("group")
	switch work := words.text("work"); work {
	case "consume":
		return consume(words, group)
	case "end-to-end":
		return endToEnd(words)
	case "produce":
	case "rebalance":
		return rebalance(words, group)
	default:
		return fmt.Errorf("`work=%s`: one of consume, end-to-end, produce, rebalance", work)
	}
	feed, err := load(words)
	if err != nil {
		return err
	}
	client, err := connect(words)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.ProduceSync(context.Background(), feed.next()).FirstErr(); err != nil {
		return err
	}
	rate, records, warmUp := words.number("rate"), words.number("records"), words.number("warm_up")
	if err := words.finish(); err != nil {
		return err
	}
	send := func(records int) (tally, []time.Duration) { return sendAll(client, feed, records), nil }
	if rate > 0 {
		send = func(records int) (tally, []time.Duration) { return sendAtRate(client, feed, records, rate) }
	}
	before, _ := send(warmUp)
	meter := start()
	measured, latencies := send(records)
	meter.report(measured, 1+before.acked, len(feed.values), latencies)
	return nil
}

// consume reads from the beginning of the topic, and measures what is behind the warm-up.
func consume(words *words, group string) error {
	records, warmUp, topic := words.number("records"), words.number("warm_up"), words.text("topic")
	options := []kgo.Opt{
		kgo.SeedBrokers(words.text("bootstrap")),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}
	if group != "" {
		options = append(options, member(words, group)...)
	}
	began := time.Now()
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	var read, before, touched int
	var first time.Duration
	var measured *meter
	for read < warmUp+records {
		fetches := client.PollFetches(context.Background())
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			read++
			touched += int(record.Value[0]) + int(record.Value[len(record.Value)-1])
		})
		if read > 0 && first == 0 {
			first = time.Since(began)
		}
		if read >= warmUp && measured == nil {
			begun := start()
			measured, before = &begun, read
		}
	}
	if touched == 0 {
		return fmt.Errorf("the values are empty")
	}
	measured.reportRead(read-before, read, first)
	return nil
}

func connect(words *words) (*kgo.Client, error) {
	codec := words.text("compression")
	codecs := map[string]kgo.CompressionCodec{
		"lz4": kgo.Lz4Compression(), "none": kgo.NoCompression(), "zstd": kgo.ZstdCompression(),
	}
	if _, known := codecs[codec]; !known {
		return nil, fmt.Errorf("`compression=%s`: one of lz4, none, zstd", codec)
	}
	return kgo.NewClient(
		kgo.SeedBrokers(words.text("bootstrap")),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(codecs[codec]),
		kgo.ProducerLinger(time.Duration(words.number("linger_ms"))*time.Millisecond),
		kgo.ProducerBatchMaxBytes(int32(words.number("batch_bytes"))),
		kgo.MaxBufferedBytes(words.number("buffer_bytes")),
		// Bytes limit the buffer, not numbers of records.
		kgo.MaxBufferedRecords(10_000_000),
	)
}

type tally struct{ acked, failed int64 }

// count is called from the client's goroutines.
func (t *tally) count(err error) {
	if err == nil {
		atomic.AddInt64(&t.acked, 1)
	} else if atomic.AddInt64(&t.failed, 1) == 1 {
		fmt.Fprintln(os.Stderr, "failed:", err)
	}
}

func sendAll(client *kgo.Client, feed *feed, records int) tally {
	var result tally
	var settled sync.WaitGroup
	settled.Add(records)
	promise := func(_ *kgo.Record, err error) {
		result.count(err)
		settled.Done()
	}
	for range records {
		client.Produce(context.Background(), feed.next(), promise)
	}
	settled.Wait()
	return result
}

func sendAtRate(client *kgo.Client, feed *feed, records, rate int) (tally, []time.Duration) {
	var result tally
	latencies := make([]time.Duration, records)
	var settled sync.WaitGroup
	settled.Add(records)
	begin := time.Now()
	for number := range records {
		from := pace(begin, number, rate)
		client.Produce(context.Background(), feed.next(), func(_ *kgo.Record, err error) {
			latencies[number] = time.Since(from)
			result.count(err)
			settled.Done()
		})
	}
	settled.Wait()
	return result, latencies
}

// pace waits until a record is due, and tells when its latency begins.
func pace(begin time.Time, number, rate int) time.Time {
	due := begin.Add(time.Duration(int64(number) * int64(time.Second) / int64(rate)))
	time.Sleep(time.Until(due))
	from := time.Now()
	if from.Sub(due) > grace {
		from = due
	}
	return from
}

// A feed makes records without end: topics, keys and values in turn.
type feed struct {
	topics                    []string
	keys                      [][]byte
	values                    []byte
	size                      int
	topicAt, keyAt, valueFrom int
}

func load(words *words) (*feed, error) {
	feed := &feed{topics: []string{words.text("topic")}, size: words.number("size")}
	if topics := words.number("topics"); topics > 1 {
		name := feed.topics[0]
		feed.topics = nil
		for number := range topics {
			feed.topics = append(feed.topics, fmt.Sprintf("%s-%d", name, number))
		}
	}
	if words.text("keyed") == "true" {
		for number := range keys {
			feed.keys = append(feed.keys, fmt.Appendf(nil, "key-%08d", number))
		}
	}
	var err error
	if feed.values, err = os.ReadFile(words.text("values")); err != nil {
		return nil, err
	}
	if feed.size == 0 || len(feed.values) == 0 || len(feed.values)%feed.size != 0 {
		return nil, fmt.Errorf("the file does not hold values of %d bytes", feed.size)
	}
	return feed, nil
}

func (f *feed) next() *kgo.Record {
	record := &kgo.Record{Topic: f.topics[f.topicAt], Value: f.values[f.valueFrom : f.valueFrom+f.size : f.valueFrom+f.size]}
	if f.topicAt++; f.topicAt == len(f.topics) {
		f.topicAt = 0
	}
	if f.valueFrom += f.size; f.valueFrom == len(f.values) {
		f.valueFrom = 0
	}
	if len(f.keys) > 0 {
		record.Key = f.keys[f.keyAt]
		if f.keyAt++; f.keyAt == len(f.keys) {
			f.keyAt = 0
		}
	}
	return record
}

type meter struct {
	started    time.Time
	cpuSeconds float64
}

func start() meter { return meter{time.Now(), cpuSeconds()} }

func (m meter) report(measured tally, before int64, feedBytes int, latencies []time.Duration) {
	seconds := time.Since(m.started).Seconds()
	line := fmt.Sprintf(
		`{"acked":%d,"failed":%d,"stored":%d,"seconds":%.6f,"cpu_seconds":%.6f,"peak_rss_bytes":%d,"feed_bytes":%d`,
		measured.acked, measured.failed, before+measured.acked, seconds, cpuSeconds()-m.cpuSeconds, peakRSS(), feedBytes)
	if len(latencies) > 0 {
		slices.Sort(latencies)
		line += fmt.Sprintf(`,"p50_us":%.1f,"p99_us":%.1f,"p999_us":%.1f`,
			percentile(latencies, 500), percentile(latencies, 990), percentile(latencies, 999))
	}
	fmt.Println(line + "}")
}

func (m meter) reportRead(measured, read int, first time.Duration) {
	fmt.Printf(
		`{"acked":%d,"failed":0,"stored":%d,"seconds":%.6f,"cpu_seconds":%.6f,"peak_rss_bytes":%d,"feed_bytes":0,"first_ms":%.1f}`+"\n",
		measured, read, time.Since(m.started).Seconds(), cpuSeconds()-m.cpuSeconds, peakRSS(), first.Seconds()*1e3)
}

// percentile tells within how many microseconds so many of a thousand came.
func percentile(sorted []time.Duration, thousandths int) float64 {
	rank := (len(sorted)*thousandths + 999) / 1000
	return float64(sorted[max(rank, 1)-1].Nanoseconds()) / 1e3
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// peakRSS tells the largest resident size, less what getrusage would count from before exec.
func peakRSS() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(status)) {
		if kib, found := strings.CutPrefix(line, "VmHWM:"); found {
			number, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kib), "kB")), 10, 64)
			if err != nil {
				panic(err)
			}
			return number * 1024
		}
	}
	panic("no VmHWM in /proc/self/status")
}

// words are the name=value arguments that were not asked for yet.
type words struct {
	said   map[string]string
	failed error
}

func readWords(arguments []string) (*words, error) {
	said := map[string]string{}
	for _, word := range arguments {
		name, value, isWord := strings.Cut(word, "=")
		if _, twice := said[name]; twice || !isWord {
			return nil, fmt.Errorf("`%s` is said twice, or is not `name=value`", word)
		}
		said[name] = value
	}
	// What only other clients, or other jobs, have a use for.
	if said["work"] == "produce" {
		delete(said, "partitions")
	}
	delete(said, "deliveries")
	if said["group"] == "" {
		delete(said, "protocol")
	}
	return &words{said: said}, nil
}

func (w *words) text(name string) string {
	value, found := w.said[name]
	if !found && w.failed == nil {
		w.failed = fmt.Errorf("`%s` is missing", name)
	}
	delete(w.said, name)
	return value
}

func (w *words) number(name string) int {
	value := w.text(name)
	number, err := strconv.Atoi(value)
	if err != nil && w.failed == nil {
		w.failed = fmt.Errorf("`%s=%s`: %w", name, value, err)
	}
	return number
}

func (w *words) finish() error {
	for name := range w.said {
		return fmt.Errorf("`%s` is unknown", name)
	}
	return w.failed
}
