package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

	"github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/apps/producer/events"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

func (w *world) demo(burst int, timeout time.Duration) (Verdict, string, error) {
	w.Helper()
	dir := w.TempDir()
	r, err := run(context.Background(), w.clients, Options{Burst: burst, Out: io.Discard, ReportDir: dir, Timeout: timeout}, w.tune)
	return r.Verdict, dir, err
}

// The second run finds the first one's events in both destinations, and its Job gone.
func TestRunTwiceInOneCluster(t *testing.T) {
	w := newWorld(t)
	w.send("producer-1", "steady-good", false, false)
	w.send("producer-1", "steady-bad", true, false)
	w.work()
	for run := range 2 {
		w.seed = run + 1
		// LastModified has whole seconds, and a real run takes more than one.
		time.Sleep(time.Second)
		var good, bad, folded int
		for _, m := range newLedger(source(w.seed), 60).burst {
			switch {
			case m.bad:
				bad++
			default:
				good++
			}
			if m.twice && !m.bad {
				folded++
			}
		}
		v, dir, err := w.demo(60, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if !v.OK || v.Produced != 60 || v.Good != good || v.Bad != bad || v.Stored != good || v.Quarantined != bad || v.DuplicatesFolded != folded || folded == 0 || bad == 0 {
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
		var saw Report
		if err := json.Unmarshal(data, &saw); err != nil || !saw.Verdict.OK || saw.Verdict.Stored != good {
			t.Fatalf("report.json: %v: %.200s", err, data)
		}
		// The steady producer's may come after the first baseline.
		if last := saw.Samples[len(saw.Samples)-1]; run == 1 && (last.Stored != good || last.DeadLettered < bad) {
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

// Any mistake of a consumer with one message makes the run fail, and the verdict names
// the message.
func TestRunSaysWhatIsWrong(t *testing.T) {
	good, bad := (&world{seed: 1}).message(false), (&world{seed: 1}).message(true)
	tomorrow := func(m types.Message) string {
		today := day(parseBody([]byte(*m.Body)).TS)
		return strings.Replace(keyOf(m), today, day(time.Now().Add(24*time.Hour)), 1)
	}
	elsewhere := func(m types.Message) string {
		other := map[string]string{"sale_event": "inventory_event", "inventory_event": "sale_event"}[good.EventType]
		return strings.Replace(keyOf(m), good.EventType, other, 1)
	}
	for name, test := range map[string]struct {
		id     string
		handle func(*world, types.Message) error
		// reasons are the expected reasons; {key} stands for the key that the mistake
		// produced.
		reasons []string
		key     func(types.Message) string
	}{
		"it deletes a message without storing it": {good.RequestID, func(*world, types.Message) error { return nil }, []string{"1 good message is lost: " + good.RequestID}, keyOf},
		"it stores an empty object": {
			good.RequestID, func(w *world, m types.Message) error { return w.put(context.Background(), keyOf(m), "") },
			[]string{"1 message is not stored or dead-lettered as it was sent: " + good.RequestID},
			keyOf,
		},
		"it stores an event under another type": {
			good.RequestID, func(w *world, m types.Message) error { return w.put(context.Background(), elsewhere(m), *m.Body) },
			[]string{"1 event is not stored at " + report.Layout + ": {key}"},
			elsewhere,
		},
		"it stores an event under another day": {
			good.RequestID, func(w *world, m types.Message) error { return w.put(context.Background(), tomorrow(m), *m.Body) },
			[]string{"1 event is not stored at " + report.Layout + ": {key}"},
			tomorrow,
		},
		"it stores an event twice": {
			good.RequestID, func(w *world, m types.Message) error {
				return errors.Join(w.put(context.Background(), keyOf(m), *m.Body), w.put(context.Background(), tomorrow(m), *m.Body))
			},
			[]string{"1 event is not stored at " + report.Layout + ": {key}", "1 event is stored at more than one key: " + good.RequestID},
			tomorrow,
		},
		"it gives up, and SQS dead-letters": {
			bad.RequestID, func(w *world, m types.Message) error {
				_, err := w.sqs.ChangeMessageVisibility(context.Background(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &w.queue, ReceiptHandle: m.ReceiptHandle})
				return errors.Join(errors.New("given up"), err)
			},
			[]string{"1 message was dead-lettered by SQS after maxReceiveCount receives, not by a consumer: " + bad.RequestID},
			keyOf,
		},
		"it quarantines without a reason": {
			bad.RequestID, func(w *world, m types.Message) error { return w.quarantine(context.Background(), *m.Body, "") },
			[]string{"1 dead-lettered message has no quarantine_reason: " + bad.RequestID},
			keyOf,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			made := make(chan string, 20)
			w.mistakes = map[string]func(types.Message) error{test.id: func(m types.Message) error {
				made <- test.key(m)
				return test.handle(w, m)
			}}
			w.work()
			v, _, err := w.demo(40, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			path := <-made
			for i, reason := range test.reasons {
				test.reasons[i] = strings.ReplaceAll(reason, "{key}", path)
			}
			if v.OK || !slices.Equal(v.Reasons, test.reasons) {
				t.Errorf("OK %t, reasons %q, want %q", v.OK, v.Reasons, test.reasons)
			}
		})
	}
}

// A burst that one consumer finishes before the HPA looks need not scale, and the verdict
// says so; a larger one must.
func TestRunWithoutScaling(t *testing.T) {
	for burst, want := range map[int]bool{15: true, 16: false} {
		t.Run(strconv.Itoa(burst), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.peak = 1
			w.work()
			v, _, err := w.demo(burst, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if v.OK != want || (v.Note != "") != want || strings.Contains(v.String(), "16 is the least that must") != want {
				t.Errorf("OK %t, reasons %q, note %q", v.OK, v.Reasons, v.Note)
			}
		})
	}
}

// Messages that are spread over time need not scale, whatever their number.
func TestRunOfATraceWithoutScaling(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.peak = 1
	w.work()
	r, err := run(context.Background(), w.clients, Options{
		Burst: 16, Out: io.Discard, ReportDir: t.TempDir(), Timeout: time.Minute, Producer: map[string]string{"TRACE": "/traces/sparse.csv"},
	}, w.tune)
	if err != nil {
		t.Fatal(err)
	}
	if v := r.Verdict; !v.OK || !strings.Contains(v.Note, "over time") {
		t.Errorf("OK %t, reasons %q, note %q", v.OK, v.Reasons, v.Note)
	}
}

func TestRunSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
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
	_, _, err := w.demo(40, 5*time.Second)
	for _, want := range []string{"not over after 5s", "burst's Job burst-", "has not ended", "0 visible", "pod sales-events-producer-ns/burst-1: ImagePullBackOff"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

// A run that times out while messages are in flight reports them.
func TestRunReportsWhatIsMissingWhenTimeIsUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lost := w.message(false).RequestID
	w.mistakes = map[string]func(types.Message) error{lost: func(types.Message) error { return nil }}
	w.work()
	tune := func(p *pipeline) { w.tune(p); p.grace = time.Hour }
	dir := t.TempDir()
	r, err := run(context.Background(), w.clients, Options{Burst: 40, Out: io.Discard, ReportDir: dir, Timeout: 20 * time.Second}, tune)
	v := r.Verdict
	want := fmt.Sprintf("1 of %d messages are neither stored nor dead-lettered, such as %s", newLedger(source(w.seed), 40).demanded(), lost)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v", err)
	}
	if v.OK || !slices.Contains(v.Reasons, "1 good message is lost: "+lost) || !slices.Contains(v.Reasons, "the demo was not over after 20s") {
		t.Errorf("reasons %q", v.Reasons)
	}
	if _, err := os.Stat(filepath.Join(dir, "index.html")); err != nil {
		t.Error(err)
	}
}

// The burst's pod is the producer's, but it does not belong to the Deployment and has no
// probes.
func TestBurstJob(t *testing.T) {
	w := newWorld(t)
	p, err := openPipeline(t.Context(), w.clients)
	if err != nil {
		t.Fatal(err)
	}
	name, err := p.startBurst(t.Context(), newLedger(events.Source{Seed: 9}, 7))
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
	want := []corev1.EnvVar{
		{Name: "AWS_REGION", Value: "eu-west-1"},
		{Name: "RELIABLE_QUEUE_NAME", Value: "q"},
		{Name: "TOT_MSGS_TO_PRODUCE", Value: "7"},
		{Name: "WAIT_SECS_BETWEEN_MSGS", Value: "0"},
		{Name: "SEED", Value: "9"},
		{Name: "LOG_LEVEL", Value: "WARN"},
	}
	if !slices.Equal(c.Env, want) {
		t.Errorf("env %v, want %v", c.Env, want)
	}
	job.Status.Failed = 1
	if _, err := w.clients.BatchV1().Jobs(producerNamespace).UpdateStatus(t.Context(), job, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.burstEnded(t.Context(), name); err == nil || !strings.Contains(err.Error(), "the burst failed: Job "+name) {
		t.Errorf("a failed Job: %v", err)
	}
}

// There are more messages than one receive returns, one that is not an event, and some
// that another reader holds: the reading waits for those.
func TestQuarantinedReadsAll(t *testing.T) {
	t.Parallel()
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
	p.hidden = 1
	hide := func(seconds int32) {
		out, err := w.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.dead, MaxNumberOfMessages: 10, VisibilityTimeout: seconds})
		if err != nil || len(out.Messages) != 10 {
			t.Fatal(out, err)
		}
	}
	for _, held := range []int32{0, 3} {
		if held > 0 {
			hide(held)
		}
		p.letters = nil
		letters, err := p.quarantined(t.Context())
		ids := map[string]bool{}
		for _, letter := range letters {
			ids[letter.RequestID] = true
		}
		if err != nil || len(ids) != 23 || !ids["a"] || !ids["v"] {
			t.Fatalf("held for %d s: %d ids %v, %v", held, len(ids), ids, err)
		}
	}
	// Longer than the queue's own visibility timeout, 30 s.
	hide(60)
	letters, err := p.hold(t.Context(), counts{visible: 23, visibility: 5 * time.Second})
	if err == nil || len(letters) != 13 || !strings.Contains(err.Error(), "13 of the 23 messages") {
		t.Errorf("messages that another reader holds: %d, %v", len(letters), err)
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

// A cluster from an earlier checkout still has that checkout's images.
func TestRunRefusesAnOldProducer(t *testing.T) {
	w := newWorld(t)
	w.logs["producer-1"] = `{"msg":"event produced","request_id":"a","event_type":"sale_event","bad":false,"duplicate":false}` + "\n"
	w.work()
	_, _, err := w.demo(40, time.Minute)
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
		if err := w.put(w.Context(), "id-"+strconv.Itoa(i)+".json", event("id-"+strconv.Itoa(i), false)); err != nil {
			w.Fatal(err)
		}
	}
	return p
}

// There is more than one page of keys, and every body is read.
func TestListAndRead(t *testing.T) {
	w := newWorld(t)
	p := w.fill(1010)
	var objects []object
	list := func(key string, modified time.Time) { objects = append(objects, object{key, modified}) }
	if err := p.list(t.Context(), list); err != nil || len(objects) != 1010 {
		t.Fatalf("%d keys, %v", len(objects), err)
	}
	read := map[string]bool{}
	err := p.read(t.Context(), objects, func(o object, b body) {
		if b.RequestID != storedID(o.key) || o.modified.IsZero() || !b.TS.Equal(noon) {
			t.Errorf("%v has the body %s", o, b.text)
		}
		read[o.key] = true
	})
	if err != nil || len(read) != 1010 {
		t.Fatalf("%d objects, %v", len(read), err)
	}
	err = p.read(t.Context(), []object{objects[0], {key: "gone"}}, func(object, body) {})
	if err == nil || !strings.Contains(err.Error(), "read gone of the bucket "+bucket) {
		t.Errorf("an object that is gone: %v", err)
	}
}

// A trace sets the burst's pace, whatever the steady producer's pace.
func TestTracedBurst(t *testing.T) {
	for _, pace := range []corev1.EnvVar{{Name: "MSGS_PER_SEC", Value: "2"}, {Name: "WAIT_SECS_BETWEEN_MSGS", Value: "2"}, {Name: "TRACE", Value: "/other.csv"}} {
		t.Run(pace.Name, func(t *testing.T) {
			w := newWorld(t)
			deployments := w.clients.AppsV1().Deployments(producerNamespace)
			d, err := deployments.Get(t.Context(), producer, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			container := &d.Spec.Template.Spec.Containers[0]
			container.Env = slices.DeleteFunc(container.Env, func(v corev1.EnvVar) bool { return v.Name == "MSGS_PER_SEC" })
			container.Env = append(container.Env, pace)
			if _, err := deployments.Update(t.Context(), d, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			p, err := openPipeline(t.Context(), w.clients)
			if err != nil {
				t.Fatal(err)
			}
			p.producerSettings = map[string]string{"TRACE": "/traces/ramp.csv", "CONCURRENCY": "16"}
			l, err := p.newBurst(t.Context(), 10)
			if err != nil {
				t.Fatal(err)
			}
			name, err := p.startBurst(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			job, err := w.clients.BatchV1().Jobs(producerNamespace).Get(t.Context(), name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			c, err := config.Parse(environment(&job.Spec.Template.Spec.Containers[0]).lookup)
			if err != nil || c.Trace != "/traces/ramp.csv" || c.MsgsPerSec != 0 || c.Concurrency != 16 || c.Total != 10 {
				t.Errorf("the burst has %+v, %v", c, err)
			}
		})
	}
}
