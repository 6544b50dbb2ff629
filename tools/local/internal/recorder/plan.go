// Package recorder defines the runs of the local cluster that docs/simulate.md measures,
// makes the manifests of each setting, and watches the pods of a run. It makes no run
// itself, since that takes a cluster.
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
	// Shape is a trace of the producer; Setting is one of the settings below.
	Shape, Setting string
	// Repeat counts from 1.
	Repeat int
	// Wait is the time from when the pods are idle to the start of the run. They become
	// idle just after the HPA has looked, so the waits spread the starts over the time
	// between two looks.
	Wait time.Duration
}

// Name returns the recording's name.
func (p Planned) Name() string { return fmt.Sprintf("%s-%s-%d", p.Shape, p.Setting, p.Repeat) }

// HeldOut reports whether the run belongs to the half that is kept for the final test,
// and not looked at while the model is made.
func (p Planned) HeldOut() bool { return p.Repeat == repeats }

const (
	// Today is the setting of the manifests as they are.
	Today = "today"
	// repeats is the number of runs for each shape and setting.
	repeats = 2
	// period is the HPA's sync period.
	period = 15 * time.Second
	// stride has no common divisor with the number of shapes and settings. So the runs of
	// each repeat start at evenly spread moments of the period, and those of one setting
	// far from each other.
	stride = 7
)

var (
	shapes   = []string{"step", "ramp", "sparse", "two-bursts"}
	settings = []string{Today, "length-100", "climb"}
)

// Plan returns all runs, ordered by setting, so that an incomplete recording has held-out
// runs, too.
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

// patchOf returns a setting's change of the local cluster's ScaledObject, a JSON patch in
// YAML; empty for today's.
func patchOf(setting string) (string, error) {
	if setting == Today {
		return "", nil
	}
	text, err := patches.ReadFile(path.Join("settings", setting+".yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("unknown setting %s: want %s, or a file of tools/local/internal/recorder/settings", setting, Today)
	}
	return strings.TrimRight(string(text), "\n") + "\n", err
}

// Scales reports whether KEDA's HPA has a scenario's values for everything in which the
// plan's settings differ.
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
