// Package read makes scenarios from rendered clusters: from a ScaledObject, its workload,
// the queue and the nodes. For anything that is not simulated it returns an error with
// its name. It simulates nothing itself.
package read

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	consumer "github.com/mystique-unicorn/sales-events/apps/consumer/config"
	producer "github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/internal/scenario/parts"
)

// Options are facts that the manifests do not have.
type Options struct {
	// Service and Concurrency describe a consumer that is not this repository's: the time
	// for a message, and how many it handles at a time.
	Service     *parts.Distribution
	Concurrency int
}

// ScaledObject is a ScaledObject of a rendered cluster.
type ScaledObject struct {
	model.ScaledObject
	cluster   *model.Cluster
	workloads []config.Workload
}

// Find lists the ScaledObjects of clusters, each once: a hub also has those of its
// spokes.
func Find(clusters []*model.Cluster, c config.Config) []ScaledObject {
	var all []ScaledObject
	for _, cluster := range clusters {
		for _, so := range cluster.ScaledObjects() {
			all = append(all, ScaledObject{so, cluster, c.Workloads})
		}
	}
	return all
}

// ClusterName returns the cluster to which the ScaledObject is applied; on a hub that is
// the spoke.
func (f ScaledObject) ClusterName() string {
	if target := strings.Split(model.Target(f.Object), "/"); len(target) == 3 {
		return target[1]
	}
	return f.cluster.Name
}

// Path returns namespace/name.
func (f ScaledObject) Path() string { return f.Object.GetNamespace() + "/" + f.Object.GetName() }

// Objective returns its annotation for the objective; empty for none.
func (f ScaledObject) Objective() string {
	return f.Object.GetAnnotations()[scenario.ObjectiveAnnotation]
}

// Read returns the scenario of the ScaledObject. An error names what is not simulated.
func (f ScaledObject) Read(o Options) (scenario.Found, error) {
	s := scenario.Scenario{
		Cluster: f.ClusterName(), ScaledObject: *f.DeepCopy(), Parts: parts.AWS(),
		Assumed: []string{},
	}
	if f.cluster.IsLocal(f.Object) {
		s.Parts = parts.Local()
	}
	err := check(&s.ScaledObject)
	if err == nil {
		err = f.readTrigger(&s)
	}
	if err == nil {
		err = f.readConsumer(&s, o)
	}
	if err != nil {
		return scenario.Found{}, fmt.Errorf("%s: ScaledObject %s of cluster %s: %w", f.Object.Locate("spec"), f.Path(), f.ClusterName(), err)
	}
	f.readQueue(&s)
	f.readNodes(&s)
	found := scenario.Found{Scenario: s, Objective: f.Objective(), Fields: f.fields()}
	found.Producer, found.Sends = f.producer(s)
	return found, nil
}

// fields returns the places in the manifests of the settings that tune changes.
func (f ScaledObject) fields() map[string]scenario.Place {
	places := map[string]scenario.Place{}
	for name, field := range map[string][]any{
		scenario.QueueLength: {"spec", "triggers", 0, "metadata", "queueLength"},
		scenario.MinReplicas: {"spec", "minReplicaCount"},
		scenario.MaxReplicas: {"spec", "maxReplicaCount"},
		scenario.DownWindow:  {"spec", "advanced", "horizontalPodAutoscalerConfig", "behavior", "scaleDown", "stabilizationWindowSeconds"},
	} {
		if at := f.Object.Locate(field...); at.File != "" {
			places[name] = scenario.Place{File: at.File, Line: at.Line}
		}
	}
	return places
}

func (f ScaledObject) readTrigger(s *scenario.Scenario) (err error) {
	environment := map[string]string{}
	if container, ok := f.Container(); ok {
		variables, _ := f.cluster.Environment(container)
		for name, v := range variables {
			if v.Known {
				environment[name] = v.Value
			}
		}
	}
	s.Trigger, err = newTrigger(&s.ScaledObject, environment)
	return err
}

// kinds are the kinds that scale as a Deployment does.
var kinds = []string{"Deployment", "StatefulSet"}

func (f ScaledObject) readConsumer(s *scenario.Scenario, o Options) error {
	if f.Pods == nil {
		return fmt.Errorf("it scales %s, which is not in the repository", f.TargetPlace().Key)
	}
	if !slices.Contains(kinds, f.Pods.GetKind()) {
		return fmt.Errorf("it scales a %s: simulate knows only %s", f.Pods.GetKind(), strings.Join(kinds, " and "))
	}
	main := f.Pods.MainContainers()[0]
	s.Consumer.CPU, s.Consumer.Memory = f.requests()
	if probe := main.ReadinessProbe; probe != nil {
		s.Consumer.ProbeDelay = time.Duration(probe.InitialDelaySeconds) * time.Second
		s.Consumer.ProbePeriod = time.Duration(max(1, probe.PeriodSeconds)) * time.Second
		if probe.PeriodSeconds == 0 {
			s.Consumer.ProbePeriod = 10 * time.Second // Kubernetes' default
		}
	}
	if f.program(*f.Pods) != "consumer" || o.Service != nil {
		return f.readForeign(s, o)
	}
	settings, err := consumer.Parse(f.lookup(*f.Pods))
	if err != nil {
		return fmt.Errorf("the consumer refuses its settings: %w", err)
	}
	s.Consumer.Settings = settings
	return nil
}

// requests returns the sum of the containers' requests: cores and bytes.
func (f ScaledObject) requests() (cpu, memory float64) {
	for _, c := range f.Pods.MainContainers() {
		cpu += c.Resources.Requests.Cpu().AsApproximateFloat64()
		memory += c.Resources.Requests.Memory().AsApproximateFloat64()
	}
	return cpu, memory
}

// readForeign describes another consumer by this repository's: the same loop, with the
// given number of messages at a time and the given time for each.
func (f ScaledObject) readForeign(s *scenario.Scenario, o Options) error {
	if text := f.Object.GetAnnotations()[scenario.ServiceTimeAnnotation]; o.Service == nil && text != "" {
		service, err := parts.ParseDistribution(text)
		if err != nil {
			return fmt.Errorf("annotation %s: %w", scenario.ServiceTimeAnnotation, err)
		}
		o.Service = &service
	}
	if text := f.Object.GetAnnotations()[scenario.ConcurrencyAnnotation]; o.Concurrency == 0 && text != "" {
		if _, err := fmt.Sscan(text, &o.Concurrency); err != nil {
			return fmt.Errorf("annotation %s: %q is not a number", scenario.ConcurrencyAnnotation, text)
		}
	}
	if o.Service == nil {
		return fmt.Errorf("its consumer is unknown: set --service-time, or the annotation %s, to the time that a message takes",
			scenario.ServiceTimeAnnotation)
	}
	s.Consumer.Service = o.Service
	s.Consumer.Settings = scenario.Foreign(max(1, o.Concurrency))
	s.Assumed = append(s.Assumed, fmt.Sprintf("the consumer works on %d messages at a time, each for %s, and polls on at once",
		max(1, o.Concurrency), o.Service))
	return nil
}

func (f ScaledObject) readQueue(s *scenario.Scenario) {
	s.Queue = scenario.Queue{Name: "q", Visibility: 30 * time.Second, MaxReceives: 10}
	declared := false
	queues := f.cluster.Queues()
	for _, t := range f.cluster.SQSTriggers() {
		if t.Object != f.Object {
			continue
		}
		q, found := t.Queue(queues)
		if !found {
			continue
		}
		declared = true
		s.Queue.Name = q.Name
		if q.Delay != nil {
			s.Queue.Delay = time.Duration(*q.Delay) * time.Second
		}
		if q.Visibility != nil {
			s.Queue.Visibility = time.Duration(*q.Visibility) * time.Second
		}
		policies, _ := f.cluster.Redrives(queues)
		for _, p := range policies {
			if p.Source.Object == q.Object && p.MaxReceives != nil {
				s.Queue.MaxReceives = int(*p.MaxReceives)
			}
		}
	}
	if !declared {
		s.Assumed = append(s.Assumed, "the queue is not declared here: no delay, and messages are hidden for 30 s")
	}
}

// producer returns the settings of the producer that sends to the same queue, if the
// cluster has one.
func (f ScaledObject) producer(s scenario.Scenario) (producer.Config, bool) {
	for _, w := range f.cluster.Workloads() {
		if f.program(w) != "producer" || model.Target(w.Object) != model.Target(f.Object) || w.GetKind() != "Deployment" {
			continue
		}
		if c, err := producer.Parse(f.lookup(w)); err == nil && c.Queue == s.Consumer.Settings.Queue {
			return c, true
		}
	}
	return producer.Config{Queue: s.Queue.Name, Concurrency: 1}, false
}

// program returns the program of a workload's first container, by the configuration.
func (f ScaledObject) program(w model.Workload) string {
	if len(w.Template.Spec.Containers) == 0 {
		return ""
	}
	name, _ := model.SplitImage(w.Template.Spec.Containers[0].Image)
	for _, workload := range f.workloads {
		if workload.Image == name {
			return workload.Program
		}
	}
	return ""
}

// lookup reads the variables of a workload's first container as its program reads them.
func (f ScaledObject) lookup(w model.Workload) func(string) (string, bool) {
	variables, _ := f.cluster.Environment(w.MainContainers()[0])
	return func(name string) (string, bool) {
		v, found := variables[name]
		return v.Value, found && v.Known
	}
}

// machine is what a node has left for pods: cores and bytes.
type machine struct{ processors, memory float64 }

const (
	gibibyte = 1 << 30
	// systemProcessors and systemMemory are about what EKS, its add-ons and the platform
	// request on a node.
	systemProcessors, systemMemory = 0.4, 1.0 * gibibyte
)

// machines are instance types with the values of
// https://aws.amazon.com/ec2/instance-types/.
var machines = map[string]machine{
	"t3.medium": {2, 4 * gibibyte}, "t3.large": {2, 8 * gibibyte}, "t3.xlarge": {4, 16 * gibibyte},
	"m5.large": {2, 8 * gibibyte}, "m6i.large": {2, 8 * gibibyte}, "m7i.large": {2, 8 * gibibyte},
	"m6i.xlarge": {4, 16 * gibibyte}, "m7i.xlarge": {4, 16 * gibibyte},
}

// readNodes counts how many pods fit on the declared node group.
func (f ScaledObject) readNodes(s *scenario.Scenario) {
	if f.cluster.IsLocal(f.Object) {
		return
	}
	for _, group := range f.cluster.Managed("eks", "NodeGroup") {
		if group.GetNamespace() != s.Cluster {
			continue
		}
		types, _ := model.Setting(group, "instanceTypes").([]any)
		name := "t3.medium"
		if len(types) > 0 {
			name = fmt.Sprint(types[0])
		}
		m, known := machines[name]
		nodes := desiredSize(group.Object)
		if !known || nodes == 0 {
			continue
		}
		s.Parts.Nodes.Count, s.Parts.Nodes.Max = nodes, nodes
		s.Parts.Nodes.Processors = m.processors - systemProcessors
		s.Parts.Nodes.Pods = m.holds(s.Consumer.CPU, s.Consumer.Memory)
		s.Assumed = append(s.Assumed, fmt.Sprintf("%d nodes of type %s hold %d of its pods each, and no more come: --nodes says otherwise",
			nodes, name, s.Parts.Nodes.Pods))
		return
	}
	s.Assumed = append(s.Assumed, fmt.Sprintf("%d nodes hold %d of its pods each: --nodes says otherwise", s.Parts.Nodes.Count,
		s.Parts.Nodes.Pods))
}

// desiredSize returns the initial number of nodes of a group. It is in initProvider if
// something else may change it later.
func desiredSize(group map[string]any) int {
	for _, block := range []string{"forProvider", "initProvider"} {
		scaling, found, _ := unstructured.NestedFieldNoCopy(group, "spec", block, "scalingConfig")
		if list, ok := scaling.([]any); ok && len(list) > 0 {
			scaling = list[0]
		}
		if fields, ok := scaling.(map[string]any); found && ok && fields["desiredSize"] != nil {
			return int(number(fields["desiredSize"]))
		}
	}
	return 0
}

// holds returns how many pods with these requests fit on a node, at most EKS's limit.
func (m machine) holds(cpu, memory float64) int {
	room := 100.0
	if cpu > 0 {
		room = min(room, (m.processors-systemProcessors)/cpu)
	}
	if memory > 0 {
		room = min(room, (m.memory-systemMemory)/memory)
	}
	return max(0, int(room))
}

func number(value any) float64 {
	switch value := value.(type) {
	case int64:
		return float64(value)
	case float64:
		return value
	}
	return 0
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
