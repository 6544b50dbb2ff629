package world

import (
	"context"
	"errors"
	"fmt"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	scalefake "k8s.io/client-go/scale/fake"
	ktesting "k8s.io/client-go/testing"
	defaults "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	podmetrics "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"

	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
)

// kube-controller-manager's defaults for the HPA controller:
// https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/
const (
	downscaleStabilization = 5 * time.Minute
	tolerance              = 0.1
	cpuInitialization      = 5 * time.Minute
	initialReadiness       = 30 * time.Second
)

// newHPA returns the HorizontalPodAutoscaler that KEDA makes from a ScaledObject, with
// the API server's defaults. KEDA's newHPAForScaledObject in controllers/keda/hpa.go is
// not exported; its limits are.
func newHPA(s scenario.Scenario) *autoscalingv2.HorizontalPodAutoscaler {
	so := s.ScaledObject
	var behavior *autoscalingv2.HorizontalPodAutoscalerBehavior
	if so.Spec.Advanced != nil && so.Spec.Advanced.HorizontalPodAutoscalerConfig != nil {
		behavior = so.Spec.Advanced.HorizontalPodAutoscalerConfig.Behavior.DeepCopy()
	}
	hpa := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "keda-hpa-" + so.Name, Namespace: so.Namespace},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			MinReplicas: so.GetHPAMinReplicas(), MaxReplicas: so.GetHPAMaxReplicas(), Behavior: behavior,
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{
				APIVersion: target.GroupVersion().String(), Kind: target.Kind, Name: so.Spec.ScaleTargetRef.Name,
			},
			Metrics: []autoscalingv2.MetricSpec{{
				Type: autoscalingv2.ExternalMetricSourceType,
				External: &autoscalingv2.ExternalMetricSource{
					Metric: autoscalingv2.MetricIdentifier{Name: s.Trigger.Metric},
					Target: autoscalingv2.MetricTarget{
						Type: autoscalingv2.AverageValueMetricType, AverageValue: resource.NewQuantity(s.Trigger.Target, resource.DecimalSI),
					},
				},
			}},
		},
	}
	defaults.SetObjectDefaults_HorizontalPodAutoscaler(hpa)
	return hpa
}

// target is the kind that is scaled. A StatefulSet would scale like a Deployment, but its
// pods would be removed in another order.
var target = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}

// runHPA runs Kubernetes' own controller until the world ends.
func (w *world) runHPA() {
	// Its successor also keeps managed fields, which nothing here reads, and takes ten
	// times as long.
	clients := fake.NewSimpleClientset(newHPA(w.scenario))
	clients.PrependReactor("update", "horizontalpodautoscalers", func(action ktesting.Action) (bool, runtime.Object, error) {
		hpa := action.(ktesting.UpdateAction).GetObject().(*autoscalingv2.HorizontalPodAutoscaler)
		if failed := conditionOf(hpa, autoscalingv2.AbleToScale); failed.Status == corev1.ConditionFalse {
			w.fail(fmt.Errorf("the HPA: %s: %s", failed.Reason, failed.Message))
		}
		w.steps.onStatus(hpa)
		return false, nil, nil
	})
	clients.PrependReactor("create", "events", func(ktesting.Action) (bool, runtime.Object, error) {
		return true, &corev1.Event{}, nil // nothing reads it
	})
	factory := informers.NewSharedInformerFactory(clients, w.scenario.Parts.SyncPeriod)
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{target.GroupVersion()})
	mapper.Add(target, meta.RESTScopeNamespace)
	hpa := podautoscaler.NewHorizontalController(
		w.ctx, clients.CoreV1(), w.scaleClient(actorHPA), clients.AutoscalingV2(), mapper, adapter{world: w},
		factory.Autoscaling().V2().HorizontalPodAutoscalers(), factory.Core().V1().Pods(),
		w.scenario.Parts.SyncPeriod, downscaleStabilization, tolerance, cpuInitialization, initialReadiness,
	)
	factory.Start(w.ctx.Done())
	w.background.Go(func() {
		hpa.Run(w.ctx, 1)
		factory.Shutdown()
	})
}

// scaleClient returns a client for the workload's scale, for one of the actors that
// change it.
func (w *world) scaleClient(actor string) *scalefake.FakeScaleClient {
	c := &scalefake.FakeScaleClient{}
	c.AddReactor("get", "*", func(ktesting.Action) (bool, runtime.Object, error) {
		wanted, pods, _ := w.fleet.count()
		return true, w.scale(wanted, pods), nil
	})
	c.AddReactor("update", "*", func(action ktesting.Action) (bool, runtime.Object, error) {
		scale := action.(ktesting.UpdateAction).GetObject().(*autoscalingv1.Scale)
		w.rescale(actor, scale.Spec.Replicas)
		return true, scale, nil
	})
	return c
}

func (w *world) scale(wanted, pods int32) *autoscalingv1.Scale {
	so := w.scenario.ScaledObject
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: so.Spec.ScaleTargetRef.Name, Namespace: so.Namespace},
		Spec:       autoscalingv1.ScaleSpec{Replicas: wanted},
		Status:     autoscalingv1.ScaleStatus{Replicas: pods, Selector: "app=consumer"},
	}
}

// adapter answers the HPA, as KEDA's metrics adapter does.
type adapter struct{ world *world }

var errNoSuchMetric = errors.New("the simulation has external metrics alone")

// GetExternalMetric implements podmetrics.MetricsClient.
func (m adapter) GetExternalMetric(string, string, labels.Selector) ([]int64, time.Time, error) {
	value, err := m.world.metric(m.world.scenario.Trigger.Cached)
	if err != nil {
		m.world.fail(err)
		return nil, time.Time{}, err
	}
	return []int64{1000 * int64(value)}, time.Now(), nil
}

// GetResourceMetric implements podmetrics.MetricsClient.
func (adapter) GetResourceMetric(
	context.Context, corev1.ResourceName, string, labels.Selector, string,
) (podmetrics.PodMetricsInfo, time.Time, error) {
	return nil, time.Time{}, errNoSuchMetric
}

// GetRawMetric implements podmetrics.MetricsClient.
func (adapter) GetRawMetric(string, string, labels.Selector, labels.Selector) (podmetrics.PodMetricsInfo, time.Time, error) {
	return nil, time.Time{}, errNoSuchMetric
}

// GetObjectMetric implements podmetrics.MetricsClient.
func (adapter) GetObjectMetric(
	string, string, *autoscalingv2.CrossVersionObjectReference, labels.Selector,
) (int64, time.Time, error) {
	return 0, time.Time{}, errNoSuchMetric
}

// metric returns KEDA's count, of this moment or from its last poll.
func (w *world) metric(cached bool) (int, error) {
	if cached && w.keda.polled.Load() {
		return int(w.keda.last.Load()), nil
	}
	w.requests.Add(1)
	d, err := w.queue.Counts(w.ctx)
	if err != nil {
		return 0, fmt.Errorf("read the queue's length: %w", err)
	}
	value := d.Visible
	if w.scenario.Trigger.InFlight {
		value += d.InFlight
	}
	if w.scenario.Trigger.Delayed {
		value += d.Delayed
	}
	w.steps.onMetric(value)
	return value, nil
}
