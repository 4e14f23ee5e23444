// A second member joins a group of one, again and again: see job/src/sharing.rs, which does the same for the Rust programs.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// How often members of the classic protocol send heartbeats; the broker is told the same for the other one.
	heartbeat = 500 * time.Millisecond
	// How often the second member joins, and how long the first owns everything before: longer each time, so that the
	// second comes at different times between two heartbeats of the first.
	rounds = 5
	rest   = time.Second
	// The longest that each part takes.
	patience = time.Minute
)

// member tells by which protocol it is one.
func member(words *words, group string) []kgo.Opt {
	options := []kgo.Opt{kgo.ConsumerGroup(group)}
	if words.text("protocol") == "consumer" {
		// The coordinator's own assignor, by the name under which this client knows it.
		options = append(options, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	}
	return options
}

// news is what a member is told by its client: a record of a partition, or a number of partitions that came or went.
type news struct {
	member, partition, change int
}

// sharing is what the members own and were handed, as far as it is known.
type sharing struct {
	owned  [2]int
	handed [2]map[int]bool
	news   chan news
}

func rebalance(words *words, group string) error {
	partitions := words.number("partitions")
	half := partitions / 2
	options := append(member(words, group),
		kgo.SeedBrokers(words.text("bootstrap")),
		kgo.ConsumeTopics(words.text("topic")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.HeartbeatInterval(heartbeat),
	)
	// Room for whatever two members can tell at a time: nobody waits for whoever listens.
	sharing := &sharing{handed: [2]map[int]bool{{}, {}}, news: make(chan news, 16*partitions)}
	end, err := sharing.run(0, options)
	if err != nil {
		return err
	}
	if _, err := sharing.until(func() bool { return sharing.owned[0] == partitions && len(sharing.handed[0]) == partitions }); err != nil {
		return err
	}
	var read, assigned time.Duration
	var cpu float64
	for round := range rounds {
		sharing.rest(rest + heartbeat*time.Duration(round)/rounds)
		sharing.owned[1], sharing.handed[1] = 0, map[int]bool{}
		begun := start()
		end, err := sharing.run(1, options)
		if err != nil {
			return err
		}
		areShared := func() bool { return sharing.owned == [2]int{half, half} }
		at, err := sharing.until(areShared)
		if err != nil {
			return err
		}
		if _, err := sharing.until(func() bool { return areShared() && len(sharing.handed[1]) >= half }); err != nil {
			return err
		}
		assigned += at.Sub(begun.started) / rounds
		read += time.Since(begun.started) / rounds
		cpu += (cpuSeconds() - begun.cpuSeconds) / rounds
		end()
		if _, err := sharing.until(func() bool { return sharing.owned[0] == partitions }); err != nil {
			return err
		}
	}
	end()
	fmt.Printf(
		`{"acked":%d,"failed":0,"stored":%d,"seconds":%.6f,"cpu_seconds":%.6f,"peak_rss_bytes":%d,"feed_bytes":0,"assigned_ms":%.1f}`+"\n",
		partitions, partitions, read.Seconds(), cpu, peakRSS(), assigned.Seconds()*1e3)
	return nil
}

// run starts a member, which polls until the function is called that it returns.
func (s *sharing) run(number int, options []kgo.Opt) (func(), error) {
	tell := func(sign int) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
			for _, partitions := range topics {
				s.news <- news{number, -1, sign * len(partitions)}
			}
		}
	}
	client, err := kgo.NewClient(append(options[:len(options):len(options)],
		kgo.OnPartitionsAssigned(tell(1)), kgo.OnPartitionsRevoked(tell(-1)), kgo.OnPartitionsLost(tell(-1)))...)
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			fetches := client.PollFetches(context.Background())
			if fetches.IsClientClosed() {
				return
			}
			fetches.EachRecord(func(record *kgo.Record) { s.news <- news{number, int(record.Partition), 0} })
		}
	}()
	return func() {
		client.Close()
		<-done
	}, nil
}

// until takes in what is told until isDone, and says when that was.
func (s *sharing) until(isDone func() bool) (time.Time, error) {
	limit := time.After(patience)
	for {
		for len(s.news) > 0 {
			s.learn(<-s.news)
		}
		now := time.Now()
		if isDone() {
			return now, nil
		}
		select {
		case told := <-s.news:
			s.learn(told)
		case <-limit:
			return now, fmt.Errorf("the members own %v partitions and were handed %d and %d",
				s.owned, len(s.handed[0]), len(s.handed[1]))
		}
	}
}

// rest waits for a while in which nothing is to change.
func (s *sharing) rest(rest time.Duration) {
	limit := time.After(rest)
	for {
		select {
		case told := <-s.news:
			s.learn(told)
		case <-limit:
			return
		}
	}
}

func (s *sharing) learn(told news) {
	s.owned[told.member] += told.change
	if told.partition >= 0 {
		s.handed[told.member][told.partition] = true
	}
}
