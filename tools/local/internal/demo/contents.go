package demo

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

// DeadLetter is a message of the dead-letter queue.
type DeadLetter struct {
	// RequestID is the event's request_id, or the message's id if its body is no event.
	RequestID string
	// Reason is why the consumer quarantined it.
	Reason string
	// Source is the ARN of the queue from which SQS itself moved it, after
	// maxReceiveCount receives; empty if a consumer sent it.
	Source string
	// Sent is the time of the first send: to the source queue, if SQS moved the message.
	Sent time.Time
	Body string
}

// list calls found with every key of the bucket and its LastModified. A listing has
// milliseconds if the server keeps them; the header of a read has whole seconds.
func (p *pipeline) list(ctx context.Context, found func(key string, modified time.Time)) error {
	pages := s3.NewListObjectsV2Paginator(p.s3, &s3.ListObjectsV2Input{Bucket: &p.settings.Bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the bucket %s: %w", p.settings.Bucket, err)
		}
		for _, object := range page.Contents {
			found(aws.ToString(object.Key), aws.ToTime(object.LastModified))
		}
	}
	return nil
}

// storedID returns the request_id in a key.
func storedID(key string) string { return strings.TrimSuffix(path.Base(key), ".json") }

// readers is the number of objects that are read at the same time.
const readers = 8

// object is an object of the bucket to read.
type object struct {
	key      string
	modified time.Time
}

// read calls found with each object's body, never two at the same time.
func (p *pipeline) read(ctx context.Context, objects []object, found func(object, body)) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for _, o := range objects {
		group.Go(func() error {
			text, err := p.body(ctx, o.key)
			if err != nil {
				return fmt.Errorf("read %s of the bucket %s: %w", o.key, p.settings.Bucket, err)
			}
			mu.Lock()
			defer mu.Unlock()
			found(o, parseBody(text))
			return nil
		})
	}
	return group.Wait()
}

func (p *pipeline) body(ctx context.Context, key string) ([]byte, error) {
	out, err := p.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &p.settings.Bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}

// digest returns a body's digest in the form in which the producer logs it.
func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

const (
	// handBackTime limits the time to hand messages back, even after an interrupted
	// reading. perSecond adds to it.
	handBackTime = 10 * time.Second
	// perSecond is the lowest rate at which messages of the dead-letter queue are read
	// and handed back.
	perSecond = 100
)

// quarantined returns all messages of the dead-letter queue. It receives each under a
// visibility timeout and then hands it back. Nothing here deletes from that queue, so the
// same depth means the same messages.
func (p *pipeline) quarantined(ctx context.Context) ([]DeadLetter, error) {
	dead, err := p.attributes(ctx, p.dead)
	if err != nil {
		return nil, err
	}
	if len(p.letters) == dead.depth() {
		return p.letters, nil
	}
	held, err := p.hold(ctx, dead)
	if err := errors.Join(err, p.handBack(ctx, held)); err != nil {
		return nil, err
	}
	p.letters = nil
	for _, h := range held {
		p.letters = append(p.letters, h.DeadLetter)
	}
	return p.letters, nil
}

// held is a message of the dead-letter queue, with the newest receipt handle.
type held struct {
	DeadLetter
	receipt string
}

// hold receives every message of the dead-letter queue: as many as its counts say, or
// more if some arrive meanwhile. With an error it returns those that it holds.
//
// An earlier reader may still hide some messages: an interrupted reading, a lost answer,
// a person. hold waits for them: they reappear within the queue's visibility timeout,
// unless their reader asked for a longer one.
func (p *pipeline) hold(ctx context.Context, dead counts) (map[string]held, error) {
	letters, depth := map[string]held{}, dead.depth()
	// A long reading must not receive its own messages again.
	hidden := max(p.hidden, int32(depth/perSecond))
	patience := max(time.Duration(hidden)*time.Second, dead.visibility) + time.Second
	for last := time.Now(); len(letters) < depth && time.Since(last) < patience; {
		out, err := p.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &p.dead, MaxNumberOfMessages: 10, VisibilityTimeout: hidden, WaitTimeSeconds: 1,
			MessageAttributeNames: []string{report.ReasonAttribute},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{
				types.MessageSystemAttributeNameDeadLetterQueueSourceArn, types.MessageSystemAttributeNameSentTimestamp,
			},
		})
		if err != nil {
			return letters, fmt.Errorf("read the dead-letter queue: %w", err)
		}
		for _, m := range out.Messages {
			id := aws.ToString(m.MessageId)
			if _, known := letters[id]; !known {
				last = time.Now()
			}
			letters[id] = held{deadLetter(m), aws.ToString(m.ReceiptHandle)}
		}
		// A message that has just arrived may have been read before an older one.
		if len(letters) >= depth {
			dead, err := p.attributes(ctx, p.dead)
			if err != nil {
				return letters, err
			}
			depth = dead.depth()
		}
	}
	if len(letters) < depth {
		return letters, fmt.Errorf(
			"read %d of the %d messages of the dead-letter queue: another reader has held the others for %s",
			len(letters),
			depth,
			patience,
		)
	}
	return letters, nil
}

func deadLetter(m types.Message) DeadLetter {
	millis, _ := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64)
	text := aws.ToString(m.Body)
	return DeadLetter{
		RequestID: cmp.Or(parseBody([]byte(text)).RequestID, "message "+aws.ToString(m.MessageId)),
		Reason:    aws.ToString(m.MessageAttributes[report.ReasonAttribute].StringValue),
		Source:    m.Attributes[string(types.MessageSystemAttributeNameDeadLetterQueueSourceArn)],
		Sent:      time.UnixMilli(millis),
		Body:      text,
	}
}

// handBack makes messages of the dead-letter queue visible again, even if the demo was
// interrupted.
func (p *pipeline) handBack(ctx context.Context, letters map[string]held) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handBackTime+time.Duration(len(letters))*time.Second/perSecond)
	defer cancel()
	var failed []error
	for batch := range slices.Chunk(slices.Collect(maps.Values(letters)), 10) {
		entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(batch))
		for i, m := range batch {
			entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
				Id:                aws.String(strconv.Itoa(i)),
				ReceiptHandle:     &m.receipt,
				VisibilityTimeout: 0,
			}
		}
		out, err := p.sqs.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &p.dead, Entries: entries})
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for _, f := range out.Failed {
			// A long reading exceeds the visibility timeout: those messages are visible
			// again already.
			if strings.HasSuffix(aws.ToString(f.Code), "MessageNotInflight") {
				continue
			}
			failed = append(failed, fmt.Errorf("%s: %s", aws.ToString(f.Code), aws.ToString(f.Message)))
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("hand messages back to the dead-letter queue: %w", errors.Join(failed...))
	}
	return nil
}
