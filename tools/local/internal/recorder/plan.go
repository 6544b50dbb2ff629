// Package recorder says which runs of the local cluster docs/simulate.md measures, makes
// the manifests of each setting, and watches the pods of a run. It runs none: that takes
// a cluster.
package recorder

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
)

// Planned is a run to record.
type Planned struct {
	// Shape is a trace of the producer, Setting one of the settings.
	Shape, Setting string
	// Repeat counts from 1.
	Repeat int
	// Wait is how long after the pods are idle the run begins: they are when the HPA has
	// just looked, and a run must begin at any moment between two looks.
	Wait time.Duration
}

// Name is the recording's.
func (p Planned) Name() string { return fmt.Sprintf("%s-%s-%d", p.Shape, p.Setting, p.Repeat) }

// HeldOut reports whether the run is of the half that nobody looks at while the model is
// made.
func (p Planned) HeldOut() bool { return p.Repeat == repeats }

const (
	// Today is the setting of the manifests as they are.
	Today = "today"
	// repeats is how many runs there are of each shape and setting.
	repeats = 2
	// period is that of the HPA.
	period = 15 * time.Second
	// stride has no divisor with the number of shapes and settings, so that the runs of
	// each repeat begin evenly over the period, those of a setting far from each other.
	stride = 7
)

var (
	shapes   = []string{"step", "ramp", "sparse", "two-bursts"}
	settings = []string{Today, "length-100", "climb"}
)

// Plan is all runs, those of a setting together: what is cut short has held-out runs, too.
func Plan() (all []Planned) {
	each := len(shapes) * len(settings)
	for s, setting := range settings {
		for repeat := range repeats {
			for n, shape := range shapes {
				slot := ((s*len(shapes)+n)*stride + repeat*each/repeats) % each
				wait := period * time.Duration(2*slot+1) / time.Duration(2*each)
				all = append(all, Planned{Shape: shape, Setting: setting, Repeat: repeat + 1, Wait: wait})
			}
		}
	}
	return all
}

//go:embed settings/*.yaml
var patches embed.FS

// patchOf is what a setting changes of the local cluster's ScaledObject, as JSON patch
// in YAML; empty for today's.
func patchOf(setting string) (string, error) {
	if setting == Today {
		return "", nil
	}
	text, err := patches.ReadFile(path.Join("settings", setting+".yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no setting %s: %s, or a file of tools/local/internal/recorder/settings", setting, Today)
	}
	return strings.TrimRight(string(text), "\n") + "\n", err
}

// Scales reports whether KEDA's HPA has the settings of a scenario in which the settings
// of the plan differ.
func Scales(h *autoscalingv2.HorizontalPodAutoscaler, s scenario.Scenario) bool {
	so := s.ScaledObject
	if h.Spec.MinReplicas == nil || *h.Spec.MinReplicas != *so.GetHPAMinReplicas() || h.Spec.MaxReplicas != so.GetHPAMaxReplicas() {
		return false
	}
	if b := h.Spec.Behavior; b == nil || b.ScaleDown == nil || b.ScaleDown.StabilizationWindowSeconds == nil ||
		*b.ScaleDown.StabilizationWindowSeconds != s.DownWindow() {
		return false
	}
	return slices.ContainsFunc(h.Spec.Metrics, func(m autoscalingv2.MetricSpec) bool {
		return m.External != nil && m.External.Target.AverageValue != nil && m.External.Target.AverageValue.Value() == s.Trigger.Target
	})
}
