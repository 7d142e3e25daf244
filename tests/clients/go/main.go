// Runs every case with every Go client against the server that run.sh has started.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"
)

const caseDeadline = 60 * time.Second

// server is the one under test; its script and directory are those of tests/clients/subject.
type server struct{ script, dir, bootstrap string }

func (s server) call(verb string) error {
	if out, err := exec.Command(s.script, verb, s.dir).CombinedOutput(); err != nil {
		return fmt.Errorf("subject %s: %w: %s", verb, err, out)
	}
	return nil
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: suite SUBJECT-SCRIPT SERVER-DIR RESULTS-DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(script, dir, results string) error {
	bootstrap, err := os.ReadFile(filepath.Join(dir, "bootstrap"))
	if err != nil {
		return err
	}
	s := server{script, dir, strings.TrimSpace(string(bootstrap))}

	passed, failed, skipped := 0, 0, 0
	for _, kind := range []struct {
		name, module string
		connect      func(bootstrap string) (client, error)
	}{
		{"franz-go", "github.com/twmb/franz-go", connectFranz},
		{"sarama", "github.com/IBM/sarama", connectSarama},
		{"kafka-go", "github.com/segmentio/kafka-go", connectKafkaGo},
	} {
		c, err := kind.connect(s.bootstrap)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		var lines strings.Builder
		for _, k := range cases {
			line := fmt.Sprintf("CASE %s %s %s ", kind.name, version(kind.module), k.name)
			note, err := attempt(k.run, &trial{server: s, client: c, name: kind.name + "-" + k.name})
			if why := lacks(""); errors.As(err, &why) {
				skipped++
				line += "none " + string(why)
			} else if err != nil {
				failed++
				line += "fail " + strings.Join(strings.Fields(err.Error()), " ")
			} else {
				passed++
				line += strings.TrimSpace("ok " + note)
			}
			fmt.Println(line)
			fmt.Fprintln(&lines, line)
		}
		c.close()
		if err := os.WriteFile(filepath.Join(results, kind.name+".txt"), []byte(lines.String()), 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	if failed > 0 {
		os.Exit(1)
	}
	return nil
}

// attempt gives up on a case at its deadline even where the client takes no context, and turns a
// client's panic into a failure of that one case.
func attempt(run func(context.Context, *trial) (string, error), t *trial) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), caseDeadline)
	defer cancel()
	type outcome struct {
		note string
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				o.err = fmt.Errorf("panic: %v %s", p, debug.Stack())
			}
			done <- o
		}()
		o.note, o.err = run(ctx, t)
	}()
	// A case that watches the context says better than we could what it was waiting for.
	select {
	case o := <-done:
		return o.note, o.err
	case <-time.After(caseDeadline + time.Second):
		return "", errors.New("not finished after " + caseDeadline.String())
	}
}

func version(module string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == module {
				return strings.TrimPrefix(m.Version, "v")
			}
		}
	}
	return "unknown"
}
