package demo

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

// Not measured are a, which was sent twice, and bad, lost or steady messages. S3 may
// return whole seconds, so b is older than its event.
func TestLatency(t *testing.T) {
	f := newFew(t)
	k := newLook(f.ledger, "sales-events", noon)
	for _, file := range f.stored("a", "b", "s") {
		k.object(file.path, noon)
		k.read(file.path, noon.Add(-time.Second/2), parseBody([]byte(file.body)))
	}
	r := newReport(record{started: noon, look: k})
	if got, want := r.Latency, (report.Latency{Events: 1, Resolution: 1, Histogram: []int{1}}); !reflect.DeepEqual(got, want) {
		t.Errorf("latency %+v, want %+v", got, want)
	}
}

func TestParseRescale(t *testing.T) {
	const metric = "external metric s0-aws-sqs-q(&LabelSelector{MatchLabels:map[string]string{a: b,},MatchExpressions:[]LabelSelectorRequirement{},}) above target"
	for message, want := range map[string]report.Rescale{
		"New size: 30; reason: " + metric:                    {At: noon, Size: 30, Reason: "external metric s0-aws-sqs-q above target"},
		"New size: 1; reason: All metrics below target":      {At: noon, Size: 1, Reason: "All metrics below target"},
		"New size: 1; reason: half a (&LabelSelector{ of it": {At: noon, Size: 1, Reason: "half a (&LabelSelector{ of it"},
		"New size: 2": {At: noon, Size: 2, Reason: ""},
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
	want := report.Machine{Processor: "model", Nodes: 1, Cores: 2, Memory: 4 << 30, System: "Debian GNU/Linux 12 (bookworm)", Kernel: "6.1.0", Kubernetes: "v1.36.0"}
	if got, err := p.machine(t.Context(), "model"); err != nil || got != want {
		t.Errorf("machine %+v, %v", got, err)
	}
}
