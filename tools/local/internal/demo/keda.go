package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/report"
)

const scaledObject = "/apis/keda.sh/v1alpha1/namespaces/" + consumerNamespace + "/scaledobjects/" + consumer

// metricURI returns the URI at which the HPA asks KEDA for a metric.
func metricURI(metric autoscalingv2.MetricIdentifier) string {
	uri := url.URL{Path: "/apis/external.metrics.k8s.io/v1beta1/namespaces/" + consumerNamespace + "/" + metric.Name}
	uri.RawQuery = url.Values{"labelSelector": {metav1.FormatLabelSelector(metric.Selector)}}.Encode()
	return uri.String()
}

// metricTime is short: a late metric must not delay a sample.
const metricTime = time.Second

// metric returns KEDA's current answer to the HPA, or -1 without an answer.
func (p *pipeline) metric(ctx context.Context) float64 {
	ctx, cancel := context.WithTimeout(ctx, metricTime)
	defer cancel()
	data, err := p.get(ctx, p.scaling.metric)
	if err != nil {
		return -1
	}
	var answer struct {
		Items []struct {
			Value resource.Quantity `json:"value"`
		} `json:"items"`
	}
	if err := json.Unmarshal(data, &answer); err != nil || len(answer.Items) == 0 {
		return -1
	}
	return answer.Items[0].Value.AsApproximateFloat64()
}

// active reports whether KEDA considers the ScaledObject active.
func (p *pipeline) active(ctx context.Context) (bool, error) {
	data, err := p.get(ctx, scaledObject)
	if err != nil {
		return false, fmt.Errorf("read the ScaledObject %s in %s: %w", consumer, consumerNamespace, err)
	}
	// Decoded by hand, because KEDA's module would bring the dependencies of all its
	// scalers.
	var object struct {
		Status struct {
			Conditions []struct {
				Type   string                 `json:"type"`
				Status metav1.ConditionStatus `json:"status"`
			} `json:"conditions"`
		} `json:"status"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return false, fmt.Errorf("decode the ScaledObject %s in %s: %w", consumer, consumerNamespace, err)
	}
	for _, condition := range object.Status.Conditions {
		if condition.Type == "Active" {
			return condition.Status == metav1.ConditionTrue, nil
		}
	}
	return false, nil
}

// rescales returns the HPA's scaling events. The API server keeps them for an hour.
func (p *pipeline) rescales(ctx context.Context) ([]report.Rescale, error) {
	events, err := p.kubernetes.CoreV1().Events(consumerNamespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the events of %s: %w", consumerNamespace, err)
	}
	var rescales []report.Rescale
	for _, event := range events.Items {
		if event.InvolvedObject.Name != hpa || event.Reason != "SuccessfulRescale" {
			continue
		}
		if r, ok := parseRescale(event); ok {
			rescales = append(rescales, r)
		}
	}
	return rescales, nil
}

func parseRescale(event corev1.Event) (report.Rescale, bool) {
	r := report.Rescale{At: event.LastTimestamp.Time}
	size, reason, _ := strings.Cut(event.Message, "; reason: ")
	if _, err := fmt.Sscanf(size, "New size: %d", &r.Size); err != nil {
		return r, false
	}
	r.Reason = withoutSelector(reason)
	return r, true
}

// machine describes the cluster's nodes: their sum, and the software of the first one.
func (p *pipeline) machine(ctx context.Context, processor string) (report.Machine, error) {
	nodes, err := p.kubernetes.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return report.Machine{}, fmt.Errorf("list the nodes: %w", err)
	}
	m := report.Machine{Processor: processor, Nodes: len(nodes.Items)}
	for _, node := range nodes.Items {
		m.Cores += node.Status.Capacity.Cpu().Value()
		m.Memory += node.Status.Capacity.Memory().Value()
	}
	if len(nodes.Items) > 0 {
		info := nodes.Items[0].Status.NodeInfo
		m.System, m.Kernel, m.Kubernetes = info.OSImage, info.KernelVersion, info.KubeletVersion
	}
	return m, nil
}

// withoutSelector removes the metric's selector from the reason of an HPA's event.
func withoutSelector(reason string) string {
	before, rest, found := strings.Cut(reason, "(&LabelSelector{")
	_, after, closed := strings.Cut(rest, "})")
	if !found || !closed {
		return reason
	}
	return before + after
}
