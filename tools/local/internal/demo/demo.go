// Package demo runs a burst of events through the pipeline of a live cluster,
// watches it scale, and compares the bucket and the dead-letter queue with what
// was sent. It reads the cluster through the Kubernetes API and the events through
// the AWS SDK, and knows nothing of how either is run.
//
// What the burst sent follows from its seed; what the steady producer sent beside
// it, from that one's log. A run judges its own messages only: what lay in the
// bucket and in the dead-letter queue before it started is another one's.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

// Names of what the manifests of apps/ make.
const (
	producerNamespace = "sales-events-producer-ns"
	consumerNamespace = "sales-events-consumer-ns"
	producer          = "producer"
	consumer          = "consumer"
	burst             = "burst"
	hpa               = "keda-hpa-consumer"
	awsNamespace      = "localaws"
	awsService        = "localaws"
)

// What a run results in is defined by package report.
type (
	// Report is the report of a whole run.
	Report = report.Report
	// Verdict is its result.
	Verdict = report.Verdict
	// Sample is the state of the system at one moment.
	Sample = report.Sample
)

// Options says what to run. Config, Burst, Out, ReportDir and Timeout are required.
type Options struct {
	Config *rest.Config
	// Burst is how many messages to send at once.
	Burst int
	// Producer are settings of the burst's producer that differ from the steady
	// one's, by the names of its environment variables; none is usual.
	Producer map[string]string
	// Observe, if it is set, gets each Sample, before what is stored is counted again.
	Observe func(Sample)
	// Out gets a line per change or, on a Terminal, a table that is redrawn.
	Out      io.Writer
	Terminal bool
	// ReportDir is where index.html, report.json and burst.svg are written.
	ReportDir string
	// Prediction is what was expected of the run; nil for nothing.
	Prediction *report.Prediction
	// Commit is the checkout's; Uncommitted reports whether it has changes
	// besides.
	Commit      string
	Uncommitted bool
	// Processor is the machine's model, which the cluster does not know.
	Processor string
	// Timeout bounds the whole run.
	Timeout time.Duration
}

// Run sends the burst and returns once every message of it is stored or
// dead-lettered and the consumers are back at their minimum. A Verdict that is
// not OK is no error: it says what went wrong. An error means that the run
// came to no end; if the burst was sent, the Report then says how far it came.
func Run(ctx context.Context, opts Options) (Report, error) {
	clients, err := kubernetes.NewForConfig(opts.Config)
	if err != nil {
		return Report{}, fmt.Errorf("connect to the cluster: %w", err)
	}
	return run(ctx, clients, opts, func(*pipeline) {})
}

// judgeTime is what reading both ends may take after the time is up: for some messages,
// and for each of many.
const judgeTime, judgeTimeEach = time.Minute, time.Millisecond

// run is Run on any client; tune lets a test shorten the waits.
func run(ctx context.Context, clients kubernetes.Interface, opts Options, tune func(*pipeline)) (Report, error) {
	limited, cancel := context.WithTimeoutCause(ctx, opts.Timeout, fmt.Errorf("the demo was not over after %s", opts.Timeout))
	defer cancel()
	p, err := openPipeline(limited, clients)
	if err != nil {
		return Report{}, err
	}
	p.producerSettings = opts.Producer
	tune(p)
	if err := p.waitIdle(limited); err != nil {
		return Report{}, err
	}
	w := &watch{pipeline: p, burst: opts.Burst, display: newDisplay(opts.Out, opts.Terminal), observe: opts.Observe}
	if err := w.begin(limited); err != nil {
		return Report{}, err
	}
	defer p.deleteBurst(w.job)
	watchErr := w.untilOver(limited)
	if watchErr != nil && (!w.sent || ctx.Err() != nil) {
		return Report{}, watchErr
	}
	// The time may be up, but a report of what is missing is worth the wait.
	reading, done := context.WithTimeout(ctx, w.judgeTime())
	defer done()
	found, err := w.evidence(reading)
	if err != nil {
		return Report{}, errors.Join(watchErr, err)
	}
	saw, err := w.record(reading, opts, found)
	if err != nil {
		return Report{}, errors.Join(watchErr, err)
	}
	judged := newReport(saw)
	judged.Prediction = opts.Prediction
	if watchErr != nil {
		judged.Verdict.Fail(context.Cause(limited).Error())
	}
	return judged, errors.Join(watchErr, report.Write(opts.ReportDir, judged))
}

// judgeTime is for the burst, and for the dead letters of all runs before it.
func (w *watch) judgeTime() time.Duration {
	limit := judgeTime + time.Duration(w.burst)*judgeTimeEach
	if n := len(w.samples); n > 0 {
		limit += time.Duration(w.samples[n-1].DeadLettered) * time.Second / perSecond
	}
	return limit
}

// record collects what the report consists of.
func (w *watch) record(ctx context.Context, opts Options, found *look) (record, error) {
	rescales, err := w.rescales(ctx)
	if err != nil {
		return record{}, err
	}
	machine, err := w.machine(ctx, opts.Processor)
	if err != nil {
		return record{}, err
	}
	return record{
		started: w.started, look: found, samples: w.samples, delay: w.delay.Seconds(),
		scaling: w.scaling, rescales: rescales, machine: machine, commit: opts.Commit, uncommitted: opts.Uncommitted,
	}, nil
}
