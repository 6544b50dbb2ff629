// Package chaos breaks a running local cluster on purpose, for `make soak`: it kills
// consumers, restarts what they depend on, and makes the local AWS fail.
//
// It acts from outside, as the machine and AWS would: no program knows about it. It does
// not judge the result.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Workload is the label app.kubernetes.io/name of some pods, or another label.
type Workload struct{ Namespace, Selector string }

// The workloads that it breaks.
var (
	consumer     = Workload{"sales-events-consumer-ns", "app.kubernetes.io/name=consumer"}
	kedaOperator = Workload{"keda", "app=keda-operator"}
	localAWS     = Workload{"localaws", "app.kubernetes.io/name=localaws"}
)

const (
	// killEvery is the time between two kills of a consumer.
	killEvery = 5 * time.Second
	// pause is how long the local AWS is stopped and answers no call.
	pause = 10 * time.Second
)

// Enough is the share of the time after which it kills no more consumers: kubelet waits
// longer after each kill, until only one consumer would be left.
const Enough = 0.9

// Options says what to break.
type Options struct {
	Client kubernetes.Interface
	// RestartAPIServer kills the API server; its supervisor starts it again.
	RestartAPIServer func() error
	// Seed decides which calls fail and which consumers die.
	Seed uint64
	// Say is called with a line for each fault that happens once.
	Say func(format string, args ...any)
}

// Summary says what Chaos broke.
type Summary struct {
	// Kills are consumers that were killed, by SIGKILL.
	Kills int `json:"kills"`
	// Blows are the faults that happened once, in order.
	Blows []string `json:"blows"`
	// Faults counts the calls to the local AWS that failed, by action and kind of fault.
	Faults map[string]int `json:"faults"`
}

// Chaos breaks the cluster from Start to Stop.
type Chaos struct {
	opts   Options
	admin  string // the URL of the local AWS's admin endpoint
	cancel context.CancelFunc
	work   sync.WaitGroup
	stop   sync.Once
	// Tests set shorter times, and have no processes to signal.
	every, pause time.Duration
	signal       func(containerID string, s unix.Signal) error

	mu      sync.Mutex
	share   float64
	summary Summary
	errs    []error
}

// Start sets the local AWS's faults, and starts to kill consumers.
func Start(ctx context.Context, opts Options) (*Chaos, error) {
	admin, err := adminURL(ctx, opts.Client)
	if err != nil {
		return nil, err
	}
	return start(ctx, &Chaos{opts: opts, admin: admin, every: killEvery, pause: pause, signal: signalContainer})
}

func start(ctx context.Context, c *Chaos) (*Chaos, error) {
	if err := setFaults(ctx, c.admin, c.opts.Seed); err != nil {
		return nil, err
	}
	ctx, c.cancel = context.WithCancel(ctx)
	c.work.Go(func() { c.kill(ctx) })
	c.work.Go(func() { c.blows(ctx) })
	return c, nil
}

// adminURL returns the URL of the local AWS's admin endpoint, as seen from the node.
func adminURL(ctx context.Context, client kubernetes.Interface) (string, error) {
	service, err := client.CoreV1().Services(localAWS.Namespace).Get(ctx, "localaws", metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("find the local AWS server: %w", err)
	}
	for _, port := range service.Spec.Ports {
		if port.Name == "admin" {
			return fmt.Sprintf("http://%s:%d", service.Spec.ClusterIP, port.Port), nil
		}
	}
	return "", fmt.Errorf("the Service localaws in %s has no port admin", localAWS.Namespace)
}

// Observe reports how much of the expected time has passed: 1 is the time that the same
// work takes without faults, and the share may exceed it. Each fault that happens once
// has its share at which it happens.
func (c *Chaos) Observe(share float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.share = share
}

// Stop ends all faults and returns what they did; a second call returns the same. The
// errors are those of faults that could not be injected.
func (c *Chaos) Stop(ctx context.Context) (Summary, error) {
	c.stop.Do(func() {
		c.cancel()
		c.work.Wait()
		var err error
		c.summary.Faults, err = endFaults(ctx, c.admin)
		c.errs = append(c.errs, err)
	})
	return c.summary, errors.Join(c.errs...)
}

func (c *Chaos) done() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.share
}

// kill kills a consumer every killEvery, until ctx ends.
func (c *Chaos) kill(ctx context.Context) {
	random := rand.New(rand.NewPCG(c.opts.Seed, 0))
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if c.done() > Enough {
			return
		}
		// If the API server does not answer or no pod runs, this kill is skipped.
		containers, err := c.running(ctx, consumer)
		if err != nil || len(containers) == 0 {
			continue
		}
		if err := c.signal(containers[random.IntN(len(containers))], unix.SIGKILL); err == nil {
			c.mu.Lock()
			c.summary.Kills++
			c.mu.Unlock()
		}
	}
}

// running lists the ids of a workload's running containers.
func (c *Chaos) running(ctx context.Context, w Workload) ([]string, error) {
	pods, err := c.opts.Client.CoreV1().Pods(w.Namespace).List(ctx, metav1.ListOptions{LabelSelector: w.Selector})
	if err != nil {
		return nil, fmt.Errorf("list the pods of %s: %w", w.Namespace, err)
	}
	var ids []string
	for _, pod := range pods.Items {
		for _, s := range pod.Status.ContainerStatuses {
			// The id has the form runtime://id.
			if _, id, ok := strings.Cut(s.ContainerID, "://"); ok && s.State.Running != nil && pod.DeletionTimestamp == nil {
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}

// blow is a fault that happens once, when a share of the time has passed.
type blow struct {
	name string
	at   float64
	do   func(context.Context) error
}

func (c *Chaos) blows(ctx context.Context) {
	for _, b := range []blow{
		{"the API server was killed and started again", 0.2, func(context.Context) error { return c.opts.RestartAPIServer() }},
		{"KEDA's operator was deleted and started again", 0.45, c.deleteOperator},
		{fmt.Sprintf("the local AWS did not answer for %s", c.pause), 0.7, c.pauseAWS},
	} {
		if !c.await(ctx, b.at) {
			return
		}
		if err := b.do(ctx); err != nil {
			c.mu.Lock()
			c.errs = append(c.errs, fmt.Errorf("%s: %w", b.name, err))
			c.mu.Unlock()
			continue
		}
		c.opts.Say("%s", b.name)
		c.mu.Lock()
		c.summary.Blows = append(c.summary.Blows, b.name)
		c.mu.Unlock()
	}
}

// await waits until a share of the time has passed. It returns false if ctx ends first.
func (c *Chaos) await(ctx context.Context, share float64) bool {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if c.done() >= share {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

func (c *Chaos) deleteOperator(ctx context.Context) error {
	pods := c.opts.Client.CoreV1().Pods(kedaOperator.Namespace)
	found, err := pods.List(ctx, metav1.ListOptions{LabelSelector: kedaOperator.Selector})
	if err != nil {
		return err
	}
	for _, pod := range found.Items {
		err = errors.Join(err, pods.Delete(ctx, pod.Name, metav1.DeleteOptions{}))
	}
	return err
}

// pauseAWS stops the server's process for a while, and always lets it continue.
func (c *Chaos) pauseAWS(ctx context.Context) error {
	containers, err := c.running(ctx, localAWS)
	if err != nil {
		return err
	}
	if len(containers) != 1 {
		return fmt.Errorf("%d containers of the local AWS run, not one", len(containers))
	}
	if err := c.signal(containers[0], unix.SIGSTOP); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(c.pause):
	}
	return c.signal(containers[0], unix.SIGCONT)
}
