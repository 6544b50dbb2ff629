package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"
)

// Object is an object of the bucket.
type Object struct {
	Key string
	// SHA256 is that of its body.
	SHA256 string
	// Stored is its LastModified.
	Stored time.Time
}

// DeadLetter is a message of the dead-letter queue.
type DeadLetter struct {
	// RequestID is the message's id if the body is no event.
	RequestID string
	// Reason is why the consumer quarantined it.
	Reason string
	// Source is the ARN of the queue from which SQS itself moved it, after
	// maxReceiveCount receives; empty if a consumer sent it.
	Source string
	// SHA256 is that of its body.
	SHA256 string
}

// keys are those of the whole bucket, each with its LastModified: a listing has
// it to the millisecond where the server does, the header of a read does not.
func (p *pipeline) keys(ctx context.Context) (map[string]time.Time, error) {
	keys := map[string]time.Time{}
	pages := s3.NewListObjectsV2Paginator(p.s3, &s3.ListObjectsV2Input{Bucket: &p.settings.Bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the bucket %s: %w", p.settings.Bucket, err)
		}
		for _, object := range page.Contents {
			keys[aws.ToString(object.Key)] = aws.ToTime(object.LastModified)
		}
	}
	return keys, nil
}

// storedID is the request_id that a key is for.
func storedID(key string) string { return strings.TrimSuffix(path.Base(key), ".json") }

func storedIDs(keys map[string]time.Time) map[string]bool {
	ids := map[string]bool{}
	for key := range keys {
		ids[storedID(key)] = true
	}
	return ids
}

// readers is how many objects are read at a time.
const readers = 8

// objects reads the objects of these keys, which keys gave.
func (p *pipeline) objects(ctx context.Context, keys map[string]time.Time) ([]Object, error) {
	objects := make([]Object, len(keys))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, key := range slices.Sorted(maps.Keys(keys)) {
		group.Go(func() (err error) {
			objects[i], err = p.object(ctx, key)
			objects[i].Stored = keys[key]
			return err
		})
	}
	return objects, group.Wait()
}

func (p *pipeline) object(ctx context.Context, key string) (Object, error) {
	out, err := p.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &p.settings.Bucket, Key: &key})
	if err != nil {
		return Object{}, fmt.Errorf("read %s of the bucket %s: %w", key, p.settings.Bucket, err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		return Object{}, fmt.Errorf("read %s of the bucket %s: %w", key, p.settings.Bucket, err)
	}
	return Object{Key: key, SHA256: digest(body)}, nil
}

// digest is as the producer logs it.
func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

const (
	// handBackTime bounds the handing back, also of an interrupted reading.
	handBackTime = 10 * time.Second
	// reasonAttribute is where the consumer says why it quarantines.
	reasonAttribute = "quarantine_reason"
)

// quarantined is the whole dead-letter queue. It receives every message under a
// long visibility timeout and then hands them back. Nothing is ever deleted
// from the queue here, so a depth that is the same means contents that are.
func (p *pipeline) quarantined(ctx context.Context) ([]DeadLetter, error) {
	dead, err := p.attributes(ctx, p.dead)
	if err != nil {
		return nil, err
	}
	if len(p.letters) == dead.depth() {
		return p.letters, nil
	}
	held, err := p.hold(ctx, dead.depth())
	if err := errors.Join(err, p.handBack(ctx, slices.Collect(maps.Values(held)))); err != nil {
		return nil, err
	}
	p.letters = nil
	for _, m := range held {
		p.letters = append(p.letters, deadLetter(m))
	}
	return p.letters, nil
}

// hold receives every message of the dead-letter queue, which has depth of
// them or, meanwhile, more. With an error it returns those that it holds.
func (p *pipeline) hold(ctx context.Context, depth int) (map[string]types.Message, error) {
	held := map[string]types.Message{}
	// So many answers in a row without a new message, each after a poll of a
	// second, end a reading: longer than a lost answer hides what it held.
	for empty := 0; len(held) < depth && empty < int(p.hidden)+2; {
		out, err := p.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &p.dead, MaxNumberOfMessages: 10, VisibilityTimeout: p.hidden, WaitTimeSeconds: 1,
			MessageAttributeNames:       []string{reasonAttribute},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameDeadLetterQueueSourceArn},
		})
		if err != nil {
			return held, fmt.Errorf("read the dead-letter queue: %w", err)
		}
		empty++
		for _, m := range out.Messages {
			id := aws.ToString(m.MessageId)
			if _, known := held[id]; !known {
				empty = 0
			}
			held[id] = m
		}
		// One that came meanwhile may have been read before an older one.
		if len(held) >= depth {
			dead, err := p.attributes(ctx, p.dead)
			if err != nil {
				return held, err
			}
			depth = dead.depth()
		}
	}
	if len(held) < depth {
		return held, fmt.Errorf("read %d of the %d messages of the dead-letter queue: another reader holds the others, wait until it hands them back", len(held), depth)
	}
	return held, nil
}

func deadLetter(m types.Message) DeadLetter {
	letter := DeadLetter{
		RequestID: "message " + aws.ToString(m.MessageId),
		Reason:    aws.ToString(m.MessageAttributes[reasonAttribute].StringValue),
		Source:    m.Attributes[string(types.MessageSystemAttributeNameDeadLetterQueueSourceArn)],
		SHA256:    digest([]byte(aws.ToString(m.Body))),
	}
	var body struct {
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &body); err == nil && body.RequestID != "" {
		letter.RequestID = body.RequestID
	}
	return letter
}

func deadIDs(letters []DeadLetter) map[string]bool {
	ids := map[string]bool{}
	for _, letter := range letters {
		ids[letter.RequestID] = true
	}
	return ids
}

// handBack makes messages of the dead-letter queue visible again, also when
// the demo was interrupted.
func (p *pipeline) handBack(ctx context.Context, held []types.Message) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handBackTime)
	defer cancel()
	var failed []error
	for batch := range slices.Chunk(held, 10) {
		entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(batch))
		for i, m := range batch {
			entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0}
		}
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
