// Command kill9 kills the server under load again and again and checks that it keeps what it has
// acknowledged at both doors: records, transactions, topics and streams created and deleted, offsets committed by
// groups, shards split and merged.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

type control struct {
	subject, server string
	env             []string
}

func (c control) call(what string) error {
	command := exec.Command(c.subject, what, c.server)
	command.Env = c.env
	var said bytes.Buffer
	command.Stderr = &said
	if err := command.Run(); err != nil {
		return fmt.Errorf("subject %s: %w: %s", what, err, said.Bytes())
	}
	return nil
}

// restart kills and resumes, and returns how long the resuming took.
func (l *load) restart(c control) (time.Duration, error) {
	if err := c.call("kill"); err != nil {
		return 0, err
	}
	l.cycle.Add(1)
	start := time.Now()
	err := c.call("resume")
	return time.Since(start), err
}

// progress waits until a record is acknowledged that was not when it was called.
func (l *load) progress(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for before := l.total(); l.total() == before; {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("nothing was acknowledged for %v", patience)
		}
	}
	return nil
}

// cycles does the work. Each cycle lets the load come through, waits for a random moment, kills, and
// checks. One in eight kills again at once, to strike a server and clients that are still recovering.
func (l *load) cycles(ctx context.Context, c control, n int) (resumes []time.Duration, err error) {
	if err := l.start(ctx); err != nil {
		return nil, err
	}
	defer l.stop()
	rng := l.rng(300)
	report := time.Now()
	for i := range n {
		if err := l.progress(ctx); err != nil {
			return resumes, err
		}
		longest := 600 * time.Millisecond
		for again := true; again; again = rng.IntN(8) == 0 {
			<-time.After(time.Duration(rng.Int64N(int64(longest))))
			took, err := l.restart(c)
			if err != nil {
				return resumes, err
			}
			resumes = append(resumes, took)
			longest = 50 * time.Millisecond
		}
		if err := l.check(ctx, false); err != nil {
			return resumes, err
		}
		if len(l.faults.counts()) > 0 {
			return resumes, fmt.Errorf("stopped at the first fault, in cycle %d", i+1)
		}
		if time.Since(report) > 10*time.Second {
			report = time.Now()
			fmt.Printf("cycle %d of %d, %d records acknowledged\n", i+1, n, l.total())
		}
	}
	l.stop()
	l.running.Wait()
	took, err := l.restart(c)
	if err != nil {
		return resumes, err
	}
	return append(resumes, took), l.check(ctx, true)
}

func main() {
	log.SetFlags(0)
	var c control
	flag.StringVar(&c.subject, "subject", "", "the program that controls the server")
	flag.StringVar(&c.server, "server", "", "folder of the running server")
	cycles := flag.Int("cycles", 200, "how often to kill")
	seed := flag.Uint64("seed", 0, "of an earlier run; 0 takes a new one")
	cuts := flag.Int("power", 0, "how often to cut the power instead")
	var p power
	flag.StringVar(&p.filesystem, "filesystem", "ext4", "of the disk without power")
	flag.StringVar(&p.shim, "shim", "", "a library that has a server forget to sync")
	flag.StringVar(&p.keep, "keep", ".", "where an image with a fault goes")
	flag.Parse()
	if *cycles < 1 {
		log.Fatal("the number of cycles must be positive")
	}
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	if *cuts > 0 {
		p.control, p.seed = c, *seed
		if !p.run(*cuts) {
			os.Exit(1)
		}
		return
	}
	fmt.Printf("%d cycles with KILL9_SEED=%d\n", *cycles, *seed)
	bootstrap, err := os.ReadFile(filepath.Join(c.server, "bootstrap"))
	if err != nil {
		log.Fatal(err)
	}

	start := time.Now()
	ctx := context.Background()
	l := &load{bootstrap: string(bytes.TrimSpace(bootstrap)), server: c.server, seed: *seed, faults: newFaults(false)}
	l.now = l.cycle.Load
	resumes, err := l.cycles(ctx, c, *cycles)

	var tally tally
	if err != nil {
		tally.check(false, err.Error())
	} else {
		tally.check(true, fmt.Sprintf("%d cycles", *cycles))
	}
	counts := l.faults.counts()
	for _, kind := range kinds {
		tally.check(counts[kind] == 0, fmt.Sprintf("%d %s", counts[kind], kind))
	}
	if idle := l.idle(); err == nil {
		tally.check(len(idle) == 0, fmt.Sprintf("parts of the load that never came through: %q", idle))
	}
	if tally.failed == 0 {
		missed, err := l.selfCheck(ctx)
		tally.check(err == nil && len(missed) == 0, fmt.Sprintf("self-check: planted faults that were not found: %q%s", missed, why(err)))
	}
	l.summary(resumes, time.Since(start))
	fmt.Printf("%d passed, %d failed, 0 skipped\n", tally.passed, tally.failed)
	if tally.failed > 0 {
		os.Exit(1)
	}
}

// tally counts what was checked and prints it.
type tally struct{ passed, failed int }

func (t *tally) check(ok bool, what string) {
	verdict := "ok  "
	if ok {
		t.passed++
	} else {
		t.failed++
		verdict = "FAIL"
	}
	fmt.Println(verdict, what)
}

// idle names the parts of the load that would have proved nothing.
func (l *load) idle() (names []string) {
	for i := range l.acked {
		if l.acked[i].Load() == 0 {
			names = append(names, fmt.Sprintf("producer %d", i+1))
		}
	}
	for name, n := range map[string]*atomic.Int64{"commits": &l.commits, "topic creations": &l.created,
		"topic deletions": &l.deletes, "short-lived topics": &l.ackedShort, "observer": &l.observed, "transactions": &l.transacted} {
		if n.Load() == 0 {
			names = append(names, name)
		}
	}
	if l.streams != nil {
		for name, n := range map[string]*atomic.Int64{"puts": &l.puts, "gets": &l.gets, "reshards": &l.reshards,
			"stream deletions": &l.streamsDeleted} {
			if n.Load() == 0 {
				names = append(names, name)
			}
		}
	}
	return names
}

func why(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

func (l *load) summary(resumes []time.Duration, took time.Duration) {
	slices.Sort(resumes)
	if n := len(resumes); n > 0 {
		fmt.Printf("%d kills; resumed in %v (median), %v (longest)\n",
			n, resumes[n/2].Round(time.Millisecond), resumes[n-1].Round(time.Millisecond))
	}
	var each []string
	for i := range l.acked {
		each = append(each, fmt.Sprint(l.acked[i].Load()))
	}
	fmt.Printf("%d records acknowledged (by producer: %s) and %d in short-lived topics; %d seen by the observer\n",
		l.total(), strings.Join(each, " "), l.ackedShort.Load(), l.observed.Load())
	fmt.Printf("%d commits acknowledged; %d topics created, %d of them under a used name; %d deleted\n",
		l.commits.Load(), l.created.Load(), l.successors.Load(), l.deletes.Load())
	fmt.Printf("%d transactions committed; %d records put at the Kinesis door, %d read there; %d splits and merges, %d streams deleted\n",
		l.transacted.Load(), l.puts.Load(), l.gets.Load(), l.reshards.Load(), l.streamsDeleted.Load())
	l.errors.Lock()
	for _, what := range slices.Sorted(maps.Keys(l.errors.count)) {
		fmt.Printf("%d times an error, which is no acknowledgement: %s\n", l.errors.count[what], what)
	}
	l.errors.Unlock()
	fmt.Printf("%.1f s in all\n", took.Seconds())
}
