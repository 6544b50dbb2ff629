//go:build linux

package main

import (
	"context"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkhttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mystique-unicorn/sales-events/internal/awshttp"
)

// bare runs the minimum that moves messages to objects: it parses nothing, retries
// nothing, extends no visibility timeout and returns no messages.
func bare(ctx context.Context) error {
	const pollers, deleters = 8, 4
	concurrency, err := strconv.Atoi(os.Getenv("CONCURRENCY"))
	if err != nil {
		return err
	}
	total, err := strconv.ParseInt(os.Getenv("TOT_MSGS_TO_PROCESS"), 10, 64)
	if err != nil {
		return err
	}
	c, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(sdkhttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConnsPerHost, t.MaxIdleConns = 2*concurrency, 4*concurrency
	})))
	if err != nil {
		return err
	}
	c.HTTPClient = awshttp.PlainBodies(c.HTTPClient)
	b := &pipeline{
		sqs: sqs.NewFromConfig(c), s3: s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }),
		url: os.Getenv("AWS_ENDPOINT_URL") + "/" + account + "/" + queue, left: total, failed: make(chan error, 1),
		received: make(chan types.Message), stored: make(chan *string),
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.done = cancel
	var workers sync.WaitGroup
	for range pollers {
		workers.Go(func() { b.run(b.poll(ctx)) })
	}
	for range concurrency {
		workers.Go(func() { b.run(b.put(ctx)) })
	}
	for range deleters {
		workers.Go(func() { b.run(b.remove(ctx)) })
	}
	workers.Wait()
	select {
	case err := <-b.failed:
		return err
	default:
		return nil
	}
}

type pipeline struct {
	sqs      *sqs.Client
	s3       *s3.Client
	url      string
	left     int64 // messages still to be deleted
	done     func()
	failed   chan error
	received chan types.Message
	stored   chan *string
}

// run stops everything after an error, unless the work is done.
func (b *pipeline) run(err error) {
	if err == nil || atomic.LoadInt64(&b.left) <= 0 {
		return
	}
	select {
	case b.failed <- err:
	default:
	}
	b.done()
}

func (b *pipeline) poll(ctx context.Context) error {
	for {
		out, err := b.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &b.url, MaxNumberOfMessages: 10, WaitTimeSeconds: 20, MessageAttributeNames: []string{"All"},
		})
		if err != nil {
			return err
		}
		for _, m := range out.Messages {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case b.received <- m:
			}
		}
	}
}

func (b *pipeline) put(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case m := <-b.received:
			if _, err := b.s3.PutObject(ctx, &s3.PutObjectInput{
				Bucket: aws.String(bucket), Key: aws.String("bare/" + *m.MessageId + ".json"), Body: strings.NewReader(*m.Body),
				ContentType: aws.String("application/json"), IfNoneMatch: aws.String("*"),
			}); err != nil {
				return err
			}
			b.stored <- m.ReceiptHandle
		}
	}
}

func (b *pipeline) remove(ctx context.Context) error {
	for {
		var entries []types.DeleteMessageBatchRequestEntry
		late := time.After(100 * time.Millisecond)
	gather:
		for len(entries) < 10 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-late:
				break gather
			case handle := <-b.stored:
				entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(len(entries))), ReceiptHandle: handle})
			}
		}
		if len(entries) == 0 {
			continue
		}
		if _, err := b.sqs.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &b.url, Entries: entries}); err != nil {
			return err
		}
		if atomic.AddInt64(&b.left, -int64(len(entries))) <= 0 {
			b.done()
		}
	}
}
