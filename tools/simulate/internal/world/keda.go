package world

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/kedacore/keda/v2/pkg/scaling/executor"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	runtimeclient "sigs.k8s.io/controller-runtime/pkg/client"
)

// keda polls the queue, and lets KEDA's own executor decide: activation, cooldown, idle.
type keda struct {
	world *world
	so    *kedav1alpha1.ScaledObject
	// polled reports that last is the result of a poll.
	polled atomic.Bool
	last   atomic.Int64
	active atomic.Bool
}

func newKEDA(w *world) *keda {
	so := w.scenario.ScaledObject.DeepCopy()
	so.CreationTimestamp = metav1.Now()
	so.Status.ScaleTargetKind = target.GroupVersion().String() + "." + target.Kind
	so.Status.ScaleTargetGVKR = &kedav1alpha1.GroupVersionKindResource{
		Group: target.Group, Version: target.Version, Kind: target.Kind, Resource: "deployments",
	}
	so.Status.ExternalMetricNames = []string{w.scenario.Trigger.Metric}
	return &keda{world: w, so: so}
}

// run polls like KEDA's scale loop, which is not exported: at once, and then at every
// interval, with a random phase.
func (k *keda) run(phase time.Duration) {
	w := k.world
	decider := executor.NewScaleExecutor(cluster{world: w}, w.scaleClient(actorKEDA), nil, 3*time.Second, recorder{})
	withTriggers, err := kedav1alpha1.AsDuckWithTriggers(k.so)
	if err != nil {
		w.fail(fmt.Errorf("read the ScaledObject as KEDA does: %w", err))
		return
	}
	if !w.sleep(w.ctx, phase) {
		return
	}
	for {
		next := time.NewTimer(withTriggers.GetPollingInterval())
		k.poll(decider)
		select {
		case <-w.ctx.Done():
			next.Stop()
			return
		case <-next.C:
		}
	}
}

func (k *keda) poll(decider executor.ScaleExecutor) {
	value, err := k.world.metric(false)
	if err != nil {
		if k.world.ctx.Err() == nil {
			k.world.fail(err)
		}
		return
	}
	k.last.Store(int64(value))
	k.polled.Store(true)
	options := executor.ScaleExecutorOptions{}
	active := int64(value) > k.world.scenario.Trigger.Activation
	if active {
		options.ActiveTriggers = []string{k.world.scenario.Trigger.Metric}
	}
	k.active.Store(active)
	result := decider.RequestScale(k.world.ctx, k.so, active, false, options)
	if result.Error != nil && k.world.ctx.Err() == nil {
		k.world.fail(fmt.Errorf("KEDA: %w", result.Error))
	}
	if result.LastActiveTime != nil {
		k.so.Status.LastActiveTime = result.LastActiveTime
	}
}

// interval returns the time between two polls.
func (k *keda) interval() time.Duration {
	if seconds := k.so.Spec.PollingInterval; seconds != nil {
		return time.Duration(*seconds) * time.Second
	}
	return 30 * time.Second
}

// cluster is the part of the API server that KEDA's executor reads.
type cluster struct {
	runtimeclient.Client // every other method
	world                *world
}

// Get implements client.Client. It finds no HPA: the HPA's health decides nothing.
func (c cluster) Get(_ context.Context, key runtimeclient.ObjectKey, o runtimeclient.Object, _ ...runtimeclient.GetOption) error {
	deployment, ok := o.(*appsv1.Deployment)
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Resource: fmt.Sprintf("%T", o)}, key.Name)
	}
	wanted, _, _ := c.world.fleet.count()
	deployment.Spec.Replicas = &wanted
	return nil
}

// recorder ignores KEDA's events, because the rescales contain the same.
type recorder struct{}

// Eventf implements events.EventRecorder.
func (recorder) Eventf(_, _ runtime.Object, _, _, _, _ string, _ ...any) {}
