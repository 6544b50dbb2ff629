package read

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/kedacore/keda/v2/pkg/scalers/scalersconfig"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
)

// sqsMetadata copies the metadata of KEDA's trigger aws-sqs-queue, which KEDA does not
// export. Keys and defaults are those of pkg/scalers/aws_sqs_queue_scaler.go. KEDA's own
// TypedConfig reads them.
type sqsMetadata struct {
	Target     int64  `keda:"name=queueLength, order=triggerMetadata, default=5"`
	Activation int64  `keda:"name=activationQueueLength, order=triggerMetadata, default=0"`
	URL        string `keda:"name=queueURL, order=triggerMetadata;resolvedEnv"`
	InFlight   bool   `keda:"name=scaleOnInFlight, order=triggerMetadata, default=true"`
	Delayed    bool   `keda:"name=scaleOnDelayed, order=triggerMetadata, default=false"`
	// KEDA requires this field, for its messages.
	TriggerIndex int
}

// length describes another queue's trigger whose metric is a queue length for each pod.
type length struct {
	target, activation string // the keys
	otherwise          int64  // the target if its key is absent
	// only is a key that must have one of the values, of which the first is the default:
	// with any other value the metric is not a length.
	only   string
	values []string
	// inFlight means that messages count until they are acknowledged.
	inFlight bool
}

// lengths are by trigger type, from KEDA's pkg/scalers.
var lengths = map[string]length{
	"activemq":         {target: "targetQueueSize", activation: "activationTargetQueueSize", otherwise: 10, inFlight: true},
	"artemis-queue":    {target: "queueLength", activation: "activationQueueLength", otherwise: 10, inFlight: true},
	"azure-queue":      {target: "queueLength", activation: "activationQueueLength", otherwise: 5, inFlight: true},
	"azure-servicebus": {target: "messageCount", activation: "activationMessageCount", otherwise: 5, inFlight: true},
	"kafka": {
		target: "lagThreshold", activation: "activationLagThreshold", otherwise: 10, inFlight: true,
		only: "limitToPartitionsWithLag", values: []string{"false"},
	},
	"nats-jetstream": {target: "lagThreshold", activation: "activationLagThreshold", otherwise: 10, inFlight: true},
	"rabbitmq":       {target: "value", activation: "activationValue", inFlight: true, only: "mode", values: []string{"", "QueueLength"}},
	"redis":          {target: "listLength", activation: "activationListLength", otherwise: 5},
}

// newTrigger reads a ScaledObject's only trigger.
func newTrigger(so *kedav1alpha1.ScaledObject, environment map[string]string) (scenario.Trigger, error) {
	if len(so.Spec.Triggers) != 1 {
		return scenario.Trigger{}, fmt.Errorf("it has %d triggers: simulate needs exactly one, on a queue", len(so.Spec.Triggers))
	}
	t := so.Spec.Triggers[0]
	if t.MetricType != "" && t.MetricType != autoscalingv2.AverageValueMetricType {
		return scenario.Trigger{}, fmt.Errorf("spec.triggers[0].metricType is %s: simulate knows only AverageValue, a length for each pod",
			t.MetricType)
	}
	trigger := scenario.Trigger{Cached: t.UseCachedMetrics}
	var err error
	if t.Type == model.SQSType {
		err = readSQS(&trigger, t, environment)
	} else {
		err = readLength(&trigger, t)
	}
	if err == nil && trigger.Target < 1 {
		err = fmt.Errorf("the length for each pod is %d: it must be at least 1", trigger.Target)
	}
	return trigger, err
}

func readSQS(t *scenario.Trigger, from kedav1alpha1.ScaleTriggers, environment map[string]string) error {
	config := scalersconfig.ScalerConfig{TriggerMetadata: from.Metadata, ResolvedEnv: environment, TriggerType: from.Type}
	var metadata sqsMetadata
	if err := config.TypedConfig(&metadata); err != nil {
		return fmt.Errorf("KEDA refuses the trigger's metadata: %w", err)
	}
	name := metadata.URL[strings.LastIndex(metadata.URL, "/")+1:]
	t.Metric = "s0-aws-sqs-" + name
	t.Target, t.Activation, t.InFlight, t.Delayed = metadata.Target, metadata.Activation, metadata.InFlight, metadata.Delayed
	return nil
}

func readLength(t *scenario.Trigger, from kedav1alpha1.ScaleTriggers) error {
	l, known := lengths[from.Type]
	if !known {
		return fmt.Errorf("spec.triggers[0] is of type %s: simulate knows only %s and %s", from.Type, model.SQSType,
			strings.Join(sortedKeys(lengths), ", "))
	}
	if value := from.Metadata[l.only]; l.only != "" && !slices.Contains(l.values, value) && value != "" {
		return fmt.Errorf("spec.triggers[0].metadata.%s is %q: then the metric is not a queue length, and simulate knows no other", l.only, value)
	}
	t.Metric, t.InFlight, t.Target = "s0-"+from.Type, l.inFlight, l.otherwise
	if from.Type == "rabbitmq" && from.Metadata["value"] == "" {
		l.target = "queueLength" // its older name
	}
	for key, to := range map[string]*int64{l.target: &t.Target, l.activation: &t.Activation} {
		text := strings.TrimSpace(from.Metadata[key])
		if text == "" {
			continue
		}
		value, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("spec.triggers[0].metadata.%s is %q: simulate needs a whole number", key, text)
		}
		*to = value
	}
	return nil
}

// check returns an error for other fields of a ScaledObject that are not simulated.
func check(so *kedav1alpha1.ScaledObject) error {
	for annotation := range so.Annotations {
		if strings.HasPrefix(annotation, "autoscaling.keda.sh/paused") || annotation == kedav1alpha1.ForceActivationAnnotation {
			return fmt.Errorf("it has the annotation %s: remove it", annotation)
		}
	}
	switch {
	case so.IsUsingModifiers():
		return errors.New("it has spec.advanced.scalingModifiers, which are not simulated")
	case so.Spec.ScaleTargetRef == nil:
		return errors.New("it has no spec.scaleTargetRef")
	}
	return nil
}
