// Package demo runs a burst of events through the pipeline of a live cluster,
// watches it scale, and holds the bucket and the dead-letter queue against what
// the producers say they sent. It reads the cluster through the Kubernetes API
// and the events through the AWS SDK, and knows nothing of how either is run.
package demo

import (
	"context"
	"fmt"
	"io"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
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

// Options says what to run. Everything is required but Terminal.
type Options struct {
	Config *rest.Config
	// Burst is how many messages to send at once.
	Burst int
	// Out gets a line per change or, on a Terminal, one line that is redrawn.
	Out      io.Writer
	Terminal bool
	// ReportDir is where report.json, report.svg and report.html are written.
	ReportDir string
	// Timeout bounds the whole run.
	Timeout time.Duration
}

// Run sends the burst and returns once every message of it is stored or
// dead-lettered and the consumers are back at their minimum. A Verdict that is
// not OK is no error: it says what went wrong.
func Run(ctx context.Context, opts Options) (Verdict, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, opts.Timeout, fmt.Errorf("the demo was not over after %s", opts.Timeout))
	defer cancel()
	clients, err := kubernetes.NewForConfig(opts.Config)
	if err != nil {
		return Verdict{}, fmt.Errorf("connect to the cluster: %w", err)
	}
	pipe, err := openPipeline(ctx, clients)
	if err != nil {
		return Verdict{}, err
	}
	if err := pipe.waitIdle(ctx); err != nil {
		return Verdict{}, err
	}
	job, err := pipe.startBurst(ctx, opts.Burst)
	if err != nil {
		return Verdict{}, err
	}
	defer pipe.deleteBurst(job)
	samples, sent, err := watch(ctx, pipe, job, opts)
	if err != nil {
		return Verdict{}, err
	}
	evidence, err := pipe.evidence(ctx, sent)
	if err != nil {
		return Verdict{}, err
	}
	verdict := judge(evidence, samples, opts.Burst)
	return verdict, writeReport(opts.ReportDir, verdict)
}

// watch samples once a second until the burst is worked off.
func watch(ctx context.Context, p *pipeline, job string, opts Options) ([]Sample, []Produced, error) {
	var samples []Sample
	var sent []Produced
	start := time.Now()
	display := newDisplay(opts.Out, opts.Terminal)
	for {
		sample, err := p.sample(ctx, start)
		if err == nil {
			samples = append(samples, sample)
			display.show(sample)
		}
		if sent == nil {
			if sent, err = p.finishedBurst(ctx, job, opts.Burst); err != nil {
				return nil, nil, err
			}
		}
		if err == nil && sent != nil && sample.Replicas <= p.minimum && sample.Ready <= p.minimum {
			missing, err := p.missing(ctx, sent)
			if err == nil && len(missing) == 0 {
				display.end()
				return samples, sent, nil
			}
		}
		select {
		case <-ctx.Done():
			display.end()
			return nil, nil, fmt.Errorf("%w; last seen: %s", context.Cause(ctx), display.last)
		case <-time.After(time.Second):
		}
	}
}
