// Command flights sends every flight of the input through kcat and through Java's console producer,
// kills the server in the middle of each, reads everything back with a group of three consumers, and
// checks that each flight arrived once, unaltered, and in its order.
package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	allFlights = 336776
	partitions = 8
	consumers  = 3
	deadline   = 5 * time.Minute // for each producer, and for the reading
)

// flight is one record: a JSON line and the tail number, which is "" where the input has none.
type flight struct{ tail, line string }

// load turns the CSV into JSON lines, numbered from 1 in the order of the file.
func load(path string, limit int) ([]flight, error) {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	file, err := archive.File[0].Open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	table, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, err
	}
	text := map[string]bool{"carrier": true, "tailnum": true, "origin": true, "dest": true, "time_hour": true}
	head, rows := table[0], table[1:]
	if limit > 0 && limit < len(rows) {
		rows = rows[:limit]
	}
	flights := make([]flight, len(rows))
	for i, row := range rows {
		var line strings.Builder
		fmt.Fprintf(&line, `{"row":%d`, i+1)
		for c, name := range head {
			value := row[c]
			switch {
			case value == "NA":
				value = "null"
			case text[name]:
				value = strconv.Quote(value)
			}
			fmt.Fprintf(&line, `,%q:%s`, name, value)
			if name == "tailnum" && row[c] != "NA" {
				flights[i].tail = row[c]
			}
		}
		line.WriteByte('}')
		flights[i].line = line.String()
	}
	return flights, nil
}

// producer is a program that reads lines of "key TAB value" from its standard input.
type producer struct {
	name, topic string
	noKey       string // how its input writes a null key
	command     []string
}

func producers(bootstrap, jars string) []producer {
	return []producer{
		{
			name: "kcat", topic: "flights-kcat",
			// kcat has no marker for null: an empty key is an empty key, until -Z makes every
			// empty key and value null. No flight has an empty value, so -Z changes only keys.
			noKey: "",
			command: []string{"kcat", "-P", "-b", bootstrap, "-t", "flights-kcat", "-K", "\t", "-Z",
				"-X", "enable.idempotence=true",
				// Without -E kcat gives up when its only broker is gone for a moment, though
				// the library below it carries on.
				"-E"},
		},
		{
			name: "java", topic: "flights-java",
			// The console producer takes an empty key as an empty key; null needs null.marker.
			// The marker applies to values too, which is harmless: no flight reads "NA".
			noKey: "NA",
			command: []string{"java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", jars + "/*",
				"org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", bootstrap,
				"--topic", "flights-java", "--compression-codec", "zstd",
				"--reader-property", "parse.key=true", "--reader-property", "null.marker=NA",
				// The tool's own defaults (3 retries, 1.5 s for a request) are for trying things
				// out. These are the defaults of the library, which survive a restart.
				"--message-send-max-retries", "2147483647", "--request-timeout-ms", "30000"},
		},
	}
}

// produced tells how it went: the sum of the end offsets last seen before the kill, and how many
// flights the producer had been given by then.
type produced struct {
	killedAt, givenAt int
	seconds           float64
	err               error
}

type run struct {
	flights               []flight
	subject, server, logs string
	client                *kadm.Client
	bootstrap             string
	passed, failed        int
}

func (r *run) check(ok bool, format string, args ...any) {
	verdict := "ok  "
	if ok {
		r.passed++
	} else {
		r.failed++
		verdict = "FAIL"
	}
	fmt.Printf("%s %s\n", verdict, fmt.Sprintf(format, args...))
}

func why(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

func (r *run) call(what string) error {
	command := exec.Command(r.subject, what, r.server)
	command.Stderr = os.Stderr
	return command.Run()
}

func (r *run) endOffsets(ctx context.Context, topic string) (sum int, err error) {
	ends, err := r.client.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	ends.Each(func(o kadm.ListedOffset) { sum += int(o.Offset) })
	return sum, err
}

// produce gives the flights to a producer and kills the server when half of them are in the log and
// more are under way. Until then the producer gets only a fifth of the flights more than the log has:
// enough to keep it busy, and too little to be through before the kill.
func (r *run) produce(ctx context.Context, p producer) (done produced) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	start := time.Now()
	defer func() { done.seconds = time.Since(start).Seconds() }()

	output, err := os.Create(filepath.Join(r.logs, p.name+".log"))
	if err != nil {
		return produced{err: err}
	}
	defer output.Close()
	command := exec.CommandContext(ctx, p.command[0], p.command[1:]...)
	command.Stdout, command.Stderr = output, output
	stdin, err := command.StdinPipe()
	if err != nil {
		return produced{err: err}
	}
	if err := command.Start(); err != nil {
		return produced{err: err}
	}

	var given atomic.Int64
	permits := make(chan int) // up to which flight may be given; closed: all of them
	fed := make(chan error, 1)
	go func() {
		defer stdin.Close()
		var lines bytes.Buffer
		for from, may := 0, 0; from < len(r.flights); {
			for from >= may {
				var open bool
				if may, open = <-permits; !open {
					may = len(r.flights)
				}
			}
			to := min(from+100, may)
			lines.Reset()
			for _, f := range r.flights[from:to] {
				key := f.tail
				if key == "" {
					key = p.noKey
				}
				fmt.Fprintf(&lines, "%s\t%s\n", key, f.line)
			}
			if _, err := stdin.Write(lines.Bytes()); err != nil {
				fed <- err
				return
			}
			from = to
			given.Store(int64(from))
		}
		fed <- nil
	}()

	if err := r.killHalfway(ctx, p.topic, permits, fed, &given, &done); err != nil {
		close(permits)
		cancel()
		_ = command.Wait()
		done.err = err
		return done
	}
	done.err = <-fed
	if err := command.Wait(); err != nil {
		done.err = fmt.Errorf("%s: %w; it said %s", p.name, err, output.Name())
	}
	return done
}

func (r *run) killHalfway(ctx context.Context, topic string, permits chan int, fed chan error, given *atomic.Int64, done *produced) error {
	half, ahead := len(r.flights)/2, len(r.flights)/5
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for {
		sum, err := r.endOffsets(ctx, topic)
		if err != nil {
			return err
		}
		if now := int(given.Load()); sum >= half && now > sum {
			done.killedAt, done.givenAt = sum, now
			break
		}
		select {
		case permits <- sum + ahead:
		case <-poll.C:
		case err := <-fed:
			return fmt.Errorf("the producer ended at %d flights: %v", sum, err)
		case <-ctx.Done():
			return fmt.Errorf("%d of %d flights after %v", sum, half, deadline)
		}
	}
	if err := r.call("kill"); err != nil {
		return err
	}
	close(permits)
	return r.call("resume")
}

// read is what the group got from one topic.
type read struct {
	rows        [partitions][]int // the row at each offset, 0 where none came
	home        map[string]int32  // the partition of each tail number
	altered     int               // key or value differ from the input, or an offset changed its row
	moved       int               // records of a tail number outside its partition
	redelivered int               // deliveries of an offset already seen: allowed to a group, but counted
	records     int
}

func (t *read) add(flights []flight, rec *kgo.Record) {
	var value struct{ Row int }
	if json.Unmarshal(rec.Value, &value) != nil || value.Row < 1 || value.Row > len(flights) {
		t.altered++
		value.Row = -1
	} else {
		f := flights[value.Row-1]
		if string(rec.Value) != f.line || string(rec.Key) != f.tail || (rec.Key == nil) != (f.tail == "") {
			t.altered++
		}
	}
	rows := &t.rows[rec.Partition]
	for int64(len(*rows)) <= rec.Offset {
		*rows = append(*rows, 0)
	}
	if before := (*rows)[rec.Offset]; before != 0 {
		t.redelivered++
		if before != value.Row {
			t.altered++
		}
		return
	}
	(*rows)[rec.Offset] = value.Row
	t.records++
	if rec.Key != nil {
		if home, known := t.home[string(rec.Key)]; !known {
			t.home[string(rec.Key)] = rec.Partition
		} else if home != rec.Partition {
			t.moved++
		}
	}
}

// consume reads both topics to their ends. No consumer polls before each of the three has partitions,
// or one of them might read everything while the others join.
func (r *run) consume(ctx context.Context, topics map[string]*read, want int) (shares [consumers]int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, deadline, fmt.Errorf("not all was read within %v", deadline))
	defer cancel()
	var clients [consumers]*kgo.Client
	var assigned [consumers]atomic.Int32
	for i := range clients {
		count := func(sign int32) func(context.Context, *kgo.Client, map[string][]int32) {
			return func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
				for _, p := range parts {
					assigned[i].Add(sign * int32(len(p)))
				}
			}
		}
		opts := []kgo.Opt{
			kgo.SeedBrokers(r.bootstrap), kgo.ConsumerGroup("flights"), kgo.ConsumeTopics(slices.Collect(maps.Keys(topics))...),
			kgo.BlockRebalanceOnPoll(),
			kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
			kgo.OnPartitionsAssigned(count(1)), kgo.OnPartitionsRevoked(count(-1)), kgo.OnPartitionsLost(count(-1)),
		}
		if clients[i], err = kgo.NewClient(opts...); err != nil {
			return shares, err
		}
		defer clients[i].CloseAllowingRebalance()
	}
	settled := func() bool {
		sum := int32(0)
		for i := range assigned {
			n := assigned[i].Load()
			if n == 0 {
				return false
			}
			sum += n
		}
		return sum == int32(len(topics)*partitions)
	}
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !settled() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return shares, fmt.Errorf("the group does not settle: %w", context.Cause(ctx))
		}
	}

	var lock sync.Mutex
	got := 0
	ended := make(chan error, consumers)
	reading, allRead := context.WithCancel(ctx)
	defer allRead()
	for i, client := range clients {
		go func() {
			for {
				fetches := client.PollRecords(reading, 5000)
				lock.Lock()
				fetches.EachRecord(func(rec *kgo.Record) {
					shares[i]++
					topics[rec.Topic].add(r.flights, rec)
				})
				got = 0
				for _, t := range topics {
					got += t.records
				}
				if got == want {
					allRead()
				}
				lock.Unlock()
				if reading.Err() != nil {
					ended <- client.CommitUncommittedOffsets(ctx)
					return
				}
				if err := fetches.Err(); err != nil {
					ended <- err
					allRead()
					return
				}
				client.AllowRebalance()
			}
		}()
	}
	for range clients {
		if e := <-ended; e != nil && err == nil {
			err = e
		}
	}
	if err == nil && got != want {
		err = context.Cause(ctx)
	}
	return shares, err
}

// committed counts the partitions whose commit by the group is at the end.
func (r *run) committed(ctx context.Context, topics map[string]*read) (n int, err error) {
	commits, err := r.client.FetchOffsets(ctx, "flights")
	for topic, t := range topics {
		for p, rows := range t.rows {
			if c, ok := commits.Lookup(topic, int32(p)); ok && c.Err == nil && c.At == int64(len(rows)) {
				n++
			}
		}
	}
	return n, err
}

// verify prints what one topic has and checks it against the input.
func (r *run) verify(p producer, t *read, done produced) {
	seen := make([]int, len(r.flights)+1)
	var sizes []int
	disorder, holes := 0, 0
	for _, rows := range t.rows {
		last := map[string]int{}
		for _, row := range rows {
			switch {
			case row == 0:
				holes++
			case row > 0:
				seen[row]++
				// Null keys promise order within their partition as well, so they are checked
				// together as one more key.
				tail := r.flights[row-1].tail
				if row < last[tail] {
					disorder++
				}
				last[tail] = row
			}
		}
		sizes = append(sizes, len(rows))
	}
	missing, extra := 0, 0
	for _, n := range seen[1:] {
		if n == 0 {
			missing++
		} else {
			extra += n - 1
		}
	}
	fmt.Printf("%s: %d records, partitions %v, %d redelivered, killed at end offset sum %d with %d given, %.1f s\n",
		p.topic, t.records, sizes, t.redelivered, done.killedAt, done.givenAt, done.seconds)
	r.check(done.err == nil, "%s: the producer carried on by itself and ended well%s", p.topic, why(done.err))
	r.check(done.killedAt < done.givenAt, "%s: the kill left %d flights in flight", p.topic, done.givenAt-done.killedAt)
	r.check(missing == 0 && holes == 0, "%s: %d missing, %d offsets without a record", p.topic, missing, holes)
	r.check(extra == 0, "%s: %d duplicated", p.topic, extra)
	r.check(disorder == 0, "%s: %d out of order within their key", p.topic, disorder)
	r.check(t.moved == 0, "%s: %d outside the partition of their tail number (%d tail numbers)", p.topic, t.moved, len(t.home))
	r.check(t.altered == 0, "%s: %d altered in key or value", p.topic, t.altered)
}

func (r *run) all(ctx context.Context, jars string) error {
	start := time.Now()
	anonymous := 0
	for _, f := range r.flights {
		if f.tail == "" {
			anonymous++
		}
	}
	fmt.Printf("%d flights in the input, %d without a tail number\n", len(r.flights), anonymous)

	topics := map[string]*read{}
	results := map[string]produced{}
	want := 0
	for _, p := range producers(r.bootstrap, jars) {
		if _, err := r.client.CreateTopic(ctx, partitions, 1, nil, p.topic); err != nil {
			return err
		}
		done := r.produce(ctx, p)
		if done.err != nil && done.killedAt == 0 {
			return done.err // nothing was tried, so there is nothing to verify
		}
		sum, err := r.endOffsets(ctx, p.topic)
		if err != nil {
			return err
		}
		want += sum
		results[p.topic], topics[p.topic] = done, &read{home: map[string]int32{}}
	}
	reading := time.Now()
	shares, err := r.consume(ctx, topics, want)
	r.check(err == nil, "a group of %d consumers read to the ends in %.1f s, by consumer %v%s",
		consumers, time.Since(reading).Seconds(), shares, why(err))
	n, err := r.committed(ctx, topics)
	r.check(err == nil && n == len(topics)*partitions, "the group's commits are at the end in %d of %d partitions%s",
		n, len(topics)*partitions, why(err))
	for _, p := range producers(r.bootstrap, jars) {
		r.verify(p, topics[p.topic], results[p.topic])
	}
	fmt.Printf("%.1f s in all\n", time.Since(start).Seconds())
	return nil
}

func main() {
	log.SetFlags(0)
	var r run
	input := flag.String("flights", "", "the zipped CSV")
	jars := flag.String("jars", "", "folder of the console producer")
	flag.StringVar(&r.subject, "subject", "", "the program that controls the server")
	flag.StringVar(&r.server, "server", "", "folder of the running server")
	flag.StringVar(&r.logs, "logs", "", "folder for what the producers say")
	flag.Parse()

	limit := allFlights
	if text := os.Getenv("FLIGHTS_LIMIT"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1000 {
			log.Fatalf("FLIGHTS_LIMIT is %q; below 1000 flights there is no middle to kill in", text)
		}
	}
	var err error
	if r.flights, err = load(*input, limit); err != nil {
		log.Fatal(err)
	}
	r.check(len(r.flights) == min(limit, allFlights), "the input has %d flights", len(r.flights))
	bootstrap, err := os.ReadFile(filepath.Join(r.server, "bootstrap"))
	if err != nil {
		log.Fatal(err)
	}
	r.bootstrap = string(bytes.TrimSpace(bootstrap))
	client, err := kgo.NewClient(kgo.SeedBrokers(r.bootstrap))
	if err != nil {
		log.Fatal(err)
	}
	r.client = kadm.NewClient(client)
	if err := r.all(context.Background(), *jars); err != nil {
		r.check(false, "the run broke off: %v", err)
	}
	fmt.Printf("%d passed, %d failed, 0 skipped\n", r.passed, r.failed)
	if r.failed > 0 {
		os.Exit(1)
	}
}
