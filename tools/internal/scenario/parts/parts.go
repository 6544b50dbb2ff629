// Package parts has the parts of a simulation that are modelled, because no program that
// it could run decides them: how long pods take to start, calls to be answered and nodes
// to be added, and how exact a queue's counts are. Each is one field, with the source of
// its default.
//
// The package must not know a cluster or the simulation.
package parts

import (
	"fmt"
	"strconv"
	"time"
)

// Parts are the modelled parts.
type Parts struct {
	// SyncPeriod is the time between two looks of the HPA.
	SyncPeriod time.Duration `json:"syncPeriod"`
	// PodStart is the time from a pod's creation until its program works, if no other pod
	// starts. Each further pod that starts on the same node at that time takes PodNext
	// longer.
	PodStart Distribution  `json:"podStart"`
	PodNext  time.Duration `json:"podNext"`
	// ProducerStart is the time from when a burst is asked for until its first message.
	ProducerStart Distribution `json:"producerStart"`
	// Send, Receive and Store are the times of calls: sending a batch of messages,
	// receiving or deleting messages, and writing one object to the bucket.
	Send    Distribution `json:"send"`
	Receive Distribution `json:"receive"`
	Store   Distribution `json:"store"`
	// Processor is the CPU time that a message takes in its pod, in addition to Store.
	Processor time.Duration `json:"processor"`
	// CountLag is the age of the queue's counts, CountError the largest share by which
	// they are wrong.
	CountLag   time.Duration `json:"countLag"`
	CountError float64       `json:"countError"`
	Nodes      Nodes         `json:"nodes"`
}

// Nodes are the nodes on which the pods run.
type Nodes struct {
	// Count is the number of nodes, Pods the number of scaled pods that fit on each.
	Count int `json:"count"`
	Pods  int `json:"pods"`
	// Processors is the number of cores that the pods of a node share.
	Processors float64 `json:"processors"`
	// Max is the number up to which an autoscaler adds nodes, each Boot after it is
	// needed; without an autoscaler it equals Count.
	Max  int           `json:"max"`
	Boot time.Duration `json:"boot"`
}

// The sources of the local defaults.
const (
	measured = "measured: make demo of 2026-11-29 on two cores, commit 18912a4, 1,500 messages"
	recorded = "measured: the recorded runs of docs/simulate.md that are not held out, on two cores that compilers used too"
)

// Local returns the parts for the local cluster.
func Local() Parts {
	return Parts{
		SyncPeriod: 15 * time.Second,
		PodStart:   Distribution{2400 * time.Millisecond, 3600 * time.Millisecond}, PodNext: 180 * time.Millisecond,
		ProducerStart: Distribution{1300 * time.Millisecond, 2200 * time.Millisecond},
		Send:          Distribution{1100 * time.Microsecond, 4 * time.Millisecond},
		Receive:       Distribution{1500 * time.Microsecond, 6 * time.Millisecond},
		Store:         Distribution{2200 * time.Microsecond, 9 * time.Millisecond},
		Processor:     500 * time.Microsecond,
		Nodes:         Nodes{Count: 1, Pods: 90, Processors: 1, Max: 1},
	}
}

// AWS returns the parts for a cluster on EKS.
func AWS() Parts {
	return Parts{
		SyncPeriod: 15 * time.Second,
		PodStart:   Distribution{3 * time.Second, 8 * time.Second}, PodNext: 50 * time.Millisecond,
		ProducerStart: Always(0),
		Send:          Distribution{12 * time.Millisecond, 60 * time.Millisecond},
		Receive:       Distribution{12 * time.Millisecond, 60 * time.Millisecond},
		Store:         Distribution{30 * time.Millisecond, 150 * time.Millisecond},
		CountLag:      5 * time.Second, CountError: 0.05,
		Processor: 500 * time.Microsecond,
		Nodes:     Nodes{Count: 2, Pods: 100, Processors: 1.6, Max: 2, Boot: 60 * time.Second},
	}
}

// Source says where a part's defaults come from.
type Source struct{ Part, Local, AWS string }

// Sources returns the source of each part's default.
func Sources() []Source {
	const assumed = "assumed: no run on EKS is measured"
	return []Source{
		{
			"syncPeriod", "Kubernetes' default, which the local cluster keeps",
			"Kubernetes' default; EKS lets it be set on provisioned control planes only",
		},
		{"podStart", recorded, assumed + "; the image is on the node"},
		{"podNext", recorded + ": 29 pods came within 5 s", assumed},
		{"producerStart", recorded, "a producer that runs already"},
		{"send", measured + ": 150 calls in 0.17 s", assumed + ", from within the region"},
		{"receive", measured + ", together with store: 14 ms a batch of five", assumed + ", from within the region"},
		{"store", measured + ", see receive", "S3 documents 100 to 200 ms for small objects, most are faster"},
		{
			"processor", "measured: make bench, a consumer of 128 messages at a time",
			"as measured on the local cluster's machine",
		},
		{"countLag", "the local AWS counts exactly", "SQS documents that counts may take a minute; " + assumed},
		{"countError", "the local AWS counts exactly", "SQS documents approximate counts without a bound; " + assumed},
		{"nodes", "one node of 110 pods, less the platform's", "the node group that the cluster declares"},
		{"nodeBoot", "no autoscaler", assumed},
	}
}

// Set sets a part by its name.
func (p *Parts) Set(name, value string) error {
	times := map[string]*time.Duration{
		"syncPeriod": &p.SyncPeriod, "processor": &p.Processor, "podNext": &p.PodNext, "countLag": &p.CountLag, "nodeBoot": &p.Nodes.Boot,
	}
	distributions := map[string]*Distribution{
		"podStart": &p.PodStart, "producerStart": &p.ProducerStart, "send": &p.Send, "receive": &p.Receive, "store": &p.Store,
	}
	if to := times[name]; to != nil {
		d, err := time.ParseDuration(value)
		if err == nil && d < 0 {
			err = fmt.Errorf("%s is negative", value)
		}
		*to = d
		return err
	}
	if to := distributions[name]; to != nil {
		d, err := ParseDistribution(value)
		*to = d
		return err
	}
	if name == "countError" {
		share, err := strconv.ParseFloat(value, 64)
		if err == nil && (share < 0 || share > 1) {
			err = fmt.Errorf("%s: must be from 0 to 1", value)
		}
		p.CountError = share
		return err
	}
	return fmt.Errorf("there is no part %s, see --parts", name)
}

// Line is a part with its value.
type Line struct{ Part, Value, Local, AWS string }

// Lines returns all parts with their values and sources.
func (p Parts) Lines() []Line {
	values := map[string]string{
		"syncPeriod": p.SyncPeriod.String(), "podStart": p.PodStart.String(), "podNext": p.PodNext.String(),
		"producerStart": p.ProducerStart.String(), "send": p.Send.String(), "receive": p.Receive.String(), "store": p.Store.String(),
		"processor": p.Processor.String(),
		"countLag":  p.CountLag.String(), "countError": strconv.FormatFloat(p.CountError, 'g', -1, 64),
		"nodes":    fmt.Sprintf("%d of %d pods, at most %d", p.Nodes.Count, p.Nodes.Pods, p.Nodes.Max),
		"nodeBoot": p.Nodes.Boot.String(),
	}
	var lines []Line
	for _, s := range Sources() {
		lines = append(lines, Line{s.Part, values[s.Part], s.Local, s.AWS})
	}
	return lines
}
