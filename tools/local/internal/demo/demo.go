// Package demo runs a burst of events through the pipeline of a live cluster, watches it
// scale, and compares the bucket and the dead-letter queue with what was sent. It reads
// the cluster through the Kubernetes API and the events through the AWS SDK. It must not
// know how either is run.
//
// The burst's messages follow from its seed; the steady producer's messages are read from
// its log. A run judges only its own messages: what was in the bucket and in the
// dead-letter queue before belongs to another run.
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

// Names of objects in the manifests of apps/.
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

// The results of a run; package report defines them.
type (
	// Report is the report of a whole run.
	Report = report.Report
	// Verdict is the result of a run.
	Verdict = report.Verdict
	// Sample is the state of the system at one moment.
	Sample = report.Sample
)

// Options says what to run. Config, Burst, Out, ReportDir and Timeout are required.
type Options struct {
	Config *rest.Config
	// Burst is the number of messages to send at once.
	Burst int
	// Producer are the settings in which the burst's producer differs from the steady
	// one, by the names of their environment variables; usually none.
	Producer map[string]string
	// Observe, if set, gets each Sample before the stored objects are counted again.
	Observe func(Sample)
	// Out gets a line per change or, on a Terminal, a table that is redrawn.
	Out      io.Writer
	Terminal bool
	// ReportDir is where index.html, report.json and burst.svg are written.
	ReportDir string
	// Prediction is the predicted result of the run, or nil.
	Prediction *report.Prediction
	// Commit is the checkout's commit; Uncommitted reports whether the checkout has
	// changes as well.
	Commit      string
	Uncommitted bool
	// Processor is the model of the machine's processor, which the cluster does not know.
	Processor string
	// Timeout limits the whole run.
	Timeout time.Duration
}

// Run sends the burst and returns once every message of it is stored or dead-lettered and
// the consumers are back at their minimum. A failed Verdict is not an error: it says what
// went wrong. An error means that the run did not finish; if the burst was sent, the
// Report says how far the run came.
func Run(ctx context.Context, opts Options) (Report, error) {
	clients, err := kubernetes.NewForConfig(opts.Config)
	if err != nil {
		return Report{}, fmt.Errorf("connect to the cluster: %w", err)
	}
	return run(ctx, clients, opts, func(*pipeline) {})
}

// judgeTime and judgeTimeEach, for each message, limit the reading of both destinations
// after the time is up.
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
	// Even if the time is up, a report of the missing messages is worth the wait.
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

// judgeTime grows with the burst, and with the dead letters of all earlier runs.
func (w *watch) judgeTime() time.Duration {
	limit := judgeTime + time.Duration(w.burst)*judgeTimeEach
	if n := len(w.samples); n > 0 {
		limit += time.Duration(w.samples[n-1].DeadLettered) * time.Second / perSecond
	}
	return limit
}

// record collects the data of the report.
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
