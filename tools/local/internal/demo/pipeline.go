package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// pipeline is the running system: its queues, its bucket and its pods.
type pipeline struct {
	kubernetes  kubernetes.Interface
	sqs         *sqs.Client
	s3          *s3.Client
	queue, dead string
	bucket      string
	minimum     int32
}

// openPipeline finds the queues and the bucket by the consumer's own settings.
func openPipeline(ctx context.Context, clients kubernetes.Interface) (*pipeline, error) {
	deployment, err := clients.AppsV1().Deployments(consumerNamespace).Get(ctx, consumer, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("find the consumer: %w", err)
	}
	env := map[string]string{}
	for _, v := range deployment.Spec.Template.Spec.Containers[0].Env {
		env[v.Name] = v.Value
	}
	service, err := clients.CoreV1().Services(awsNamespace).Get(ctx, awsService, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("find the local AWS server: %w", err)
	}
	config := aws.Config{
		Region:       env["AWS_REGION"],
		BaseEndpoint: aws.String(fmt.Sprintf("http://%s:%d", service.Spec.ClusterIP, service.Spec.Ports[0].Port)),
		// Simulated: the local AWS server accepts any key.
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}
	p := &pipeline{kubernetes: clients, sqs: sqs.NewFromConfig(config), bucket: env["STORE_EVENTS_BKT"]}
	p.s3 = s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
	for name, url := range map[string]*string{env["RELIABLE_QUEUE_NAME"]: &p.queue, env["DEAD_LETTER_QUEUE_NAME"]: &p.dead} {
		out, err := p.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(name)})
		if err != nil {
			return nil, fmt.Errorf("find the queue %s: %w", name, err)
		}
		*url = *out.QueueUrl
	}
	return p, nil
}

// waitIdle waits until KEDA's HPA exists and the consumers are at its minimum.
func (p *pipeline) waitIdle(ctx context.Context) error {
	for {
		scaler, err := p.kubernetes.AutoscalingV2().HorizontalPodAutoscalers(consumerNamespace).Get(ctx, hpa, metav1.GetOptions{})
		if err == nil {
			p.minimum = *scaler.Spec.MinReplicas
			if scaler.Status.CurrentReplicas == p.minimum && len(scaler.Status.CurrentMetrics) > 0 {
				return nil
			}
			err = fmt.Errorf("%d consumers run, %d is the minimum", scaler.Status.CurrentReplicas, p.minimum)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the consumers to be idle: %w: %w", context.Cause(ctx), err)
		case <-time.After(time.Second):
		}
	}
}

// startBurst runs the producer's own pod as a Job that sends n messages flat
// out beside the steady producer.
func (p *pipeline) startBurst(ctx context.Context, n int) (string, error) {
	deployment, err := p.kubernetes.AppsV1().Deployments(producerNamespace).Get(ctx, producer, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("find the producer: %w", err)
	}
	template := deployment.Spec.Template.DeepCopy()
	// Not the Deployment's labels, or it would take the pod for its own.
	template.Labels = map[string]string{"app.kubernetes.io/name": burst}
	template.Spec.RestartPolicy = corev1.RestartPolicyNever
	container := &template.Spec.Containers[0]
	container.ReadinessProbe, container.LivenessProbe = nil, nil
	override := map[string]string{"TOT_MSGS_TO_PRODUCE": strconv.Itoa(n), "WAIT_SECS_BETWEEN_MSGS": "0"}
	var env []corev1.EnvVar
	for _, v := range container.Env {
		if _, ok := override[v.Name]; !ok {
			env = append(env, v)
		}
	}
	for name, value := range override {
		env = append(env, corev1.EnvVar{Name: name, Value: value})
	}
	container.Env = env
	job, err := p.kubernetes.BatchV1().Jobs(producerNamespace).Create(ctx, &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{GenerateName: burst + "-"},
		Spec:       batchv1.JobSpec{BackoffLimit: new(int32), Template: *template},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("start the burst: %w", err)
	}
	return job.Name, nil
}

func (p *pipeline) deleteBurst(job string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	background := metav1.DeletePropagationBackground
	_ = p.kubernetes.BatchV1().Jobs(producerNamespace).Delete(ctx, job, metav1.DeleteOptions{PropagationPolicy: &background})
}

// finishedBurst is what the burst sent, or nil while it is sending.
func (p *pipeline) finishedBurst(ctx context.Context, name string, n int) ([]Produced, error) {
	job, err := p.kubernetes.BatchV1().Jobs(producerNamespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil || job.Status.Succeeded == 0 {
		if err == nil && job.Status.Failed > 0 {
			return nil, fmt.Errorf("the burst failed: see the logs of Job %s in %s", name, producerNamespace)
		}
		return nil, err
	}
	sent, err := p.produced(ctx, "job-name="+name)
	if err == nil && len(sent) != n {
		return nil, fmt.Errorf("the burst's log names %d messages, not %d: part of it is gone", len(sent), n)
	}
	return sent, err
}

// produced reads what pods say they sent, from their logs.
func (p *pipeline) produced(ctx context.Context, selector string) ([]Produced, error) {
	pods, err := p.kubernetes.CoreV1().Pods(producerNamespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list the producers: %w", err)
	}
	var all []Produced
	for _, pod := range pods.Items {
		stream, err := p.kubernetes.CoreV1().Pods(producerNamespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).Stream(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the log of %s: %w", pod.Name, err)
		}
		sent, err := parseLog(stream)
		stream.Close()
		if err != nil {
			return nil, fmt.Errorf("read the log of %s: %w", pod.Name, err)
		}
		all = append(all, sent...)
	}
	return all, nil
}

// parseLog takes the producer's lines of messages that SQS acknowledged, and
// passes over every other line.
func parseLog(r io.Reader) ([]Produced, error) {
	var sent []Produced
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Msg string `json:"msg"`
			Produced
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "event produced" && line.RequestID != "" {
			sent = append(sent, line.Produced)
		}
	}
	return sent, lines.Err()
}

func (p *pipeline) sample(ctx context.Context, start time.Time) (Sample, error) {
	s := Sample{Seconds: time.Since(start).Seconds()}
	depth, err := p.attributes(ctx, p.queue)
	if err != nil {
		return s, err
	}
	s.Visible, s.InFlight, s.Delayed = depth[0], depth[1], depth[2]
	if depth, err = p.attributes(ctx, p.dead); err != nil {
		return s, err
	}
	s.DeadLettered = depth[0] + depth[1] + depth[2]
	deployment, err := p.kubernetes.AppsV1().Deployments(consumerNamespace).Get(ctx, consumer, metav1.GetOptions{})
	if err != nil {
		return s, err
	}
	s.Replicas, s.Ready = *deployment.Spec.Replicas, deployment.Status.ReadyReplicas
	stored, err := p.stored(ctx)
	s.Stored = len(stored)
	return s, err
}

func (p *pipeline) attributes(ctx context.Context, url string) (counts [3]int, err error) {
	out, err := p.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return counts, err
	}
	for i, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		if counts[i], err = strconv.Atoi(out.Attributes[name]); err != nil {
			return counts, err
		}
	}
	return counts, nil
}

// stored is every request_id in the bucket, by the objects' keys.
func (p *pipeline) stored(ctx context.Context) (map[string]bool, error) {
	ids := map[string]bool{}
	pages := s3.NewListObjectsV2Paginator(p.s3, &s3.ListObjectsV2Input{Bucket: &p.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the bucket %s: %w", p.bucket, err)
		}
		for _, object := range page.Contents {
			ids[strings.TrimSuffix(path.Base(*object.Key), ".json")] = true
		}
	}
	return ids, nil
}

// quarantined is every request_id in the dead-letter queue. It receives them
// all under a long visibility timeout and then hands them back.
func (p *pipeline) quarantined(ctx context.Context) (ids map[string]bool, err error) {
	ids = map[string]bool{}
	var held []types.Message
	defer func() {
		for _, m := range held {
			_, giveErr := p.sqs.ChangeMessageVisibility(context.WithoutCancel(ctx), &sqs.ChangeMessageVisibilityInput{QueueUrl: &p.dead, ReceiptHandle: m.ReceiptHandle})
			err = errors.Join(err, giveErr)
		}
	}()
	for {
		out, err := p.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &p.dead, MaxNumberOfMessages: 10, VisibilityTimeout: 600})
		if err != nil {
			return nil, fmt.Errorf("read the dead-letter queue: %w", err)
		}
		if len(out.Messages) == 0 {
			return ids, nil
		}
		held = append(held, out.Messages...)
		for _, m := range out.Messages {
			var body struct {
				RequestID string `json:"request_id"`
			}
			if err := json.Unmarshal([]byte(*m.Body), &body); err != nil || body.RequestID == "" {
				return nil, fmt.Errorf("message %s of the dead-letter queue has no request_id", *m.MessageId)
			}
			ids[body.RequestID] = true
		}
	}
}

// missing are the messages that are neither stored nor dead-lettered.
func (p *pipeline) missing(ctx context.Context, sent []Produced) ([]string, error) {
	depth, err := p.attributes(ctx, p.queue)
	if err != nil {
		return nil, err
	}
	stored, err := p.stored(ctx)
	if err != nil {
		return nil, err
	}
	var missing []string
	bad := 0
	for _, m := range sent {
		if m.Bad {
			bad++
		} else if !stored[m.RequestID] {
			missing = append(missing, m.RequestID)
		}
	}
	if bad == 0 || len(missing) > 0 || depth[0]+depth[1] > 50 {
		return missing, nil
	}
	dead, err := p.quarantined(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range sent {
		if m.Bad && !dead[m.RequestID] {
			missing = append(missing, m.RequestID)
		}
	}
	return missing, nil
}

// evidence reads both ends. The steady producer runs on, so its log is read
// before the bucket, for what must be there, and after it, for what may be.
func (p *pipeline) evidence(ctx context.Context, sent []Produced) (Evidence, error) {
	stored, err := p.stored(ctx)
	if err != nil {
		return Evidence{}, err
	}
	dead, err := p.quarantined(ctx)
	if err != nil {
		return Evidence{}, err
	}
	steady, err := p.produced(ctx, "app.kubernetes.io/name="+producer)
	if err != nil {
		return Evidence{}, err
	}
	return Evidence{Burst: sent, Steady: steady, Stored: stored, Dead: dead}, nil
}
