// Runs every case over every transport against the gateway that run.sh has started.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

const (
	caseDeadline = 90 * time.Second
	module       = "github.com/aws/aws-sdk-go-v2/service/kinesis"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: suite CLIENTS-DIR SERVER-DIR RESULTS-DIR [CASE...]")
		os.Exit(2)
	}
	if err := run(server{os.Args[1], os.Args[2]}, os.Args[3], os.Args[4:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(s server, results string, wanted []string) error {
	worlds := []*world{
		{server: s, name: "aws-go-http1", scheme: "http", protocol: "HTTP/1.1", called: map[string]bool{}},
		{server: s, name: "aws-go-h2", scheme: "https", protocol: "HTTP/2.0", called: map[string]bool{}},
	}
	for _, w := range worlds {
		if err := w.connect(); err != nil {
			return err
		}
		if _, err := attempt(measured, w); err != nil {
			return err
		}
	}
	passed, failed := 0, 0
	lines := map[*world]string{}
	// Case by case, so that all of them wait for the same minute of CloudWatch.
	for _, c := range cases {
		if len(wanted) > 0 && !slices.Contains(wanted, c.name) {
			continue
		}
		for _, w := range worlds {
			line := fmt.Sprintf("CASE %s %s %s ", w.name, version(), c.name)
			if note, err := attempt(c.run, w); err != nil {
				failed++
				line += "fail " + strings.Join(strings.Fields(err.Error()), " ")
			} else {
				passed++
				line += strings.TrimSpace("ok " + note)
			}
			fmt.Println(line)
			lines[w] += line + "\n"
		}
	}
	for _, w := range worlds {
		if err := os.WriteFile(filepath.Join(results, w.name+".txt"), []byte(lines[w]), 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("%d passed, %d failed, 0 skipped\n", passed, failed)
	if failed > 0 || passed == 0 {
		os.Exit(1)
	}
	return nil
}

// attempt runs a case to its end or to its deadline; what it panics with is its failure.
func attempt(run func(*world) string, w *world) (string, error) {
	type outcome struct {
		note string
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				if o.err = asFailure(p); o.err == nil {
					o.err = fmt.Errorf("panic: %v %s", p, debug.Stack())
				}
			}
			done <- o
		}()
		o.note = run(w)
	}()
	select {
	case o := <-done:
		return o.note, o.err
	case <-time.After(caseDeadline):
		return "", fmt.Errorf("not finished after %s", caseDeadline)
	}
}

func asFailure(panicked any) error {
	if f, ok := panicked.(failure); ok {
		return f.error
	}
	return nil
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == module {
				return strings.TrimPrefix(m.Version, "v")
			}
		}
	}
	return "unknown"
}
