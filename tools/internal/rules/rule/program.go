package rule

import (
	"slices"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
)

// Program is a program whose settings and needs are known. The caller of the rules
// registers its repository's programs; the configuration says which images contain them.
type Program struct {
	// Name is the program's name in the configuration.
	Name string
	// Read reads the program's settings with its own code, from environment variables.
	// The error joins one error for each wrong variable. It is nil for a program that is
	// configured by a file.
	Read func(lookup func(name string) (string, bool)) (Settings, error)
	// ReadFile checks the configuration file that the program's arguments name; nil for
	// none.
	ReadFile func(name string, data []byte) error
	// Queues and Buckets are the variables that name a queue or a bucket.
	Queues, Buckets []string
	// Metrics is the name of the port at which it serves metrics; empty for none.
	Metrics string
}

// Settings are what a program does with one workload's settings.
type Settings struct {
	Region string
	// Uses are the resources that the program calls.
	Uses []Use
	// Consumer describes how it receives messages; nil for a program that receives none.
	Consumer *Consumer
}

// Use is a resource that a program uses, and the IAM actions that it needs there. The
// resource is a queue, or the objects of a bucket below a prefix.
type Use struct {
	Service, Name, Prefix string
	Actions               []string
}

// Consumer describes how a program receives messages from a queue.
type Consumer struct {
	Queue, DeadLetterQueue string
	// InHand is the largest number of messages that one pod has received and not yet deleted.
	InHand int
	// Batch is the shortest time that work on a batch takes.
	Batch time.Duration
	// Drain is the longest time from SIGTERM to its end, LongPoll the longest time for
	// which a receive waits.
	Drain, LongPoll time.Duration
	// Heartbeat returns how often it extends a visibility timeout; 0 means never.
	Heartbeat func(visibility time.Duration) time.Duration
}

// Program returns the program of a workload's first container, if the configuration knows
// its image.
func (p *Pass) Program(w model.Workload) (Program, bool) {
	entry, found := p.Entry(w)
	if !found {
		return Program{}, false
	}
	i := slices.IndexFunc(p.Programs, func(program Program) bool { return program.Name == entry.Program })
	if i < 0 {
		return Program{}, false
	}
	return p.Programs[i], true
}

// Entry returns the configuration's entry for a workload's first container: by its
// image's name, or by a name that a kustomization's `images` replaced.
func (p *Pass) Entry(w model.Workload) (config.Workload, bool) {
	if len(p.Config.Workloads) == 0 || len(w.Template.Spec.Containers) == 0 {
		return config.Workload{}, false
	}
	names := imageNames(w, w.Template.Spec.Containers[0].Image)
	i := slices.IndexFunc(p.Config.Workloads, func(entry config.Workload) bool { return slices.Contains(names, entry.Image) })
	if i < 0 {
		return config.Workload{}, false
	}
	return p.Config.Workloads[i], true
}

// imageNames returns the names that an image has had in the layers of its build, the last
// one first.
func imageNames(w model.Workload, image string) []string {
	name, _ := model.SplitImage(image)
	names := []string{name}
	if w.Owner == nil || w.Owner.Build == nil {
		return names
	}
	for i := 0; i < len(names); i++ {
		for _, layer := range w.Owner.Build.Layers {
			for _, entry := range layer.Images {
				if entry.NewName == names[i] && !slices.Contains(names, entry.Name) {
					names = append(names, entry.Name)
				}
			}
		}
	}
	return names
}

// Lookup returns a lookup of the variables of a workload's first container, as its
// program sees them. Variables whose values are decided in the cluster are left out.
func (p *Pass) Lookup(w model.Workload) func(string) (string, bool) {
	variables, _ := p.Cluster.Environment(w.MainContainers()[0])
	return func(name string) (string, bool) {
		v, found := variables[name]
		return v.Value, found && v.Known
	}
}

// Settings returns the program of a workload and its settings, if the program is known
// and accepts them.
func (p *Pass) Settings(w model.Workload) (Program, Settings, bool) {
	program, known := p.Program(w)
	if !known || program.Read == nil {
		return program, Settings{}, false
	}
	settings, err := program.Read(p.Lookup(w))
	return program, settings, err == nil
}

// InHand returns the most messages that a pod, which KEDA scales on a queue, has in
// flight by its own settings; zero if unknown.
func (p *Pass) InHand(t model.SQSTrigger) int {
	if t.Pods == nil {
		return 0
	}
	if _, settings, known := p.Settings(*t.Pods); known && settings.Consumer != nil {
		return settings.Consumer.InHand
	}
	return 0
}
