package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
)

// world is a cluster whose API is simulated and whose events are not: its Job
// sends real messages to the local AWS server, and a consumer stores them.
type world struct {
	*testing.T
	clients *fake.Clientset
	sqs     *sqs.Client
	s3      *s3.Client
	queue   string
	dead    string

	mu sync.Mutex
	// logs of pods, by name.
	logs map[string]string
	// lose swallows the first good message, as a consumer that deletes before
	// it stores would.
	lose bool
	// idle has the Jobs never run.
	idle bool
	// run counts Jobs, so that no two send the same ids.
	run int
	// peak is what the consumers scale to while there is work.
	peak int32
}

const bucket = "local-000000000000-sales-events"

func newWorld(t *testing.T) *world {
	t.Helper()
	server, err := localaws.New(localaws.Config{
		Region: "eu-west-1", AccountID: "000000000000", Buckets: []string{bucket},
		Queues: []localaws.Queue{{Name: "q-dlq"}, {Name: "q", Redrive: &localaws.Redrive{DeadLetterQueue: "q-dlq", MaxReceiveCount: 10}}},
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
	config := aws.Config{Region: "eu-west-1", BaseEndpoint: &listener.URL, Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")}
	w := &world{
		T: t, peak: 4, logs: map[string]string{}, sqs: sqs.NewFromConfig(config),
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
		deployment(producerNamespace, producer, corev1.EnvVar{Name: "TOT_MSGS_TO_PRODUCE", Value: "0"}, corev1.EnvVar{Name: "WAIT_SECS_BETWEEN_MSGS", Value: "2"}),
		deployment(consumerNamespace, consumer, corev1.EnvVar{Name: "AWS_REGION", Value: "eu-west-1"}, corev1.EnvVar{Name: "RELIABLE_QUEUE_NAME", Value: "q"},
			corev1.EnvVar{Name: "DEAD_LETTER_QUEUE_NAME", Value: "q-dlq"}, corev1.EnvVar{Name: "STORE_EVENTS_BKT", Value: bucket}),
		&autoscalingv2.HorizontalPodAutoscaler{
			ObjectMeta: metav1.ObjectMeta{Namespace: consumerNamespace, Name: hpa},
			Spec:       autoscalingv2.HorizontalPodAutoscalerSpec{MinReplicas: &one, MaxReplicas: 50},
			Status:     autoscalingv2.HorizontalPodAutoscalerStatus{CurrentReplicas: 1, DesiredReplicas: 1, CurrentMetrics: make([]autoscalingv2.MetricStatus, 1)},
		},
		&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: awsNamespace, Name: awsService},
			Spec:       corev1.ServiceSpec{ClusterIP: address.Hostname(), Ports: []corev1.ServicePort{{Port: int32(port)}}},
		},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: producerNamespace, Name: "producer-1", Labels: map[string]string{"app.kubernetes.io/name": producer}}},
	)
	return w
}

// tune shortens the waits and reads the world's logs: the fake client does not
// say whose log is asked for.
func (w *world) tune(p *pipeline) {
	p.every, p.grace = 20*time.Millisecond, 500*time.Millisecond
	p.log = func(_ context.Context, pod string, _ bool) (io.ReadCloser, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return io.NopCloser(strings.NewReader(w.logs[pod])), nil
	}
}

// event is the body of a message of these tests.
func event(id string, bad bool) string {
	return fmt.Sprintf(`{"request_id":%q,"bad_msg":%t}`, id, bad)
}

// send sends a message and logs it as the producer does.
func (w *world) send(log, id string, bad, duplicate bool) {
	w.Helper()
	if _, err := w.sqs.SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: &w.queue, MessageBody: aws.String(event(id, bad))}); err != nil {
		w.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs[log] += fmt.Sprintf(`{"msg":"event produced","request_id":%q,"bad":%t,"duplicate":%t}`+"\n", id, bad, duplicate)
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
			w.scale(ctx, w.consume(ctx))
			time.Sleep(30 * time.Millisecond)
		}
	}()
}

// runJobs sends the messages of Jobs that have not run: of ten, one is bad and
// one a duplicate of the one before it.
func (w *world) runJobs(ctx context.Context) {
	jobs, err := w.clients.BatchV1().Jobs(producerNamespace).List(ctx, metav1.ListOptions{})
	if err != nil || w.idle {
		return
	}
	for _, job := range jobs.Items {
		if job.Status.Succeeded > 0 {
			continue
		}
		total := 0
		for _, v := range job.Spec.Template.Spec.Containers[0].Env {
			if v.Name == "TOT_MSGS_TO_PRODUCE" {
				total, _ = strconv.Atoi(v.Value)
			}
		}
		w.run++
		for i := range total {
			switch i % 10 {
			case 3:
				w.send(job.Name+"-pod", fmt.Sprintf("run%d-%d", w.run, i), true, false)
			case 5:
				w.send(job.Name+"-pod", fmt.Sprintf("run%d-%d", w.run, i-1), false, true)
			default:
				w.send(job.Name+"-pod", fmt.Sprintf("run%d-%d", w.run, i), false, false)
			}
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

// consume stores or quarantines what is there, and says whether it was more
// than the steady producer's.
func (w *world) consume(ctx context.Context) bool {
	out, err := w.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &w.queue, MaxNumberOfMessages: 10})
	if err != nil {
		return false
	}
	for _, m := range out.Messages {
		var e struct {
			RequestID string `json:"request_id"`
			Bad       bool   `json:"bad_msg"`
		}
		if err := json.Unmarshal([]byte(*m.Body), &e); err != nil {
			w.Error(err)
		}
		w.mu.Lock()
		lost := w.lose && !e.Bad
		w.lose = w.lose && !lost
		w.mu.Unlock()
		switch {
		case e.Bad:
			_, err = w.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &w.dead, MessageBody: m.Body})
		case !lost:
			err = w.put(ctx, e.RequestID, *m.Body)
		}
		if err == nil {
			_, _ = w.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &w.queue, ReceiptHandle: m.ReceiptHandle})
		}
	}
	return len(out.Messages) > 2
}

func (w *world) put(ctx context.Context, id, body string) error {
	_, err := w.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Body: strings.NewReader(body), Key: aws.String("sales/dt=2026_01_01/" + id + ".json")})
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
