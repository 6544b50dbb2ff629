package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// contents are the request_ids at both ends of the pipeline.
type contents struct {
	stored, dead map[string]bool
	// depth counts the messages of the dead-letter queue: a duplicate of a bad
	// one is there twice.
	depth int
}

func (p *pipeline) read(ctx context.Context) (c contents, err error) {
	if c.stored, err = p.stored(ctx); err != nil {
		return c, err
	}
	if c.dead, err = p.quarantined(ctx); err != nil {
		return c, err
	}
	c.depth = p.scan.depth
	return c, nil
}

// stored is every request_id in the bucket, by the objects' keys.
func (p *pipeline) stored(ctx context.Context) (map[string]bool, error) {
	ids := map[string]bool{}
	pages := s3.NewListObjectsV2Paginator(p.s3, &s3.ListObjectsV2Input{Bucket: &p.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the bucket %s: %w", p.bucket, err)
		}
		for _, object := range page.Contents {
			ids[strings.TrimSuffix(path.Base(aws.ToString(object.Key)), ".json")] = true
		}
	}
	return ids, nil
}

// scan is a reading of the whole dead-letter queue. Nothing is ever deleted
// from it here, so a depth that is the same means contents that are.
type scan struct {
	depth int
	ids   map[string]bool
}

const (
	// hidden is how long, in seconds, a message of the dead-letter queue is
	// hidden while all of them are read. A reading takes a fraction of one; an
	// answer that is lost on its way hides its messages for this long.
	hidden = 10
	// emptyReceives is how many answers in a row without a new message, each
	// after a poll of a second, end a reading: longer than a lost answer hides
	// what it held.
	emptyReceives = hidden + 2
)

// quarantined is every request_id in the dead-letter queue. It receives them
// all under a long visibility timeout and then hands them back.
func (p *pipeline) quarantined(ctx context.Context) (ids map[string]bool, err error) {
	dead, err := p.attributes(ctx, p.dead)
	if err != nil {
		return nil, err
	}
	if p.scan.ids != nil && p.scan.depth == dead.depth() {
		return p.scan.ids, nil
	}
	depth := dead.depth()
	held := map[string]types.Message{}
	defer func() {
		if giveErr := p.handBack(context.WithoutCancel(ctx), slices.Collect(maps.Values(held))); giveErr != nil {
			ids, err = nil, errors.Join(err, giveErr)
		}
	}()
	ids = map[string]bool{}
	for empty := 0; len(held) < depth && empty < emptyReceives; {
		out, err := p.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &p.dead, MaxNumberOfMessages: 10, VisibilityTimeout: hidden, WaitTimeSeconds: 1,
		})
		if err != nil {
			return nil, fmt.Errorf("read the dead-letter queue: %w", err)
		}
		empty++
		for _, m := range out.Messages {
			id := aws.ToString(m.MessageId)
			if _, known := held[id]; !known {
				empty = 0
			}
			held[id] = m
			ids[requestID(m)] = true
		}
		// One that came meanwhile may have been read before an older one.
		if len(held) >= depth {
			if dead, err = p.attributes(ctx, p.dead); err != nil {
				return nil, err
			}
			depth = dead.depth()
		}
	}
	if len(held) < depth {
		return nil, fmt.Errorf("read %d of the %d messages of the dead-letter queue: another reader holds the others, wait until it hands them back", len(held), depth)
	}
	p.scan = scan{depth: depth, ids: ids}
	return ids, nil
}

// requestID names a dead-lettered message, also one that is no event at all.
func requestID(m types.Message) string {
	var body struct {
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &body); err != nil || body.RequestID == "" {
		return "message " + aws.ToString(m.MessageId)
	}
	return body.RequestID
}

// handBack makes messages of the dead-letter queue visible again.
func (p *pipeline) handBack(ctx context.Context, held []types.Message) error {
	var failed []error
	for len(held) > 0 {
		n := min(10, len(held))
		entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, n)
		for i, m := range held[:n] {
			entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0}
		}
		held = held[n:]
		out, err := p.sqs.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &p.dead, Entries: entries})
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for _, f := range out.Failed {
			// A long reading outlasts the hiding: those are back already.
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
