package demo

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (w *world) demo(burst int, timeout time.Duration) (Verdict, string, error) {
	w.Helper()
	dir := w.TempDir()
	v, err := run(context.Background(), w.clients, Options{Burst: burst, Out: io.Discard, ReportDir: dir, Timeout: timeout}, w.tune)
	return v, dir, err
}

// The second run finds the first one's events at both ends, and its Job gone.
func TestRunTwiceInOneCluster(t *testing.T) {
	w := newWorld(t)
	w.send("producer-1", "steady-good", false, false)
	w.send("producer-1", "steady-bad", true, false)
	w.work()
	for run := range 2 {
		v, dir, err := w.demo(60, 20*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if !v.OK || v.Produced != 60 || v.Good != 48 || v.Bad != 6 || v.Stored != 48 || v.Quarantined != 6 || v.DuplicatesFolded != 6 {
			t.Errorf("run %d: %+v", run+1, v)
		}
		if v.PeakReplicas != 4 || v.FirstScaleUp < 0 || v.TimeToPeak < v.FirstScaleUp || v.TimeToDrain <= 0 || v.PeakBacklog == 0 {
			t.Errorf("run %d was measured wrongly:%s", run+1, v)
		}
		// The steady producer's may come after the first baseline.
		data, err := os.ReadFile(filepath.Join(dir, "report.json"))
		if err != nil {
			t.Fatal(err)
		}
		var report Report
		if err := json.Unmarshal(data, &report); err != nil || !report.Verdict.OK || report.Verdict.Stored != 48 {
			t.Fatalf("report.json: %v: %.200s", err, data)
		}
		// The steady producer's may come after the first baseline.
		if _, last := report.ends(); run == 1 && (last.Stored != 48 || last.DeadLettered != 6) {
			t.Errorf("run %d: the last sample counts other runs too: %+v", run+1, last)
		}
	}
	jobs, err := w.clients.BatchV1().Jobs(producerNamespace).List(context.Background(), metav1.ListOptions{})
	if err != nil || len(jobs.Items) > 0 {
		t.Errorf("Jobs are left: %v, %v", jobs.Items, err)
	}
	out, err := w.sqs.GetQueueAttributes(context.Background(), &sqs.GetQueueAttributesInput{QueueUrl: &w.dead, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil || out.Attributes["ApproximateNumberOfMessagesNotVisible"] != "0" {
		t.Errorf("the dead-letter queue was not handed back: %v, %v", out.Attributes, err)
	}
}

// Whatever a consumer does wrong with one message ends the run, red, and is
// named.
func TestRunSaysWhatIsWrong(t *testing.T) {
	const good, bad = "run1-0", "run1-3"
	store := func(path, body string) func(*world, types.Message) error {
		return func(w *world, _ types.Message) error { return w.put(context.Background(), path, body) }
	}
	wrongFolder := strings.Replace(key(good), "sale_event", "inventory_event", 1)
	wrongDay := strings.Replace(key(good), "2026_01_01", "2026_01_02", 1)
	for name, test := range map[string]struct {
		id      string
		handle  func(*world, types.Message) error
		reasons []string
	}{
		"it deletes a message without storing it": {good, func(*world, types.Message) error { return nil }, []string{"1 good message is lost: " + good}},
		"it stores an empty object":               {good, store(key(good), ""), []string{"1 message is not stored or dead-lettered as it was sent: " + good}},
		"it stores an event under another type":   {good, store(wrongFolder, event(good, false)), []string{"1 event is not stored at " + layout + ": " + wrongFolder}},
		"it stores an event under another day":    {good, store(wrongDay, event(good, false)), []string{"1 event is not stored at " + layout + ": " + wrongDay}},
		"it stores an event twice": {
			good, func(w *world, m types.Message) error {
				return errors.Join(w.put(context.Background(), key(good), *m.Body), w.put(context.Background(), wrongDay, *m.Body))
			},
			[]string{"1 event is not stored at " + layout + ": " + wrongDay, "1 event is stored at more than one key: " + good},
		},
		"it gives up, and SQS dead-letters": {
			bad, func(w *world, m types.Message) error {
				_, err := w.sqs.ChangeMessageVisibility(context.Background(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &w.queue, ReceiptHandle: m.ReceiptHandle})
				return errors.Join(errors.New("given up"), err)
			},
			[]string{"1 message was dead-lettered by SQS after maxReceiveCount receives, not by a consumer: " + bad},
		},
		"it quarantines without a reason": {
			bad, func(w *world, m types.Message) error { return w.quarantine(context.Background(), *m.Body, "") },
			[]string{"1 dead-lettered message has no quarantine_reason: " + bad},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mistakes = map[string]func(types.Message) error{test.id: func(m types.Message) error { return test.handle(w, m) }}
			w.work()
			v, _, err := w.demo(40, 20*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if v.OK || !slices.Equal(v.Reasons, test.reasons) {
				t.Errorf("OK %t, reasons %q, want %q", v.OK, v.Reasons, test.reasons)
			}
		})
	}
}

// A burst that one consumer is done with before the HPA looks need not scale,
// and the verdict says so; a larger one must.
func TestRunWithoutScaling(t *testing.T) {
	for burst, want := range map[int]bool{15: true, 16: false} {
		t.Run(strconv.Itoa(burst), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.peak = 1
			w.work()
			v, _, err := w.demo(burst, 20*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if v.OK != want || (v.Note != "") != want || strings.Contains(v.String(), "16 is the least that must") != want {
				t.Errorf("OK %t, reasons %q, note %q", v.OK, v.Reasons, v.Note)
			}
		})
	}
}

func TestRunSaysWhatItWaitsFor(t *testing.T) {
	w := newWorld(t)
	w.idle = true
	w.work()
	stuck := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: producerNamespace, Name: "burst-1"}, Status: corev1.PodStatus{
		Phase:             corev1.PodPending,
		ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}}},
	}}
	if _, err := w.clients.CoreV1().Pods(producerNamespace).Create(context.Background(), stuck, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.demo(40, time.Second)
	for _, want := range []string{"not over after 1s", "burst's Job burst-", "has not ended", "0 visible", "pod sales-events-producer-ns/burst-1: ImagePullBackOff"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

// A run whose time is up while messages are on their way reports them.
func TestRunReportsWhatIsMissingWhenTimeIsUp(t *testing.T) {
	w := newWorld(t)
	w.mistakes = map[string]func(types.Message) error{"run1-0": func(types.Message) error { return nil }}
	w.work()
	tune := func(p *pipeline) { w.tune(p); p.grace = time.Hour }
	dir := t.TempDir()
	v, err := run(context.Background(), w.clients, Options{Burst: 40, Out: io.Discard, ReportDir: dir, Timeout: 6 * time.Second}, tune)
	if err == nil || !strings.Contains(err.Error(), "1 of 40 messages are neither stored nor dead-lettered, such as run1-0") {
		t.Errorf("error %v", err)
	}
	if v.OK || !slices.Contains(v.Reasons, "1 good message is lost: run1-0") || !slices.Contains(v.Reasons, "the demo was not over after 6s") {
		t.Errorf("reasons %q", v.Reasons)
	}
	if _, err := os.Stat(filepath.Join(dir, "index.html")); err != nil {
		t.Error(err)
	}
}

// The burst's pod is the producer's, but neither the Deployment's nor probed.
func TestBurstJob(t *testing.T) {
	w := newWorld(t)
	p, err := openPipeline(t.Context(), w.clients)
	if err != nil {
		t.Fatal(err)
	}
	name, err := p.startBurst(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	job, err := w.clients.BatchV1().Jobs(producerNamespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	template := job.Spec.Template
	if template.Labels["app.kubernetes.io/name"] != burst || template.Spec.RestartPolicy != corev1.RestartPolicyNever || *job.Spec.BackoffLimit != 0 {
		t.Errorf("labels %v, restart %s, backoff %d", template.Labels, template.Spec.RestartPolicy, *job.Spec.BackoffLimit)
	}
	c := template.Spec.Containers[0]
	if c.ReadinessProbe != nil || c.LivenessProbe != nil || c.StartupProbe != nil {
		t.Error("the burst is probed")
	}
	want := []corev1.EnvVar{{Name: "TOT_MSGS_TO_PRODUCE", Value: "7"}, {Name: "WAIT_SECS_BETWEEN_MSGS", Value: "0"}}
	if !slices.Equal(c.Env, want) {
		t.Errorf("env %v, want %v", c.Env, want)
	}
	job.Status.Failed = 1
	if _, err := w.clients.BatchV1().Jobs(producerNamespace).UpdateStatus(t.Context(), job, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.finishedBurst(t.Context(), name, 7); err == nil || !strings.Contains(err.Error(), "the burst failed: Job "+name) {
		t.Errorf("a failed Job: %v", err)
	}
}

// More than one receive's worth, something that is no event, and a message
// that somebody else holds.
func TestQuarantinedReadsAll(t *testing.T) {
	w := newWorld(t)
	p, err := openPipeline(t.Context(), w.clients)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 23 {
		body := event(string(rune('a'+i)), true)
		if i == 22 {
			body = "not JSON"
		}
		if _, err := w.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &w.dead, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	p.hidden = 2
	for range 2 {
		p.letters = nil
		letters, err := p.quarantined(t.Context())
		if ids := deadIDs(letters); err != nil || len(ids) != 23 || !ids["a"] || !ids["v"] {
			t.Fatalf("%d ids %v, %v", len(ids), ids, err)
		}
	}
	if _, err := w.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.dead}); err != nil {
		t.Fatal(err)
	}
	p.letters = nil
	if _, err := p.quarantined(t.Context()); err == nil || !strings.Contains(err.Error(), "22 of the 23 messages") {
		t.Errorf("a message that another reader holds: %v", err)
	}
}

func TestOpenPipelineNamesTheSetting(t *testing.T) {
	w := newWorld(t)
	d, err := w.clients.AppsV1().Deployments(consumerNamespace).Get(t.Context(), consumer, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d = d.DeepCopy()
	d.Spec.Template.Spec.Containers[0].Env = d.Spec.Template.Spec.Containers[0].Env[:3]
	if _, err := w.clients.AppsV1().Deployments(consumerNamespace).Update(t.Context(), d, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := openPipeline(t.Context(), w.clients); err == nil || !strings.Contains(err.Error(), "STORE_EVENTS_BKT is not set") {
		t.Errorf("error %v", err)
	}
}

// A cluster that was started from an earlier checkout keeps its images.
func TestRunRefusesAnOldProducer(t *testing.T) {
	w := newWorld(t)
	w.logs["producer-1"] = `{"msg":"event produced","request_id":"a","event_type":"sale_event","bad":false,"duplicate":false}` + "\n"
	w.work()
	_, _, err := w.demo(40, 20*time.Second)
	if err == nil || !strings.Contains(err.Error(), "the log of producer-1 has messages without sha256") || !strings.Contains(err.Error(), "`make down`") {
		t.Errorf("error %v", err)
	}
}

// fill stores n events and returns a pipeline to read them.
func (w *world) fill(n int) *pipeline {
	w.Helper()
	p, err := openPipeline(w.Context(), w.clients)
	if err != nil {
		w.Fatal(err)
	}
	for i := range n {
		id := "id-" + strconv.Itoa(i)
		if err := w.put(w.Context(), key(id), event(id, false)); err != nil {
			w.Fatal(err)
		}
	}
	return p
}

// More than one page of a listing, and every body.
func TestObjectsReadsAll(t *testing.T) {
	w := newWorld(t)
	p := w.fill(1010)
	keys, err := p.keys(t.Context())
	if err != nil || len(keys) != 1010 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	objects, err := p.objects(t.Context(), keys)
	if err != nil || len(objects) != 1010 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	for _, o := range objects {
		if want := digest([]byte(event(storedID(o.Key), false))); o.Stored.IsZero() || o.Stored != keys[o.Key] || o.SHA256 != want {
			t.Fatalf("%s has the digest %s, want %s", o.Key, o.SHA256, want)
		}
	}
	if _, err := p.objects(t.Context(), map[string]time.Time{objects[0].Key: {}, "gone": {}}); err == nil || !strings.Contains(err.Error(), "read gone of the bucket "+bucket) {
		t.Errorf("an object that is gone: %v", err)
	}
}

// The reading at the end of a run with the default burst.
func BenchmarkObjects(b *testing.B) {
	w := newWorld(b)
	p := w.fill(1500)
	for b.Loop() {
		keys, err := p.keys(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.objects(b.Context(), keys); err != nil {
			b.Fatal(err)
		}
	}
}
