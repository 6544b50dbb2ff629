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

// process is a consumer or a producer. Its calls are its only connection to the world.
type process struct {
	world *world
	name  string
	// drain is the longest time that its end may take.
	drain time.Duration
	// cancel acts as SIGTERM: the process ends by itself. asked is the time of that, and
	// the world's lock guards it.
	cancel context.CancelFunc
	asked  time.Duration
	killed chan struct{}
	dying  sync.Once
	ended  chan struct{}
	holding
	// generation counts producers. source has the producer's messages, and positions the
	// first position of each request_id in it.
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

// ask acts as SIGTERM.
func (p *process) ask() {
	p.world.mu.Lock()
	if p.asked == 0 && !p.hasEnded() && !p.isDead() {
		p.asked = p.world.now()
		p.world.noteLocked(p.name, "is asked to end")
	}
	p.world.mu.Unlock()
	p.cancel()
}

// kill acts as SIGKILL: the process gets no more answers, and its log is ignored.
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

// host is the host name of the local AWS.
const host = "localaws"

// awsConfig returns the configuration of aws.Load without its environment. The retries
// are the SDK's standard ones without jitter, so that a run can be repeated.
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

// consume is the consumer's main after it has read its settings.
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

// pod runs one consumer after another, as the kubelet and a Deployment do.
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
				// The next version starts while this one ends.
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

// produce runs producers until the total is sent. Each has its own seed, as a restarted
// producer must.
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

// produce is the producer's main after it has read its settings.
func produce(ctx context.Context, p *process, c producer.Config) error {
	client := sqs.NewFromConfig(p.awsConfig())
	url, err := clients.QueueURL(ctx, client, c.Queue)
	if err != nil {
		return err
	}
	return sender.New(c, nil, client, url, slog.New(logger{p}), metrics.NewSet()).Run(ctx)
}

// logger reads the log of a process. The ledger relies on what it says of messages.
type logger struct{ *process }

// Enabled implements slog.Handler.
func (l logger) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements slog.Handler.
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

// WithAttrs implements slog.Handler.
func (l logger) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l logger) WithGroup(string) slog.Handler { return l }
