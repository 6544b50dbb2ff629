package rules

import (
	consumer "github.com/mystique-unicorn/sales-events/apps/consumer/config"
	producer "github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
)

// programs whose settings are known, as the configuration names them.
const (
	producerProgram = "producer"
	consumerProgram = "consumer"
	localawsProgram = "localaws"
)

// program is which of them a workload's first container runs; the
// configuration knows it by its image.
func (r *Run) program(w model.Workload) string {
	if len(w.Template.Spec.Containers) == 0 {
		return ""
	}
	name, _ := splitImage(w.Template.Spec.Containers[0].Image)
	for _, workload := range r.Config.Workloads {
		if workload.Image == name {
			return workload.Program
		}
	}
	return ""
}

// lookup reads the workload's variables as its program does. Those whose value
// the cluster decides are left out.
func (r *Run) lookup(w model.Workload) func(string) (string, bool) {
	variables, _ := environment(r.Cluster, w, 0)
	return func(name string) (string, bool) {
		v, found := variables[name]
		return v.value, found && v.known
	}
}

func (r *Run) consumerSettings(w model.Workload) (consumer.Config, bool) {
	if r.program(w) != consumerProgram {
		return consumer.Config{}, false
	}
	settings, err := consumer.Parse(r.lookup(w))
	return settings, err == nil
}

func (r *Run) producerSettings(w model.Workload) (producer.Config, bool) {
	if r.program(w) != producerProgram {
		return producer.Config{}, false
	}
	settings, err := producer.Parse(r.lookup(w))
	return settings, err == nil
}
