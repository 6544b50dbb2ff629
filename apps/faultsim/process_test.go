package faultsim

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/mystique-unicorn/sales-events/apps/consumer/backend"
	consumer "github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/consumer/worker"
	clients "github.com/mystique-unicorn/sales-events/apps/internal/aws"
	producer "github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/apps/producer/events"
	sender "github.com/mystique-unicorn/sales-events/apps/producer/worker"
)

// process is a consumer or a producer. It sees the world through its calls alone.
type process struct {
	world *world
	name  string
	// drain is how long it may take to end.
	drain time.Duration
	// ask is SIGTERM: the process ends by itself. asked is when that was, behind the
	// world's lock.
	cancel context.CancelFunc
	asked  time.Duration
	killed chan struct{}
	dying  sync.Once
	ended  chan struct{}
	holding
	// generation counts producers, source is what one sends, and positions where each
	// request_id is in it, the first time.
	generation int
	source     events.Source
	positions  map[string]int
}

func (w *world) start(name string, drain time.Duration, run func(context.Context, *process) error) *process {
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{
		world: w, name: name, drain: drain, cancel: cancel, killed: make(chan struct{}), ended: make(chan struct{}), holding: newHolding(),
	}
	w.mu.Lock()
	w.processes = append(w.processes, p)
	w.noteLocked(name, "starts")
	w.mu.Unlock()
	go func() {
		defer close(p.ended)
		err := run(ctx, p)
		w.onEnd(p, err)
	}()
	return p
}

// ask is SIGTERM.
func (p *process) ask() {
	p.world.mu.Lock()
	if p.asked == 0 && !p.hasEnded() && !p.isDead() {
		p.asked = p.world.now()
		p.world.noteLocked(p.name, "is asked to end")
	}
	p.world.mu.Unlock()
	p.cancel()
}

// kill is SIGKILL: it sees no more answers, and what it says is heard by nobody.
func (p *process) kill(why string, args ...any) {
	p.dying.Do(func() {
		p.world.note(p.name, "is killed: "+why, args...)
		close(p.killed)
	})
}

func (p *process) isDead() bool   { return isClosed(p.killed) }
func (p *process) hasEnded() bool { return isClosed(p.ended) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// host is where the local AWS answers.
const host = "localaws"

// awsConfig is what aws.Load makes, but for its environment: the retries are the SDK's
// standard ones without jitter, so that a run can be repeated.
func (p *process) awsConfig() aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: aws.String("http://" + host),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		HTTPClient:  &http.Client{Transport: p, Timeout: clients.CallTimeout},
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = clients.MaxAttempts
				o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
					return min(500*time.Millisecond<<attempt, 20*time.Second), nil
				})
			})
		},
	}
}

// consume is the consumer's main, from its settings on.
func consume(ctx context.Context, p *process) error {
	c := p.world.plan.consumer
	source, bucket, visibility, err := backend.Connect(ctx, c, p.awsConfig())
	if err != nil {
		return err
	}
	queue, store := worker.Queue(source), worker.Store(bucket)
	if v := p.world.variant; v != nil {
		queue, store = v.wrap(outside{queue, store, visibility, p.world.over})
	}
	worker.New(c, queue, store, visibility, slog.New(logger{p}), metrics.NewSet()).Run(ctx)
	return nil
}

// pod runs one consumer after the other, as the kubelet and a Deployment do.
func (w *world) pod(i int) {
	r := draw(w.plan.seed, fmt.Sprint("pod ", i))
	ends := w.plan.endsOf(i)
	w.pause(between(r, 0, time.Second))
	for generation := 1; ; generation++ {
		p := w.start(fmt.Sprintf("pod%d.%d", i+1, generation), consumer.Drain, consume)
		for down := false; !down; {
			var due <-chan time.Time
			if len(ends) > 0 {
				due = time.After(ends[0].at - w.now())
			}
			select {
			case <-w.ending:
				return
			case <-p.killed:
				down = true
			case <-p.ended:
				down = true
			case <-due:
				p.ask()
				if ends[0].shrinks {
					return
				}
				// The next version does not wait for this one.
				ends, down = ends[1:], true
			}
		}
		if w.pause(between(r, 0, restart)); w.isEnding() {
			return
		}
	}
}

func (p plan) endsOf(pod int) (ends []end) {
	for _, e := range p.ends {
		if e.pod == pod {
			ends = append(ends, e)
		}
	}
	return ends
}

// produce runs producers until the total is sent. Each has a seed of its own, as one that
// comes again must.
func (w *world) produce() {
	r := draw(w.plan.seed, "producer")
	left := w.plan.producer.Total
	var end <-chan time.Time
	if w.plan.producerEnd > 0 {
		end = time.After(w.plan.producerEnd)
	}
	for generation := 0; left > 0; generation++ {
		c := w.plan.producer
		c.Seed, c.Total = c.Seed+generation<<32, left
		p := w.start(fmt.Sprintf("producer%d", generation+1), producer.Drain, func(ctx context.Context, p *process) error {
			p.generation = generation
			p.source = events.Source{Seed: c.Seed, BadPercent: c.BadPercent, DuplicatePercent: c.DuplicatePercent}
			p.positions = map[string]int{}
			for i := range c.Total {
				if m := p.source.At(i); !m.Duplicate {
					p.positions[m.RequestID] = i
				}
			}
			return produce(ctx, p, c)
		})
		select {
		case <-p.ended:
		case <-end:
			if w.plan.producerKilled {
				p.kill("its node is gone")
			} else {
				p.ask()
				<-p.ended
			}
		}
		w.mu.Lock()
		left -= p.sent
		w.mu.Unlock()
		if w.pause(between(r, 0, restart)); w.isEnding() {
			return
		}
	}
}

// produce is the producer's main, from its settings on.
func produce(ctx context.Context, p *process, c producer.Config) error {
	client := sqs.NewFromConfig(p.awsConfig())
	url, err := clients.QueueURL(ctx, client, c.Queue)
	if err != nil {
		return err
	}
	return sender.New(c, nil, client, url, slog.New(logger{p}), metrics.NewSet()).Run(ctx)
}

// logger is where a process logs to. What it says of a message is believed.
type logger struct{ *process }

// Enabled is slog.Handler's.
func (l logger) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle is slog.Handler's.
func (l logger) Handle(_ context.Context, r slog.Record) error {
	if l.isDead() {
		return nil
	}
	attributes := map[string]string{}
	var text strings.Builder
	r.Attrs(func(a slog.Attr) bool {
		attributes[a.Key] = a.Value.String()
		fmt.Fprintf(&text, " %s=%s", a.Key, a.Value)
		return true
	})
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	switch r.Message {
	case "event produced":
		l.world.onProduced(l.process, attributes["request_id"])
		return nil
	case "handle failed, the message is put off":
		l.world.onFailed(l.process, attributes["message_id"])
	}
	l.world.noteLocked(l.name, "  %s:%s", r.Message, l.world.readable(text.String()))
	return nil
}

// WithAttrs is slog.Handler's.
func (l logger) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup is slog.Handler's.
func (l logger) WithGroup(string) slog.Handler { return l }
