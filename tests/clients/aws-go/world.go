package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"
)

// server is the one under test: the folder of tests/clients and the directory that `subject` was given.
type server struct{ clients, dir string }

func (s server) call(verb string) {
	out, err := exec.Command(filepath.Join(s.clients, "subject"), verb, s.dir).CombinedOutput()
	check(err == nil, "subject %s: %v: %s", verb, err, out)
}

// world is what a case gets: clients that speak over one transport, and what was seen of them.
type world struct {
	server
	name, scheme, protocol string
	kinesis                *kinesis.Client
	watch                  *cloudwatch.Client
	measured               string // a stream that something was put to at the start, and nothing since

	mutex   sync.Mutex
	called  map[string]bool
	answers int
	strayed []string // protocols of answers that came over another one
}

// connect makes clients for where the server is now, which trust its certificate and no other.
func (w *world) connect() error {
	text, err := os.ReadFile(filepath.Join(w.dir, "ports.json"))
	if err != nil {
		return err
	}
	var ports struct{ Kinesis string }
	if err := json.Unmarshal(text, &ports); err != nil {
		return err
	}
	transport := &tls.Config{}
	if w.scheme == "https" {
		shown, err := exec.Command(filepath.Join(w.clients, "certificate"), ports.Kinesis).Output()
		if err != nil {
			return fmt.Errorf("no certificate of %s: %w", ports.Kinesis, err)
		}
		transport.RootCAs = x509.NewCertPool()
		transport.RootCAs.AppendCertsFromPEM(shown)
	}
	client := watched{w, awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.TLSClientConfig = transport })}
	endpoint := aws.String(w.scheme + "://" + ports.Kinesis)
	identity := credentials.NewStaticCredentialsProvider("local", "local", "")
	w.kinesis = kinesis.New(kinesis.Options{
		BaseEndpoint: endpoint, Region: "us-east-1", Credentials: identity, RetryMaxAttempts: 1, HTTPClient: client,
		APIOptions: []func(*middleware.Stack) error{w.count},
	})
	w.watch = cloudwatch.New(cloudwatch.Options{
		BaseEndpoint: endpoint, Region: "us-east-1", Credentials: identity, RetryMaxAttempts: 1, HTTPClient: client,
		APIOptions: []func(*middleware.Stack) error{w.count},
	})
	return nil
}

// count notes which operations are called.
func (w *world) count(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("count",
		func(c context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error,
		) {
			w.mutex.Lock()
			w.called[middleware.GetOperationName(c)] = true
			w.mutex.Unlock()
			return next.HandleInitialize(c, in)
		}), middleware.After)
}

// watched is the SDK's own HTTP client; the protocol of every answer is noted.
type watched struct {
	world *world
	inner *awshttp.BuildableClient
}

// Do hands an answer on only when net/http is done with the request. The SDK closes the body of a request as soon as it has the
// answer; net/http, which was about to look whether that body has really ended, then cuts a connection over HTTP/1.1 (smithy-go
// 1.28.9: WriteTo of a closed body is io.EOF). A server that answers at once loses its subscriptions by that.
func (c watched) Do(request *http.Request) (*http.Response, error) {
	written, once := make(chan struct{}), sync.Once{}
	trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { once.Do(func() { close(written) }) }}
	answer, err := c.inner.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
	if err != nil {
		return answer, err
	}
	<-written
	c.world.mutex.Lock()
	defer c.world.mutex.Unlock()
	c.world.answers++
	if answer.Proto != c.world.protocol {
		c.world.strayed = append(c.world.strayed, answer.Proto)
	}
	return answer, err
}

// failure is what a case that does not hold panics with.
type failure struct{ error }

func check(holds bool, format string, arguments ...any) {
	if !holds {
		panic(failure{fmt.Errorf(format, arguments...)})
	}
}

func must[T any](value T, err error) T {
	check(err == nil, "%w", err)
	return value
}

func equal(actual, expected any, what string) {
	check(reflect.DeepEqual(actual, expected), "%s: %.200s, expected %.200s", what, fmt.Sprint(actual), fmt.Sprint(expected))
}

// refused asserts that the error is one of the SDK's own type, and gives it.
func refused[E error](_ any, err error) E {
	var found E
	check(errors.As(err, &found), "%T was expected, not %v", found, err)
	return found
}

var ctx = context.Background()

func unique() string {
	return fmt.Sprintf("s-%08x", rand.Uint32())
}

func (w *world) stream(shards int32) string {
	name := unique()
	must(w.kinesis.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &name, ShardCount: &shards}))
	w.exists(name)
	return name
}

func (w *world) exists(stream string) {
	waiter := kinesis.NewStreamExistsWaiter(w.kinesis)
	err := waiter.Wait(ctx, &kinesis.DescribeStreamInput{StreamName: &stream}, time.Minute)
	check(err == nil, "waiting for %s: %w", stream, err)
}

func (w *world) describe(stream string) *types.StreamDescription {
	return must(w.kinesis.DescribeStream(ctx, &kinesis.DescribeStreamInput{StreamName: &stream})).StreamDescription
}

func (w *world) summary(stream string) *types.StreamDescriptionSummary {
	input := &kinesis.DescribeStreamSummaryInput{StreamName: &stream}
	return must(w.kinesis.DescribeStreamSummary(ctx, input)).StreamDescriptionSummary
}

func (w *world) arn(stream string) *string {
	return w.summary(stream).StreamARN
}

func (w *world) iteratorAt(input kinesis.GetShardIteratorInput) *string {
	return must(w.kinesis.GetShardIterator(ctx, &input)).ShardIterator
}

func (w *world) iterator(stream, shard string) *string {
	return w.iteratorAt(kinesis.GetShardIteratorInput{
		StreamName: &stream, ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
}

func (w *world) get(iterator *string) *kinesis.GetRecordsOutput {
	return must(w.kinesis.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator}))
}

// put puts each value as a record of its own, and gives their sequence numbers.
func (w *world) put(stream string, values ...string) []*string {
	var numbers []*string
	for _, value := range values {
		input := &kinesis.PutRecordInput{StreamName: &stream, PartitionKey: aws.String("a"), Data: []byte(value)}
		numbers = append(numbers, must(w.kinesis.PutRecord(ctx, input)).SequenceNumber)
	}
	return numbers
}

// registered is the ARN of a new consumer that may subscribe.
func (w *world) registered(stream, name string) *string {
	input := &kinesis.RegisterStreamConsumerInput{StreamARN: w.arn(stream), ConsumerName: &name}
	arn := must(w.kinesis.RegisterStreamConsumer(ctx, input)).Consumer.ConsumerARN
	until(func() bool {
		found := must(w.kinesis.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{ConsumerARN: arn}))
		return found.ConsumerDescription.ConsumerStatus == types.ConsumerStatusActive
	})
	return arn
}

// until asks again and again; the deadline is that of the case.
func until(holds func() bool) {
	for !holds() {
		time.Sleep(20 * time.Millisecond)
	}
}

func values(records []types.Record) []string {
	found := []string{}
	for _, record := range records {
		found = append(found, string(record.Data))
	}
	return found
}
