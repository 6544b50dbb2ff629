package demo

import (
	"context"
	"encoding/json"
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
		if last := v.Samples[len(v.Samples)-1]; run == 1 && (last.Stored != 48 || last.DeadLettered != 6) {
			t.Errorf("run %d: the last sample counts other runs too: %+v", run+1, last)
		}
		data, err := os.ReadFile(filepath.Join(dir, "report.json"))
		if err != nil {
			t.Fatal(err)
		}
		var report Verdict
		if err := json.Unmarshal(data, &report); err != nil || !report.OK || report.Stored != 48 {
			t.Errorf("report.json: %v: %.200s", err, data)
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

// A message that a consumer deletes without storing it ends the run, red.
func TestRunSaysWhatIsLost(t *testing.T) {
	w := newWorld(t)
	w.lose = true
	w.work()
	v, _, err := w.demo(40, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if v.OK || len(v.Lost) != 1 || !slices.Equal(v.Reasons, []string{"1 good message is lost: run1-0"}) {
		t.Errorf("OK %t, reasons %q", v.OK, v.Reasons)
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
	w.lose = true
	w.work()
	tune := func(p *pipeline) { w.tune(p); p.grace = time.Hour }
	dir := t.TempDir()
	v, err := run(context.Background(), w.clients, Options{Burst: 40, Out: io.Discard, ReportDir: dir, Timeout: 2 * time.Second}, tune)
	if err == nil || !strings.Contains(err.Error(), "1 of 40 messages are neither stored nor dead-lettered, such as run1-0") {
		t.Errorf("error %v", err)
	}
	if v.OK || !slices.Contains(v.Reasons, "1 good message is lost: run1-0") || !slices.Contains(v.Reasons, "the demo was not over after 2s") {
		t.Errorf("reasons %q", v.Reasons)
	}
	if _, err := os.Stat(filepath.Join(dir, "report.html")); err != nil {
		t.Error(err)
	}
}

// The burst's pod is the producer's, but neither the Deployment's nor probed.
func TestBurstJob(t *testing.T) {
	w := newWorld(t)
	p, err := openPipeline(t.Context(), w.clients, "")
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
	p, err := openPipeline(t.Context(), w.clients, "")
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
	for range 2 {
		p.scan = scan{}
		ids, err := p.quarantined(t.Context())
		if err != nil || len(ids) != 23 || !ids["a"] || !ids["v"] {
			t.Fatalf("%d ids %v, %v", len(ids), ids, err)
		}
	}
	if _, err := w.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.dead}); err != nil {
		t.Fatal(err)
	}
	p.scan = scan{}
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
	if _, err := openPipeline(t.Context(), w.clients, ""); err == nil || !strings.Contains(err.Error(), "does not set STORE_EVENTS_BKT") {
		t.Errorf("error %v", err)
	}
}

// The id of a listing is the last part of the key, over more than one page.
func TestStoredReadsEveryPage(t *testing.T) {
	w := newWorld(t)
	p, err := openPipeline(t.Context(), w.clients, "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1010 {
		if err := w.put(t.Context(), "id-"+strconv.Itoa(i), "{}"); err != nil {
			t.Fatal(err)
		}
	}
	ids, err := p.stored(t.Context())
	if err != nil || len(ids) != 1010 {
		t.Errorf("%d ids, %v", len(ids), err)
	}
}
