package read

import (
	"strings"
	"testing"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
)

func scaledObject(kind string, metadata map[string]string) *kedav1alpha1.ScaledObject {
	return &kedav1alpha1.ScaledObject{Spec: kedav1alpha1.ScaledObjectSpec{
		ScaleTargetRef: &kedav1alpha1.ScaleTarget{Name: "x"},
		Triggers:       []kedav1alpha1.ScaleTriggers{{Type: kind, Metadata: metadata}},
	}}
}

func TestTrigger(t *testing.T) {
	url := "https://sqs.eu-west-1.amazonaws.com/111122223333/q"
	for name, test := range map[string]struct {
		kind     string
		metadata map[string]string
		want     scenario.Trigger
	}{
		"SQS by default": {"aws-sqs-queue", map[string]string{"queueURL": url}, scenario.Trigger{Metric: "s0-aws-sqs-q", Target: 5, InFlight: true}},
		"SQS": {"aws-sqs-queue", map[string]string{
			"queueURL": url, "queueLength": "50", "activationQueueLength": "3", "scaleOnInFlight": "false", "scaleOnDelayed": "true",
		}, scenario.Trigger{Metric: "s0-aws-sqs-q", Target: 50, Activation: 3, Delayed: true}},
		"SQS from a variable": {"aws-sqs-queue", map[string]string{"queueURLFromEnv": "URL"}, scenario.Trigger{Metric: "s0-aws-sqs-q", Target: 5, InFlight: true}},
		"RabbitMQ":            {"rabbitmq", map[string]string{"mode": "QueueLength", "value": "20"}, scenario.Trigger{Metric: "s0-rabbitmq", Target: 20, InFlight: true}},
		"RabbitMQ's old key":  {"rabbitmq", map[string]string{"queueLength": "7"}, scenario.Trigger{Metric: "s0-rabbitmq", Target: 7, InFlight: true}},
		"a list of Redis":     {"redis", map[string]string{"activationListLength": "2"}, scenario.Trigger{Metric: "s0-redis", Target: 5, Activation: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newTrigger(scaledObject(test.kind, test.metadata), map[string]string{"URL": url})
			if err != nil || got != test.want {
				t.Errorf("%+v, %v, want %+v", got, err, test.want)
			}
		})
	}
}

// TestRefused: the error names what is not simulated.
func TestRefused(t *testing.T) {
	two := scaledObject("redis", nil)
	two.Spec.Triggers = append(two.Spec.Triggers, kedav1alpha1.ScaleTriggers{Type: "cron"})
	value := scaledObject("redis", nil)
	value.Spec.Triggers[0].MetricType = autoscalingv2.ValueMetricType
	for name, test := range map[string]struct {
		so   *kedav1alpha1.ScaledObject
		want string
	}{
		"two triggers":    {two, "it has 2 triggers"},
		"Value":           {value, "metricType is Value"},
		"cron":            {scaledObject("cron", nil), "of type cron"},
		"a rate":          {scaledObject("rabbitmq", map[string]string{"mode": "MessageRate", "value": "3"}), `mode is "MessageRate"`},
		"no number":       {scaledObject("redis", map[string]string{"listLength": "few"}), `listLength is "few"`},
		"no length":       {scaledObject("rabbitmq", nil), "the length for each pod is 0"},
		"SQS without URL": {scaledObject("aws-sqs-queue", nil), "KEDA refuses the trigger's metadata"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := newTrigger(test.so, nil); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%+v, %v, want %s", got, err, test.want)
			}
		})
	}
	paused := scaledObject("redis", nil)
	paused.ObjectMeta = metav1.ObjectMeta{Annotations: map[string]string{kedav1alpha1.PausedAnnotation: "true"}}
	if err := check(paused); err == nil || !strings.Contains(err.Error(), kedav1alpha1.PausedAnnotation) {
		t.Errorf("paused: %v", err)
	}
	if err := check(scaledObject("redis", nil)); err != nil {
		t.Error(err)
	}
}
