package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/internal/awshttp"
)

// pipeline is the running system: its queues, its bucket and its pods.
type pipeline struct {
	kubernetes kubernetes.Interface
	log        func(ctx context.Context, pod string, previous bool) (io.ReadCloser, error)
	// get reads an object of KEDA, for which there is no typed client here.
	get         func(ctx context.Context, uri string) ([]byte, error)
	sqs         *sqs.Client
	s3          *s3.Client
	queue, dead string
	// settings are the consumer's settings.
	settings config.Config
	scaling  scaling
	// delay is the source queue's delivery delay: a consumer receives no message sooner.
	delay time.Duration
	// every is the time between samples. A message that stays missing for grace, without
	// any change, counts as lost.
	every, grace time.Duration
	// hidden is the visibility timeout, in seconds, of dead letters while all of them are
	// read. A reading takes a fraction of a second, but an answer that is lost hides its
	// messages for this long.
	hidden int32
	// letters are the messages of the dead-letter queue when it was last read.
	letters []DeadLetter
	// seed is the burst's seed; 0 draws one. producerSettings are the settings in which
	// its producer differs from the steady one.
	seed             int
	producerSettings map[string]string
}

// openPipeline finds the queues and the bucket in the consumer's own settings.
func openPipeline(ctx context.Context, clients kubernetes.Interface) (*pipeline, error) {
	settings, err := consumerSettings(ctx, clients)
	if err != nil {
		return nil, err
	}
	endpoint, err := localAWS(ctx, clients)
	if err != nil {
		return nil, err
	}
	access := aws.Config{
		Region: settings.Region, BaseEndpoint: &endpoint,
		// Simulated: the local AWS server accepts any key.
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		HTTPClient:  awshttp.New(),
		// In a soak AWS fails while it is read, so there are more attempts.
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.RateLimiter = 10, ratelimit.None })
		},
	}
	p := &pipeline{
		kubernetes: clients, settings: settings, every: time.Second, hidden: 10,
		sqs: sqs.NewFromConfig(access), s3: s3.NewFromConfig(access, func(o *s3.Options) { o.UsePathStyle = true }),
		log: func(ctx context.Context, pod string, previous bool) (io.ReadCloser, error) {
			return clients.CoreV1().Pods(producerNamespace).GetLogs(pod, &corev1.PodLogOptions{Container: producer, Previous: previous}).Stream(ctx)
		},
		get: func(ctx context.Context, uri string) ([]byte, error) {
			return clients.Discovery().RESTClient().Get().RequestURI(uri).DoRaw(ctx)
		},
	}
	if p.queue, err = p.find(ctx, settings.Queue); err != nil {
		return nil, err
	}
	if p.dead, err = p.find(ctx, settings.DeadLetterQueue); err != nil {
		return nil, err
	}
	source, err := p.attributes(ctx, p.queue)
	if err != nil {
		return nil, err
	}
	// Two timeouts: a dead pod's messages reappear after one, and then must be handled.
	p.grace, p.delay = 2*source.visibility+15*time.Second, source.delay
	return p, nil
}

func consumerSettings(ctx context.Context, clients kubernetes.Interface) (config.Config, error) {
	deployment, err := clients.AppsV1().Deployments(consumerNamespace).Get(ctx, consumer, metav1.GetOptions{})
	if err != nil {
		return config.Config{}, fmt.Errorf("find the consumer: %w", err)
	}
	container, err := containerOf(deployment)
	if err != nil {
		return config.Config{}, err
	}
	settings, err := config.Parse(environment(container).lookup)
	if err != nil {
		return settings, fmt.Errorf("settings of the Deployment %s in %s: %w", consumer, consumerNamespace, err)
	}
	return settings, nil
}

// variables are environment variables by their names.
type variables map[string]string

func (v variables) lookup(name string) (value string, ok bool) {
	value, ok = v[name]
	return value, ok
}

// environment returns a container's environment variables that have a literal value.
func environment(c *corev1.Container) variables {
	env := variables{}
	for _, v := range c.Env {
		env[v.Name] = v.Value
	}
	return env
}

// containerOf returns the container that has its Deployment's name.
func containerOf(d *appsv1.Deployment) (*corev1.Container, error) {
	containers := d.Spec.Template.Spec.Containers
	i := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == d.Name })
	if i < 0 {
		return nil, fmt.Errorf("the Deployment %s in %s has no container %s", d.Name, d.Namespace, d.Name)
	}
	return &containers[i], nil
}

func localAWS(ctx context.Context, clients kubernetes.Interface) (string, error) {
	service, err := clients.CoreV1().Services(awsNamespace).Get(ctx, awsService, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("find the local AWS server: %w", err)
	}
	if len(service.Spec.Ports) == 0 {
		return "", fmt.Errorf("the Service %s in %s has no port", awsService, awsNamespace)
	}
	return fmt.Sprintf("http://%s:%d", service.Spec.ClusterIP, service.Spec.Ports[0].Port), nil
}

func (p *pipeline) find(ctx context.Context, name string) (string, error) {
	out, err := p.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		return "", fmt.Errorf("find the queue %s: %w", name, err)
	}
	return aws.ToString(out.QueueUrl), nil
}

// quiet is the largest number of messages that the steady producer alone keeps in the
// queue.
const quiet = 20

// waitIdle waits until KEDA's HPA exists, the consumers are ready and at its minimum, and
// the queue holds only the steady producer's messages. An earlier, interrupted run's
// messages must be gone before the baseline is taken.
func (p *pipeline) waitIdle(ctx context.Context) error {
	for {
		err := p.idle(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the consumers to be idle: %w: %w", context.Cause(ctx), err)
		case <-time.After(p.every):
		}
	}
}

func (p *pipeline) idle(ctx context.Context) error {
	scaler, err := p.kubernetes.AutoscalingV2().HorizontalPodAutoscalers(consumerNamespace).Get(ctx, hpa, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("find KEDA's HPA: %w", err)
	}
	if len(scaler.Status.CurrentMetrics) == 0 {
		return errors.New("KEDA's HPA has no metric yet")
	}
	if p.scaling, err = newScaling(scaler, p.settings); err != nil {
		return err
	}
	p.scaling.paced = p.producerSettings["TRACE"] != ""
	s, err := p.sample(ctx)
	switch {
	case err != nil:
		return err
	case !s.AtMinimum(p.scaling.Minimum) || s.Ready < p.scaling.Minimum:
		return fmt.Errorf("%d consumers are wanted and %d ready, %d is the minimum", s.Desired, s.Ready, p.scaling.Minimum)
	case s.Depth() > quiet:
		return fmt.Errorf("the queue still holds %d messages", s.Depth())
	}
	return nil
}

// sample reads the system's counts, except the stored objects. DeadLettered counts all
// dead letters; the caller knows which belong to this run.
func (p *pipeline) sample(ctx context.Context) (s Sample, err error) {
	source, err := p.attributes(ctx, p.queue)
	if err != nil {
		return s, err
	}
	s.Visible, s.InFlight, s.Delayed = source.visible, source.inFlight, source.delayed
	dead, err := p.attributes(ctx, p.dead)
	if err != nil {
		return s, err
	}
	s.DeadLettered = dead.depth()
	scaler, err := p.kubernetes.AutoscalingV2().HorizontalPodAutoscalers(consumerNamespace).Get(ctx, hpa, metav1.GetOptions{})
	if err != nil {
		return s, fmt.Errorf("read KEDA's HPA: %w", err)
	}
	s.Desired = scaler.Status.DesiredReplicas
	deployment, err := p.kubernetes.AppsV1().Deployments(consumerNamespace).Get(ctx, consumer, metav1.GetOptions{})
	if err != nil {
		return s, fmt.Errorf("read the consumer: %w", err)
	}
	s.Pods, s.Ready = deployment.Status.Replicas, deployment.Status.ReadyReplicas
	s.Metric = p.metric(ctx)
	s.Active, err = p.active(ctx)
	return s, err
}

// counts are the attributes of a queue that the demo reads.
type counts struct {
	visible, inFlight, delayed int
	visibility, delay          time.Duration
}

func (c counts) depth() int { return c.visible + c.inFlight + c.delayed }

func (p *pipeline) attributes(ctx context.Context, url string) (counts, error) {
	out, err := p.sqs.GetQueueAttributes(
		ctx,
		&sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}},
	)
	if err != nil {
		return counts{}, fmt.Errorf("read the attributes of %s: %w", url, err)
	}
	var c counts
	var visibility, delay int
	for name, n := range map[string]*int{
		"ApproximateNumberOfMessages": &c.visible, "ApproximateNumberOfMessagesNotVisible": &c.inFlight,
		"ApproximateNumberOfMessagesDelayed": &c.delayed, "VisibilityTimeout": &visibility, "DelaySeconds": &delay,
	} {
		if _, err := fmt.Sscan(out.Attributes[name], n); err != nil {
			return counts{}, fmt.Errorf("attribute %s of %s is %q: %w", name, url, out.Attributes[name], err)
		}
	}
	c.visibility, c.delay = time.Duration(visibility)*time.Second, time.Duration(delay)*time.Second
	return c, nil
}
