package demo

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	producerconfig "github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/apps/producer/events"
)

// pace are the settings of a producer's rate. A burst does not take them from the steady
// producer.
var pace = []string{"WAIT_SECS_BETWEEN_MSGS", "MSGS_PER_SEC", "TRACE"}

const steadySelector = "app.kubernetes.io/name=" + producer

// newBurst computes n messages from a new seed, with the shares of bad messages and
// duplicates that the producer is set to.
func (p *pipeline) newBurst(ctx context.Context, n int) (*ledger, error) {
	_, container, err := p.producer(ctx)
	if err != nil {
		return nil, err
	}
	env := environment(container)
	maps.DeleteFunc(env, func(name, _ string) bool { return slices.Contains(pace, name) })
	maps.Copy(env, p.producerSettings)
	settings, err := producerconfig.Parse(env.lookup)
	if err != nil {
		return nil, fmt.Errorf("settings of the Deployment %s in %s: %w", producer, producerNamespace, err)
	}
	seed := cmp.Or(p.seed, 1+rand.IntN(math.MaxInt32))
	return newLedger(events.Source{Seed: seed, BadPercent: settings.BadPercent, DuplicatePercent: settings.DuplicatePercent}, n), nil
}

func (p *pipeline) producer(ctx context.Context) (*appsv1.Deployment, *corev1.Container, error) {
	deployment, err := p.kubernetes.AppsV1().Deployments(producerNamespace).Get(ctx, producer, metav1.GetOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("find the producer: %w", err)
	}
	container, err := containerOf(deployment)
	return deployment, container, err
}

// startBurst runs the producer's own pod as a Job. It sends a ledger's burst as fast as
// it can, beside the steady producer.
func (p *pipeline) startBurst(ctx context.Context, l *ledger) (string, error) {
	deployment, container, err := p.producer(ctx)
	if err != nil {
		return "", err
	}
	template := &deployment.Spec.Template
	// The Deployment's labels would make the Deployment adopt the pod.
	template.Labels = map[string]string{"app.kubernetes.io/name": burst}
	template.Spec.RestartPolicy = corev1.RestartPolicyNever
	container.ReadinessProbe, container.LivenessProbe, container.StartupProbe = nil, nil, nil
	own := []corev1.EnvVar{
		{Name: "TOT_MSGS_TO_PRODUCE", Value: strconv.Itoa(l.total)},
		{Name: "WAIT_SECS_BETWEEN_MSGS", Value: "0"},
		{Name: "SEED", Value: strconv.Itoa(l.source.Seed)},
		// No line for each message: what was sent follows from the seed.
		{Name: "LOG_LEVEL", Value: "WARN"},
	}
	for _, name := range slices.Sorted(maps.Keys(p.producerSettings)) {
		own = append(own, corev1.EnvVar{Name: name, Value: p.producerSettings[name]})
	}
	container.Env = slices.DeleteFunc(container.Env, func(v corev1.EnvVar) bool {
		return slices.Contains(pace, v.Name) || slices.ContainsFunc(own, func(o corev1.EnvVar) bool { return o.Name == v.Name })
	})
	container.Env = append(container.Env, own...)
	name := burst + "-" + strconv.FormatInt(time.Now().UnixMilli(), 36)
	job, err := p.kubernetes.BatchV1().Jobs(producerNamespace).Create(ctx, &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: template.Labels},
		Spec:       batchv1.JobSpec{BackoffLimit: new(int32), Template: *template},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("start the burst: %w", err)
	}
	return job.Name, nil
}

// deleteBurst has a time limit of its own, because it also runs when the demo was
// interrupted.
func (p *pipeline) deleteBurst(job string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	background := metav1.DeletePropagationBackground
	_ = p.kubernetes.BatchV1().Jobs(producerNamespace).Delete(ctx, job, metav1.DeleteOptions{PropagationPolicy: &background})
}

// errBurstFailed marks a failure that is final: waiting longer does not help.
var errBurstFailed = errors.New("the burst failed")

// burstEnded reports whether the burst is sent. The producer succeeds only after SQS
// has acknowledged all of it.
func (p *pipeline) burstEnded(ctx context.Context, name string) (bool, error) {
	job, err := p.kubernetes.BatchV1().Jobs(producerNamespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case err != nil:
		return false, fmt.Errorf("read the burst's Job: %w", err)
	case job.Status.Failed > 0:
		return false, fmt.Errorf("%w: Job %s in %s: its log ends with %q", errBurstFailed, name, producerNamespace, p.lastLine(ctx, name))
	}
	return job.Status.Succeeded > 0, nil
}

// produced reads from pods' logs which messages they sent. It includes the logs of
// containers that ran in them before.
func (p *pipeline) produced(ctx context.Context, selector string) ([]Produced, error) {
	pods, err := p.kubernetes.CoreV1().Pods(producerNamespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list the producers: %w", err)
	}
	var all []Produced
	for _, pod := range pods.Items {
		logs := []bool{false}
		for _, status := range pod.Status.ContainerStatuses {
			if status.Name == producer && status.RestartCount > 0 {
				logs = []bool{true, false}
			}
		}
		for _, previous := range logs {
			sent, err := p.readLog(ctx, pod.Name, previous)
			// The previous container's log may already be deleted.
			if err != nil && !previous {
				return nil, fmt.Errorf("read the log of %s: %w", pod.Name, err)
			}
			if slices.ContainsFunc(sent, func(m Produced) bool { return m.SHA256 == "" }) {
				return nil, fmt.Errorf(
					"the log of %s has messages without sha256: the cluster runs a producer of an earlier checkout, start over with `make down`",
					pod.Name,
				)
			}
			all = append(all, sent...)
		}
	}
	return all, nil
}

func (p *pipeline) readLog(ctx context.Context, pod string, previous bool) ([]Produced, error) {
	stream, err := p.log(ctx, pod, previous)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	return parseLog(stream)
}

// lastLine returns the last line of the burst's pod.
func (p *pipeline) lastLine(ctx context.Context, job string) (last string) {
	pods, err := p.kubernetes.CoreV1().Pods(producerNamespace).List(ctx, metav1.ListOptions{LabelSelector: "job-name=" + job})
	if err != nil || len(pods.Items) == 0 {
		return ""
	}
	stream, err := p.log(ctx, pods.Items[0].Name, false)
	if err != nil {
		return ""
	}
	defer stream.Close()
	lines := bufio.NewScanner(stream)
	for lines.Scan() {
		last = lines.Text()
	}
	return last
}

// parseLog reads the producer's lines about messages that SQS acknowledged, and skips
// every other line, however long.
func parseLog(r io.Reader) ([]Produced, error) {
	var sent []Produced
	lines := bufio.NewReader(r)
	for {
		text, err := lines.ReadBytes('\n')
		var line struct {
			Msg string `json:"msg"`
			Produced
		}
		if json.Unmarshal(text, &line) == nil && line.Msg == "event produced" && line.RequestID != "" {
			sent = append(sent, line.Produced)
		}
		if errors.Is(err, io.EOF) {
			return sent, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// podStates names the pods of both workloads that are not running, and why.
func (p *pipeline) podStates(ctx context.Context) []string {
	var states []string
	for _, namespace := range []string{producerNamespace, consumerNamespace} {
		pods, err := p.kubernetes.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return append(states, fmt.Sprintf("list the pods of %s: %v", namespace, err))
		}
		for _, pod := range pods.Items {
			if state := podState(pod); state != "" && len(states) < named {
				states = append(states, fmt.Sprintf("pod %s/%s: %s", namespace, pod.Name, state))
			}
		}
	}
	return states
}

// podState returns why a pod is not running; empty if it is.
func podState(pod corev1.Pod) string {
	for _, c := range pod.Status.ContainerStatuses {
		switch {
		case c.State.Waiting != nil:
			return fmt.Sprintf("%s after %d restarts", c.State.Waiting.Reason, c.RestartCount)
		case c.State.Terminated != nil && c.State.Terminated.ExitCode != 0:
			return fmt.Sprintf("exited with %d", c.State.Terminated.ExitCode)
		case pod.Status.Phase == corev1.PodRunning && !c.Ready:
			return "runs but is not ready"
		}
	}
	if pod.Status.Phase == corev1.PodRunning || pod.Status.Phase == corev1.PodSucceeded {
		return ""
	}
	return string(pod.Status.Phase)
}
