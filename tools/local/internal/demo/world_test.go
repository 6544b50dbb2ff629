package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
	"github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/apps/producer/events"
	"github.com/mystique-unicorn/sales-events/apps/producer/worker"
	"github.com/mystique-unicorn/sales-events/internal/awshttp"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

// world is a cluster with a simulated API but real messages: its Job sends them to the
// local AWS server, and a consumer stores them.
type world struct {
	testing.TB
	clients *fake.Clientset
	sqs     *sqs.Client
	s3      *s3.Client
	queue   string
	dead    string

	mu sync.Mutex
	// logs are the pods' logs, by name.
	logs map[string]string
	// mistakes are what the consumer does wrong with the message that has a request_id.
	// The message is deleted unless there is an error.
	mistakes map[string]func(types.Message) error
	// idle means that Jobs never run.
	idle bool
	// seed is the seed of the next burst.
	seed int
	// peak is the number of consumers while there is work.
	peak int32
	// looks counts the demo's reads of KEDA's metric, one per sample.
	looks atomic.Int64
}

const bucket = "local-000000000000-sales-events"

func newWorld(t testing.TB) *world {
	t.Helper()
	server, err := localaws.New(localaws.Config{
		Region: "eu-west-1", AccountID: "000000000000", Buckets: []string{bucket},
		Queues: []localaws.Queue{{Name: "q-dlq"}, {Name: "q", Redrive: &localaws.Redrive{DeadLetterQueue: "q-dlq", MaxReceiveCount: 2}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	address, err := url.Parse(listener.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(address.Port())
	if err != nil {
		t.Fatal(err)
	}
	config := aws.Config{
		Region: "eu-west-1", BaseEndpoint: &listener.URL, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		// A receive whose answer is lost would hide its messages for longer than a test waits.
		HTTPClient: awshttp.New(),
	}
	w := &world{
		TB: t, peak: 4, seed: 1, logs: map[string]string{}, sqs: sqs.NewFromConfig(config),
		s3:    s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true }),
		queue: listener.URL + "/000000000000/q", dead: listener.URL + "/000000000000/q-dlq",
	}
	one := int32(1)
	deployment := func(namespace, name string, env ...corev1.EnvVar) *appsv1.Deployment {
		labels := map[string]string{"app.kubernetes.io/name": name}
		probe := &corev1.Probe{}
		return &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec: appsv1.DeploymentSpec{
				Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: labels},
					Spec: corev1.PodSpec{Containers: []corev1.Container{{
						Name: name, Env: env, ReadinessProbe: probe, LivenessProbe: probe, StartupProbe: probe,
					}}},
				},
			},
			Status: appsv1.DeploymentStatus{Replicas: 1, ReadyReplicas: 1},
		}
	}
	w.clients = fake.NewClientset(
		&corev1.Node{Status: corev1.NodeStatus{
			Capacity: corev1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("4Gi")},
			NodeInfo: corev1.NodeSystemInfo{KernelVersion: "6.1.0", OSImage: "Debian GNU/Linux 12 (bookworm)", KubeletVersion: "v1.36.0"},
		}},
		deployment(producerNamespace, producer, corev1.EnvVar{Name: "AWS_REGION", Value: "eu-west-1"}, corev1.EnvVar{Name: "RELIABLE_QUEUE_NAME", Value: "q"},
			corev1.EnvVar{Name: "TOT_MSGS_TO_PRODUCE", Value: "0"}, corev1.EnvVar{Name: "MSGS_PER_SEC", Value: "2"}, corev1.EnvVar{Name: "SEED", Value: "7"}),
		deployment(consumerNamespace, consumer, corev1.EnvVar{Name: "AWS_REGION", Value: "eu-west-1"}, corev1.EnvVar{Name: "RELIABLE_QUEUE_NAME", Value: "q"},
			corev1.EnvVar{Name: "DEAD_LETTER_QUEUE_NAME", Value: "q-dlq"}, corev1.EnvVar{Name: "STORE_EVENTS_BKT", Value: bucket}),
		scaler(1, 50, 5),
		&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: awsNamespace, Name: awsService},
			Spec:       corev1.ServiceSpec{ClusterIP: address.Hostname(), Ports: []corev1.ServicePort{{Port: int32(port)}}},
		},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: producerNamespace, Name: "producer-1", Labels: map[string]string{"app.kubernetes.io/name": producer}}},
	)
	return w
}

// tune shortens the waits, and reads the world's logs: the fake client does not tell
// whose log is requested.
func (w *world) tune(p *pipeline) {
	p.every, p.grace, p.seed = 20*time.Millisecond, 2*time.Second, w.seed
	p.get = w.keda
	p.log = func(_ context.Context, pod string, _ bool) (io.ReadCloser, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return io.NopCloser(strings.NewReader(w.logs[pod])), nil
	}
}

// keda returns the depth of the queue as KEDA's metric.
func (w *world) keda(ctx context.Context, uri string) ([]byte, error) {
	if uri == scaledObject {
		return []byte(`{"status":{"conditions":[{"type":"Ready","status":"True"},{"type":"Active","status":"True"}]}}`), nil
	}
	w.looks.Add(1)
	out, err := w.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &w.queue, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, `{"items":[{"metricName":"queue","value":%q}]}`, out.Attributes["ApproximateNumberOfMessages"]), nil
}

// scaler returns KEDA's HPA with a target for each consumer, at its minimum.
func scaler(minimum, maximum int32, target int64) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: consumerNamespace, Name: hpa},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			MinReplicas: &minimum, MaxReplicas: maximum,
			Metrics: []autoscalingv2.MetricSpec{{
				Type: autoscalingv2.ExternalMetricSourceType,
				External: &autoscalingv2.ExternalMetricSource{Target: autoscalingv2.MetricTarget{
					Type: autoscalingv2.AverageValueMetricType, AverageValue: resource.NewQuantity(target, resource.DecimalSI),
				}},
			}},
		},
		Status: autoscalingv2.HorizontalPodAutoscalerStatus{
			CurrentReplicas: minimum, DesiredReplicas: minimum, CurrentMetrics: make([]autoscalingv2.MetricStatus, 1),
		},
	}
}

// event returns the body of a message of the steady producer.
func event(id string, bad bool) string {
	return fmt.Sprintf(`{"request_id":%q,"bad_msg":%t,"ts":"2026-01-01T12:00:00Z"}`, id, bad)
}

// message returns a burst's first message that is good, or bad, and not a duplicate.
func (w *world) message(bad bool) events.Message {
	source := source(w.seed)
	for i := 0; ; i++ {
		if m := source.At(i); m.Bad == bad && !m.Duplicate && !source.At(i+1).Duplicate {
			return m
		}
	}
}

// source returns the source of a burst in these worlds, with the default shares.
func source(seed int) events.Source {
	return events.Source{Seed: seed, BadPercent: 10, DuplicatePercent: 5}
}

// send sends a message and logs it as the producer does.
func (w *world) send(log, id string, bad, duplicate bool) {
	w.Helper()
	if _, err := w.sqs.SendMessage(context.Background(), &sqs.SendMessageInput{
		QueueUrl: &w.queue, MessageBody: aws.String(event(id, bad)), MessageAttributes: map[string]types.MessageAttributeValue{typeAttribute: text("sale_event")},
	}); err != nil {
		w.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs[log] += fmt.Sprintf(`{"msg":"event produced","request_id":%q,"event_type":"sale_event","bad":%t,"duplicate":%t,"ts":"2026-01-01T12:00:00Z","sha256":%q}`+"\n",
		id, bad, duplicate, digest([]byte(event(id, bad))))
}

// work runs the Jobs and the consumer until the test ends.
func (w *world) work() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	w.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			w.runJobs(ctx)
			busy := w.consume(ctx)
			w.scale(ctx, busy)
			time.Sleep(30 * time.Millisecond)
			if busy {
				w.awaitSample(ctx)
			}
		}
	}()
}

// awaitSample waits until a sample of the demo that began after the call shows the
// consumers.
func (w *world) awaitSample(ctx context.Context) {
	for after := w.looks.Load() + 2; w.looks.Load() < after && ctx.Err() == nil; {
		time.Sleep(5 * time.Millisecond)
	}
}

const typeAttribute = "event_type"

func text(s string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &s}
}

// runJobs runs the producer for new Jobs.
func (w *world) runJobs(ctx context.Context) {
	jobs, err := w.clients.BatchV1().Jobs(producerNamespace).List(ctx, metav1.ListOptions{})
	if err != nil || w.idle {
		return
	}
	for _, job := range jobs.Items {
		if job.Status.Succeeded > 0 {
			continue
		}
		c, err := config.Parse(environment(&job.Spec.Template.Spec.Containers[0]).lookup)
		if err != nil {
			w.Error(err)
		}
		if err := worker.New(c, nil, w.sqs, w.queue, slog.New(slog.DiscardHandler), metrics.NewSet()).Run(ctx); err != nil && ctx.Err() == nil {
			w.Error(err)
		}
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: producerNamespace, Name: job.Name + "-pod", Labels: map[string]string{"job-name": job.Name}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: producer}}},
		}
		_, _ = w.clients.CoreV1().Pods(producerNamespace).Create(ctx, pod, metav1.CreateOptions{})
		job.Status = batchv1.JobStatus{Succeeded: 1}
		_, _ = w.clients.BatchV1().Jobs(producerNamespace).UpdateStatus(ctx, &job, metav1.UpdateOptions{})
	}
}

// consume stores or quarantines the waiting messages, and reports whether there were more
// than the steady producer's.
func (w *world) consume(ctx context.Context) bool {
	out, err := w.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &w.queue, MaxNumberOfMessages: 10, MessageAttributeNames: []string{typeAttribute},
	})
	if err != nil {
		return false
	}
	for _, m := range out.Messages {
		var e struct {
			Bad bool `json:"bad_msg"`
		}
		if err := json.Unmarshal([]byte(*m.Body), &e); err != nil {
			w.Error(err)
		}
		handle := w.mistakes[parseBody([]byte(*m.Body)).RequestID]
		switch {
		case handle == nil && e.Bad:
			handle = func(m types.Message) error { return w.quarantine(ctx, *m.Body, "no store_id") }
		case handle == nil:
			handle = func(m types.Message) error { return w.put(ctx, keyOf(m), *m.Body) }
		}
		if handle(m) == nil {
			_, _ = w.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &w.queue, ReceiptHandle: m.ReceiptHandle})
		}
	}
	return len(out.Messages) > 2
}

// keyOf returns the key for a message's event.
func keyOf(m types.Message) string {
	b := parseBody([]byte(*m.Body))
	return key("sales-events", *m.MessageAttributes[typeAttribute].StringValue, day(b.TS), b.RequestID)
}

// quarantine sends a message to the dead-letter queue, with a reason if it has one.
func (w *world) quarantine(ctx context.Context, body, reason string) error {
	in := &sqs.SendMessageInput{QueueUrl: &w.dead, MessageBody: &body}
	if reason != "" {
		in.MessageAttributes = map[string]types.MessageAttributeValue{report.ReasonAttribute: text(reason)}
	}
	_, err := w.sqs.SendMessage(ctx, in)
	return err
}

func (w *world) put(ctx context.Context, key, body string) error {
	_, err := w.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Body: strings.NewReader(body), Key: &key})
	return err
}

func (w *world) scale(ctx context.Context, busy bool) {
	replicas := int32(1)
	if busy {
		replicas = w.peak
	}
	h, err := w.clients.AutoscalingV2().HorizontalPodAutoscalers(consumerNamespace).Get(ctx, hpa, metav1.GetOptions{})
	if err != nil {
		return
	}
	h = h.DeepCopy()
	h.Status.CurrentReplicas, h.Status.DesiredReplicas = replicas, replicas
	_, _ = w.clients.AutoscalingV2().HorizontalPodAutoscalers(consumerNamespace).UpdateStatus(ctx, h, metav1.UpdateOptions{})
	d, err := w.clients.AppsV1().Deployments(consumerNamespace).Get(ctx, consumer, metav1.GetOptions{})
	if err != nil {
		return
	}
	d = d.DeepCopy()
	d.Spec.Replicas, d.Status.ReadyReplicas, d.Status.Replicas = &replicas, replicas, replicas
	_, _ = w.clients.AppsV1().Deployments(consumerNamespace).Update(ctx, d, metav1.UpdateOptions{})
}
