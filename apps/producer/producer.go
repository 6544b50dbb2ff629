package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mystique-unicorn/sales-events/apps/internal/event"
	"github.com/mystique-unicorn/sales-events/apps/producer/config"
)

const (
	maxBatch = 10
	// sendAttempts bounds how often a failed entry of a batch is sent again.
	sendAttempts = 8
)

// outgoing is one message to send.
type outgoing struct {
	requestID, eventType string
	body                 string
	ts                   time.Time
	priority             bool
	bad, duplicate       bool
}

type producer struct {
	config   config.Config
	client   *sqs.Client
	queueURL string
	log      *slog.Logger
	produced *prometheus.CounterVec
	last     *outgoing
}

func newProducer(c config.Config, client *sqs.Client, queueURL string, log *slog.Logger, registry *prometheus.Registry) *producer {
	produced := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "producer_messages_total", Help: "Messages that SQS acknowledged, by event type and deliberate fault.",
	}, []string{"event_type", "bad", "duplicate"})
	registry.MustRegister(produced)
	return &producer{config: c, client: client, queueURL: queueURL, log: log, produced: produced}
}

// produce sends until the total is reached or ctx ends, which it looks at
// between messages only: what is on its way arrives.
func (p *producer) produce(ctx context.Context) error {
	size := 1
	if p.config.WaitSeconds == 0 {
		size = maxBatch
	}
	for sent := 0; p.config.Total == 0 || sent < p.config.Total; {
		if sent > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(p.config.WaitSeconds) * time.Second):
			}
		}
		if ctx.Err() != nil {
			p.log.Info("asked to end", "sent", sent)
			return nil
		}
		n := size
		if p.config.Total > 0 {
			n = min(n, p.config.Total-sent)
		}
		if err := p.send(context.WithoutCancel(ctx), p.next(n)); err != nil {
			return err
		}
		sent += n
	}
	p.log.Info("total reached", "total", p.config.Total)
	return nil
}

// next makes n messages. A duplicate is the message before it, sent again.
func (p *producer) next(n int) []outgoing {
	batch := make([]outgoing, 0, n)
	for range n {
		if p.last != nil && percent(p.config.DuplicatePercent) {
			again := *p.last
			again.duplicate = true
			batch = append(batch, again)
			p.last = nil
			continue
		}
		m := newMessage(percent(p.config.BadPercent), time.Now().UTC())
		p.last = &m
		batch = append(batch, m)
	}
	return batch
}

// send sends a batch and repeats the entries that failed through no fault of
// theirs.
func (p *producer) send(ctx context.Context, batch []outgoing) error {
	for attempt := 1; ; attempt++ {
		again, err := p.sendOnce(ctx, batch)
		if len(again) == 0 || attempt == sendAttempts {
			return err
		}
		p.log.Warn("part of a batch failed, sending it again", "entries", len(again), "attempt", attempt, "error", err)
		time.Sleep(min(time.Duration(attempt)*100*time.Millisecond, time.Second))
		batch = again
	}
}

// sendOnce returns the messages that are worth another try, with the reasons;
// none and an error is a failure for good. Entries are named by their position,
// because two may hold the same request_id.
func (p *producer) sendOnce(ctx context.Context, batch []outgoing) (again []outgoing, err error) {
	entries := make([]types.SendMessageBatchRequestEntry, len(batch))
	for i, m := range batch {
		entries[i] = types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(m.body), MessageAttributes: m.attributes(),
		}
	}
	out, err := p.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &p.queueURL, Entries: entries})
	if err != nil {
		return nil, fmt.Errorf("send to %s: %w", p.config.Queue, err)
	}
	for _, ok := range out.Successful {
		i, err := position(ok.Id, len(batch))
		if err != nil {
			return nil, err
		}
		p.acknowledge(batch[i])
	}
	if n := len(out.Successful) + len(out.Failed); n != len(batch) {
		return nil, fmt.Errorf("send to %s: SQS answered for %d of %d messages", p.config.Queue, n, len(batch))
	}
	return p.failed(batch, out.Failed)
}

// failed picks the messages of failed entries, with the reasons.
func (p *producer) failed(batch []outgoing, entries []types.BatchResultErrorEntry) (again []outgoing, err error) {
	var reasons []error
	for _, f := range entries {
		i, err := position(f.Id, len(batch))
		if err != nil {
			return nil, err
		}
		reason := fmt.Errorf("send %s to %s: %s: %s", batch[i].requestID, p.config.Queue, aws.ToString(f.Code), aws.ToString(f.Message))
		if f.SenderFault {
			return nil, reason
		}
		again, reasons = append(again, batch[i]), append(reasons, reason)
	}
	return again, errors.Join(reasons...)
}

func position(id *string, n int) (int, error) {
	i, err := strconv.Atoi(aws.ToString(id))
	if err != nil || i < 0 || i >= n {
		return 0, fmt.Errorf("SQS answered for an entry %q that was not sent", aws.ToString(id))
	}
	return i, nil
}

// acknowledge writes the line that the demo judges by: one per message that SQS
// has, with what its object must be.
func (p *producer) acknowledge(m outgoing) {
	p.produced.WithLabelValues(m.eventType, strconv.FormatBool(m.bad), strconv.FormatBool(m.duplicate)).Inc()
	sum := sha256.Sum256([]byte(m.body))
	p.log.Info("event produced", "request_id", m.requestID, "event_type", m.eventType, "bad", m.bad, "duplicate", m.duplicate,
		"ts", m.ts, "sha256", hex.EncodeToString(sum[:]))
}

func (m outgoing) attributes() map[string]types.MessageAttributeValue {
	text := func(s string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(s)}
	}
	return map[string]types.MessageAttributeValue{
		event.TypeAttribute:     text(m.eventType),
		event.PriorityAttribute: text(strconv.FormatBool(m.priority)),
	}
}

var (
	categories = []string{"Books", "Camera", "Cookware", "Furniture", "Games", "Headphones", "Mobiles", "Shoes", "Tables", "Watches"}
	variants   = []string{"black", "red"}
)

func newMessage(bad bool, now time.Time) outgoing {
	store := 1 + rand.IntN(10)
	e := event.Event{
		RequestID: uuid.NewString(),
		StoreID:   &store,
		CustID:    100 + rand.IntN(900),
		Category:  categories[rand.IntN(len(categories))],
		SKU:       18981 + rand.IntN(10000),
		Price:     float64(rand.IntN(10000)) / 100,
		Qty:       1 + rand.IntN(38),
		Discount:  float64(rand.IntN(200)) / 10,
		GiftWrap:  percent(50),
		Variant:   variants[rand.IntN(len(variants))],
		Priority:  percent(30),
		TS:        now,
	}
	eventType := event.Sale
	if percent(50) {
		eventType = event.Inventory
		e.IsReturn = percent(10)
	}
	if bad {
		e.StoreID, e.BadMsg = nil, true
	}
	body, err := json.Marshal(e)
	if err != nil {
		panic(err) // a struct of plain values
	}
	return outgoing{requestID: e.RequestID, eventType: eventType, body: string(body), ts: e.TS, priority: e.Priority, bad: bad}
}

func percent(n int) bool { return rand.IntN(100) < n }
