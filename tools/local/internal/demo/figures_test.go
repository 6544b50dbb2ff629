package demo

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func at(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

func TestLatency(t *testing.T) {
	k := &look{fine: true}
	for i := range 100 {
		k.took = append(k.took, float64(100-i)+0.5)
	}
	want := Latency{Events: 100, P50: 50.5, P95: 95.5, P99: 99.5, Max: 100.5, Resolution: 0.001}
	if got := newLatency(k); got != want {
		t.Errorf("latency %+v, want %+v", got, want)
	}
	// Neither a, which was sent twice, nor what is bad, lost or the steady
	// producer's; and S3 may give whole seconds, in which b is older than its event.
	f := newFew(t)
	k = newLook(f.ledger, "sales-events", noon)
	for _, file := range f.stored("a", "b", "s") {
		k.object(file.path, noon)
		k.read(file.path, noon.Add(-time.Second/2), parseBody([]byte(file.body)))
	}
	if got, want := newLatency(k), (Latency{Events: 1, Resolution: 1}); got != want {
		t.Errorf("latency %+v, want %+v", got, want)
	}
	if got, want := newLatency(&look{}), (Latency{P50: -1, P95: -1, P99: -1, Max: -1, Resolution: 1}); got != want {
		t.Errorf("no event: %+v, want %+v", got, want)
	}
}

func TestThroughput(t *testing.T) {
	got := newThroughput([]float64{-0.2, 0.4, 3, 3.9, 3.99, 5}, 1, 4)
	if !slices.Equal(got.PerSecond, []int{2, 0, 0, 3, 0, 1}) || got.Peak != 3 || got.Mean != 1.667 {
		t.Errorf("throughput %+v", got)
	}
	if got := newThroughput(nil, -1, -1); got.Mean != -1 || got.PerSecond == nil {
		t.Errorf("nothing stored: %+v", got)
	}
}

// One consumer handles 40 messages in 20 s, of which the last 10 were two's: 40
// in 30 seconds of a consumer.
func TestIdeal(t *testing.T) {
	samples := []Sample{{Ready: 1}, {Seconds: 10, Ready: 2}, {Seconds: 20, Ready: 2}, {Seconds: 30, Ready: 1}}
	got := newIdeal(make([]float64, 40), 2, samples, 20)
	if got.Consumers != 2 || got.PerConsumer != 1.333 || got.Drained != 16.5 {
		t.Errorf("ideal %+v", got)
	}
	// Nobody gets a message before the queue's delay is over.
	for _, p := range got.Line {
		want := max(0, 40-max(0, p.Seconds-1.5)*40/30*2)
		if d := p.Depth - want; d > 0.01 || d < -0.01 {
			t.Errorf("depth %g at %g s, want %g", p.Depth, p.Seconds, want)
		}
	}
	for name, got := range map[string]Ideal{
		"nothing sent":   newIdeal(nil, 2, samples, 20),
		"never drained":  newIdeal(make([]float64, 40), 2, samples, -1),
		"nobody ready":   newIdeal(make([]float64, 40), 2, []Sample{{}, {Seconds: 20}}, 20),
		"nobody watched": newIdeal(make([]float64, 40), 2, nil, 20),
	} {
		if got.Drained != -1 || got.PerConsumer != -1 || got.Line == nil || len(got.Line) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Two consumers, of which the second comes at 10 s, handle a message a second each;
// the last of 40 is late, which is the tail.
func TestAsReady(t *testing.T) {
	var samples []Sample
	for second := range 40 {
		s := Sample{Seconds: float64(second), Ready: 1}
		handled := second
		if second >= 10 {
			s.Ready, handled = 2, second+second-10
		}
		s.Visible = max(0, 40-handled)
		if s.Visible == 0 && second < 35 {
			s.InFlight = 1
		}
		samples = append(samples, s)
	}
	if got := asReady(make([]float64, 40), 0, samples); got < 24.5 || got > 25.5 {
		t.Errorf("the consumers needed %g s, want 25", got)
	}
	for name, got := range map[string]float64{
		"nothing sent":   asReady(nil, 0, samples),
		"nobody watched": asReady(make([]float64, 40), 0, nil),
		"nothing waited": asReady(make([]float64, 4), 0, []Sample{{Ready: 1}, {Seconds: 1, Ready: 1}}),
	} {
		if got != -1 {
			t.Errorf("%s: %g", name, got)
		}
	}
}

func TestSteps(t *testing.T) {
	s := scaling{minimum: 1, maximum: 50, target: 50, tolerance: 0.1}
	samples := []Sample{
		{Desired: 1, Pods: 1, Ready: 1, Metric: 60},
		{Seconds: 1, Desired: 1, Pods: 1, Ready: 1, Metric: 55},
		{Seconds: 2, Desired: 1, Pods: 1, Ready: 1, Metric: 56},
		{Seconds: 3, Desired: 1, Pods: 1, Ready: 1, Metric: -1},
		{Seconds: 4, Desired: 4, Pods: 1, Ready: 1, Metric: 200},
		{Seconds: 5, Desired: 4, Pods: 4, Ready: 2, Metric: 300},
		{Seconds: 6, Desired: 6, Pods: 6, Ready: 3, Metric: 300},
		{Seconds: 7, Desired: 6, Pods: 6, Ready: 5, Metric: 51},
		{Seconds: 8, Desired: 6, Pods: 6, Ready: 5, Metric: 50},
		{Seconds: 9, Desired: 1, Pods: 1, Ready: 5, Metric: 0},
		{Seconds: 10, Desired: 1, Pods: 1, Ready: 1, Metric: 0},
	}
	rescales := []Rescale{{at(-900), 4, "an earlier run"}, {at(3), 4, "above"}, {at(8), 1, "below"}}
	want := []Step{
		{From: 1, To: 4, Reason: "above", Due: 2, Decided: 4, Created: 5, Ready: 7},
		// Due since 5 s, for by then 4 were wanted; it never got all ready.
		{From: 4, To: 6, Due: 5, Decided: 6, Created: 6, Ready: -1},
		{From: 6, To: 1, Reason: "below", Due: 8, Decided: 9, Created: 9, Ready: 10},
	}
	if got := newSteps(samples, s, rescales, noon); !slices.Equal(got, want) {
		t.Errorf("steps\n%+v, want\n%+v", got, want)
	}
	if got := newSteps(nil, s, rescales, noon); got == nil || len(got) > 0 {
		t.Errorf("no samples: %v", got)
	}
}

func TestMoments(t *testing.T) {
	s := scaling{target: 50, tolerance: 0.1}
	samples := []Sample{{Active: true}, {Seconds: 1}, {Seconds: 2, Active: true}}
	steps := []Step{{From: 1, To: 4, Due: 3, Decided: 4}, {From: 4, To: 6, Due: 5, Decided: 6}, {From: 6, To: 1, Due: 8, Decided: 9}}
	var got []string
	for _, m := range newMoments(samples, steps, s) {
		got = append(got, strconv.Itoa(int(m.Seconds))+" "+m.Actor+" "+m.What)
	}
	want := []string{
		"0 KEDA ScaledObject active", "1 KEDA ScaledObject idle", "2 KEDA ScaledObject active", "3 KEDA metric over target",
		"4 HPA 1 → 4", "6 HPA 4 → 6", "8 KEDA metric under target", "9 HPA 6 → 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("moments %q, want %q", got, want)
	}
}

func TestParseRescale(t *testing.T) {
	const metric = "external metric s0-aws-sqs-q(&LabelSelector{MatchLabels:map[string]string{a: b,},MatchExpressions:[]LabelSelectorRequirement{},}) above target"
	for message, want := range map[string]Rescale{
		"New size: 30; reason: " + metric:                    {noon, 30, "external metric s0-aws-sqs-q above target"},
		"New size: 1; reason: All metrics below target":      {noon, 1, "All metrics below target"},
		"New size: 1; reason: half a (&LabelSelector{ of it": {noon, 1, "half a (&LabelSelector{ of it"},
		"New size: 2": {noon, 2, ""},
	} {
		if got, ok := parseRescale(corev1.Event{Message: message, LastTimestamp: metav1.NewTime(noon)}); !ok || got != want {
			t.Errorf("%q: %+v, %t, want %+v", message, got, ok, want)
		}
	}
	if got, ok := parseRescale(corev1.Event{Message: "unable to get metrics"}); ok {
		t.Errorf("another message: %+v", got)
	}
}

func TestRescales(t *testing.T) {
	w := newWorld(t)
	p := &pipeline{kubernetes: w.clients}
	for name, event := range map[string]corev1.Event{
		"scaled": {InvolvedObject: corev1.ObjectReference{Name: hpa}, Reason: "SuccessfulRescale", Message: "New size: 4; reason: above"},
		"failed": {InvolvedObject: corev1.ObjectReference{Name: hpa}, Reason: "FailedRescale", Message: "New size: 5; reason: above"},
		"other":  {InvolvedObject: corev1.ObjectReference{Name: "other"}, Reason: "SuccessfulRescale", Message: "New size: 6; reason: above"},
	} {
		event.Name = name
		if _, err := w.clients.CoreV1().Events(consumerNamespace).Create(t.Context(), &event, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := p.rescales(t.Context())
	if err != nil || len(got) != 1 || got[0].Size != 4 {
		t.Errorf("rescales %+v, %v", got, err)
	}
}

func TestKEDAsAnswers(t *testing.T) {
	p := &pipeline{}
	for answer, want := range map[string]float64{
		`{"items":[{"metricName":"q","value":"1200"}]}`: 1200, `{"items":[{"value":"1500m"}]}`: 1.5, `{"items":[]}`: -1, `no`: -1, "": -1,
	} {
		p.get = func(context.Context, string) ([]byte, error) {
			if answer == "" {
				return nil, errors.New("unavailable")
			}
			return []byte(answer), nil
		}
		if got := p.metric(t.Context()); got != want {
			t.Errorf("metric of %q: %g, want %g", answer, got, want)
		}
	}
	for answer, want := range map[string]bool{
		`{"status":{"conditions":[{"type":"Ready","status":"True"},{"type":"Active","status":"True"}]}}`: true,
		`{"status":{"conditions":[{"type":"Active","status":"Unknown"}]}}`:                               false, `{}`: false,
	} {
		p.get = func(context.Context, string) ([]byte, error) { return []byte(answer), nil }
		if got, err := p.active(t.Context()); err != nil || got != want {
			t.Errorf("active by %s: %t, %v", answer, got, err)
		}
	}
	p.get = func(context.Context, string) ([]byte, error) { return []byte("no"), nil }
	if _, err := p.active(t.Context()); err == nil {
		t.Error("an answer that is no JSON is taken")
	}
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"scaledobject.keda.sh/name": "consumer"}}
	const want = "/apis/external.metrics.k8s.io/v1beta1/namespaces/sales-events-consumer-ns/s0-q?labelSelector=scaledobject.keda.sh%2Fname%3Dconsumer"
	if got := metricURI(autoscalingv2.MetricIdentifier{Name: "s0-q", Selector: selector}); got != want {
		t.Errorf("the metric is at %s", got)
	}
}

func TestMachine(t *testing.T) {
	p := &pipeline{kubernetes: newWorld(t).clients}
	want := Machine{Processor: "model", Nodes: 1, Cores: 2, Memory: 4 << 30, System: "Debian GNU/Linux 12 (bookworm)", Kernel: "6.1.0", Kubernetes: "v1.36.0"}
	if got, err := p.machine(t.Context(), "model"); err != nil || got != want {
		t.Errorf("machine %+v, %v", got, err)
	}
}
