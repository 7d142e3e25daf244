// Saturates one partition with franz-go in its default settings; README.md one folder up has the contract.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// complaints hears of everything that the client tells its user about, and of every request that failed.
type complaints struct {
	sync.Mutex
	lines []string
}

func (c *complaints) add(line string) {
	c.Lock()
	defer c.Unlock()
	c.lines = append(c.lines, line)
}

func (c *complaints) Level() kgo.LogLevel { return kgo.LogLevelWarn }

func (c *complaints) Log(_ kgo.LogLevel, message string, pairs ...any) {
	c.add(fmt.Sprint(message, pairs))
}

func (c *complaints) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if err != nil {
		c.add(fmt.Sprintf("reading the answer to key %d: %v", key, err))
	}
}

// value begins with the number; the rest is noise, because the client compresses.
func value(number int, size int) []byte {
	noise := make([]byte, size-12)
	rand.Read(noise)
	return append(fmt.Appendf(nil, "%012d", number), noise...)
}

func main() {
	servers, topic, path := os.Args[1], os.Args[2], os.Args[6]
	size, _ := strconv.Atoi(os.Args[3])
	seconds, _ := strconv.ParseFloat(os.Args[4], 64)
	outstanding, _ := strconv.Atoi(os.Args[5])
	heard, room := &complaints{}, make(chan struct{}, outstanding)
	client, err := kgo.NewClient(kgo.SeedBrokers(servers), kgo.WithLogger(heard), kgo.WithHooks(heard))
	if err != nil {
		panic(err)
	}
	file, err := os.Create(path)
	if err != nil {
		panic(err)
	}
	acknowledgements := bufio.NewWriter(file)
	begun := time.Now()
	for number := 0; time.Since(begun).Seconds() < seconds; number++ {
		record := &kgo.Record{Topic: topic, Value: value(number, size)}
		room <- struct{}{}
		client.Produce(context.Background(), record, func(record *kgo.Record, err error) {
			<-room
			if err != nil {
				heard.add(err.Error())
				return
			}
			heard.Lock()
			defer heard.Unlock()
			fmt.Fprintf(acknowledgements, "%.6f %d %d\n", time.Since(begun).Seconds(), number, record.Offset)
		})
	}
	if err := client.Flush(context.Background()); err != nil {
		heard.add(err.Error())
	}
	heard.Lock()
	defer heard.Unlock()
	if err := acknowledgements.Flush(); err != nil {
		panic(err)
	}
	for _, line := range heard.lines {
		fmt.Println(line)
	}
}
