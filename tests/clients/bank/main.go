// Command bank moves money between accounts in transactions (read a transfer, write a debit and a credit, commit the offset) while
// the server is killed again and again, and checks that readers of both doors see every transfer whole and once.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	transfers  = "transfers"
	debits     = "debits"
	credits    = "credits"
	partitions = 3
	accounts   = 20
	tellers    = 2
	// The longest time that a transaction may take, and what comes on top of that on a busy machine.
	timeout = 10 * time.Second
	slack   = 20 * time.Second
)

// control is the hand on the server.
type control struct{ subject, server string }

func (c control) call(what string) error {
	command := exec.Command(c.subject, what, c.server)
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("subject %s: %w", what, err)
	}
	return nil
}

// bank is everything that goes on.
type bank struct {
	control
	bootstrap string
	rng       *rand.Rand
	// Transfers that were asked for.
	asked int
	// Transactions that were committed and aborted, as far as tellers were told.
	committed, aborted atomic.Int64
}

func main() {
	var c control
	flag.StringVar(&c.subject, "subject", "", "the script that stops and starts the server")
	flag.StringVar(&c.server, "server", "", "the server's directory")
	cycles := flag.Int("cycles", 100, "how often to kill it")
	seed := flag.Uint64("seed", 0, "what the choices begin with; 0 draws")
	flag.Parse()
	log.SetFlags(log.Ltime)
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	log.Printf("BANK_SEED=%d", *seed)
	bootstrap, err := os.ReadFile(c.server + "/bootstrap")
	if err != nil {
		log.Fatal(err)
	}
	b := &bank{control: c, bootstrap: strings.TrimSpace(string(bootstrap)), rng: rand.New(rand.NewPCG(*seed, 1))}
	began := time.Now()
	passed, err := b.run(*cycles)
	log.Printf("%d cycles, %d transfers, %d transactions committed and %d aborted, in %v",
		passed, b.asked, b.committed.Load(), b.aborted.Load(), time.Since(began).Round(time.Second))
	failed := 0
	if err != nil {
		log.Print("FAILED: ", err)
		failed = 1
	}
	// A case is a cycle after which every sum was right.
	fmt.Printf("%d passed, %d failed, 0 skipped\n", passed, failed)
	os.Exit(failed)
}

func (b *bank) client(options ...kgo.Opt) (*kgo.Client, error) {
	common := []kgo.Opt{
		kgo.SeedBrokers(b.bootstrap),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
		kgo.MetadataMinAge(50 * time.Millisecond),
	}
	return kgo.NewClient(append(common, options...)...)
}

// run returns after how many cycles every sum was right.
func (b *bank) run(cycles int) (int, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client, err := b.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	for _, topic := range []string{transfers, debits, credits} {
		if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
			return 0, err
		}
	}
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for number := range tellers {
		all.Go(func() { b.teller(ctx, number, rand.New(rand.NewPCG(b.rng.Uint64(), 2))) })
	}
	books, err := b.open()
	if err != nil {
		return 0, err
	}
	defer books.close()
	for cycle := range cycles {
		if err := b.ask(ctx, client, 30+b.rng.IntN(60)); err != nil {
			return cycle, fmt.Errorf("cycle %d: %w", cycle, err)
		}
		// Something of this cycle is under way, as a rule.
		time.Sleep(time.Duration(b.rng.Int64N(int64(400 * time.Millisecond))))
		if err := b.call("kill"); err != nil {
			return cycle, err
		}
		if err := b.call("resume"); err != nil {
			return cycle, err
		}
		if err := books.check(ctx, b.asked); err != nil {
			return cycle, fmt.Errorf("cycle %d: %w", cycle, err)
		}
		if cycle%20 == 19 {
			log.Printf("cycle %d: %d transfers, %d commits, %d aborts", cycle+1, b.asked, b.committed.Load(), b.aborted.Load())
		}
	}
	return cycles, nil
}

// ask asks for n transfers; each is acknowledged when it returns.
func (b *bank) ask(ctx context.Context, client *kgo.Client, n int) error {
	records := make([]*kgo.Record, n)
	for i := range records {
		from := b.rng.IntN(accounts)
		to := (from + 1 + b.rng.IntN(accounts-1)) % accounts
		value := fmt.Sprintf("%d %d %d %d", b.asked+i, from, to, 1+b.rng.IntN(1000))
		records[i] = &kgo.Record{Topic: transfers, Partition: int32(b.rng.IntN(partitions)), Value: []byte(value)}
	}
	b.asked += n
	return client.ProduceSync(ctx, records...).FirstErr()
}
