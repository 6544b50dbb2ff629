//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
	"github.com/mystique-unicorn/sales-events/internal/awshttp"
)

const (
	region, account            = "eu-west-1", "000000000000"
	queue, deadLetters, bucket = "q", "q-dlq", "events"

	putLatency, sqsLatency = 25 * time.Millisecond, 8 * time.Millisecond
	countsPath             = "/bench/counts"
)

// serve runs the local AWS in this process until its standard input ends. It prints its
// URL.
func serve(ctx context.Context) error {
	faults := &localaws.Faults{}
	for _, action := range []string{"ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"} {
		faults.Add(localaws.Fault{Action: action, Times: 1 << 40, Latency: sqsLatency})
	}
	faults.Add(localaws.Fault{Action: "S3:PUT", Times: 1 << 40, Latency: putLatency})
	server, err := localaws.New(localaws.Config{
		Region: region, AccountID: account, Buckets: []string{bucket}, Queues: []localaws.Queue{{Name: queue}, {Name: deadLetters}},
	}, localaws.WithFaults(faults))
	if err != nil {
		return err
	}
	var requests, stored atomic.Int64
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == countsPath:
			fmt.Fprintln(w, requests.Load(), stored.Load())
			return
		case r.Method == http.MethodPut:
			stored.Add(1)
		case r.Header.Get("X-Amz-Target") != "AmazonSQS.SendMessageBatch":
			requests.Add(1)
		}
		server.ServeHTTP(w, r)
	}))
	defer listener.Close()
	fmt.Println(listener.URL)
	context.AfterFunc(ctx, func() { os.Stdin.Close() })
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// server is a child process that serves.
type server struct {
	url   string
	cmd   *exec.Cmd
	stdin io.Closer
}

// startServer starts a server whose queue holds the given number of events.
func startServer(ctx context.Context, events int) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, serveRole)
	cmd.Stderr = os.Stderr
	// It is killed when this process ends, however that happens.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("the server does not say its address: %w", err)
	}
	s.url = strings.TrimSpace(line)
	if err := s.fill(ctx, events); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *server) stop() {
	_ = s.stdin.Close()
	_ = s.cmd.Wait()
}

func (s *server) counts(ctx context.Context) (requests, stored int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+countsPath, nil)
	if err != nil {
		return 0, 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, 0, err
	}
	defer response.Body.Close()
	_, err = fmt.Fscan(response.Body, &requests, &stored)
	return requests, stored, err
}

func (s *server) fill(ctx context.Context, events int) error {
	client := sqs.NewFromConfig(aws.Config{
		Region: region, BaseEndpoint: &s.url, HTTPClient: awshttp.New(),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	var senders errgroup.Group
	senders.SetLimit(8)
	for first := 0; first < events; first += 10 {
		senders.Go(func() error {
			var entries []types.SendMessageBatchRequestEntry
			for i := first; i < min(first+10, events); i++ {
				entries = append(entries, entry(i))
			}
			_, err := client.SendMessageBatch(
				ctx,
				&sqs.SendMessageBatchInput{QueueUrl: aws.String(s.url + "/" + account + "/" + queue), Entries: entries},
			)
			return err
		})
	}
	return senders.Wait()
}

// entry returns an event in the form that the producer sends.
func entry(i int) types.SendMessageBatchRequestEntry {
	text := func(value string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	body, _ := json.Marshal(map[string]any{
		"request_id": "e-" + strconv.Itoa(i), "store_id": 1 + i%10, "cust_id": i, "category": "Shoes", "sku": i, "price": 19.95, "qty": 2,
		"discount": 0.1, "gift_wrap": true, "variant": "red", "priority_shipping": false, "ts": time.Now().UTC(),
	})
	return types.SendMessageBatchRequestEntry{
		Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(string(body)),
		MessageAttributes: map[string]types.MessageAttributeValue{"event_type": text("sale_event"), "priority_shipping": text("false")},
	}
}
