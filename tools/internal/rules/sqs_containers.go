package rules

import (
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
)

func checkContainers(r *Run) {
	local := r.local()
	for _, w := range r.Cluster.Workloads() {
		urgent := r.takesMessages(w)
		for _, c := range containersOf(w) {
			r.checkBoot(w, c, urgent)
			if !local {
				r.checkImage(w, c)
			}
		}
	}
}

// container is a container of a workload and its field.
type container struct {
	corev1.Container
	field []any
	// starts is an init container that ends before the others begin.
	starts bool
}

func (c container) at(w model.Workload, elements ...any) at {
	return on(w.Object, append(slices.Clone(c.field), elements...)...)
}

// containersOf are all containers of a workload's pods.
func containersOf(w model.Workload) []container {
	var all []container
	for i, c := range w.Template.Spec.InitContainers {
		sidecar := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		all = append(all, container{c, w.Field("initContainers", i), !sidecar})
	}
	for i, c := range w.Template.Spec.Containers {
		all = append(all, container{c, w.Field("containers", i), false})
	}
	return all
}

// local tells whether the cluster runs on one machine: its facts say so, or it
// declares the local AWS server's queues.
func (r *Run) local() bool {
	for _, o := range r.Cluster.Of("", "ConfigMap") {
		environment, _, _ := unstructured.NestedString(o.Object, "data", "ENVIRONMENT")
		if environment == "local" || len(localQueues(o)) > 0 {
			return true
		}
	}
	return false
}

// takesMessages tells whether a workload is scaled on a queue or is one of this
// project's programs: its pods come in bursts and end in mid work.
func (r *Run) takesMessages(w model.Workload) bool {
	return r.program(w) != "" || slices.ContainsFunc(r.sqsTriggers(), func(t sqsTrigger) bool { return t.pods != nil && t.pods.Object == w.Object })
}

var (
	// installs are commands that fetch packages; a list of files to install
	// from this machine does not count.
	installs = regexp.MustCompile(`\b(?:pip3?|pipx|uv pip|gem|apt|apt-get|yum|dnf|microdnf|npm|pnpm|yarn)(?:\s+-\S+)*\s+(?:install|ci|add)\b|\bapk(?:\s+-\S+)*\s+add\b|\b(?:curl|wget)\b[^|;&]*\|\s*(?:sudo\s+)?(?:ba|da)?sh\b`)
	shells   = regexp.MustCompile(`^(?:/(?:usr/)?bin/)?(?:ba|da|a|z)?sh$`)
	// passes is how a script keeps SIGTERM from being lost.
	passes = regexp.MustCompile(`\b(?:exec|trap)\s`)
	// several is a script of more than one command. A shell may put itself out
	// of the way of a single one.
	several = regexp.MustCompile(`[;&|\n]`)
)

func (r *Run) checkBoot(w model.Workload, c container, urgent bool) {
	words := slices.Concat(c.Command, c.Args)
	say := r.warn
	if urgent {
		say = r.report
	}
	field := "command"
	if len(c.Command) == 0 {
		field = "args"
	}
	if install := installs.FindString(strings.Join(words, " ")); install != "" {
		say(c.at(w, field), "build the packages into the image", "container %s of %s runs %q at every start", c.Name, w.Key(), install)
	}
	script, shell := scriptOf(words)
	if !shell || c.starts || !runsOn(w) || passes.MatchString(script) {
		return
	}
	if !several.MatchString(strings.TrimSpace(script)) {
		say = r.warn
	}
	say(c.at(w, field), "run the program itself, or write exec before it", "container %s of %s runs its program under a shell, which keeps SIGTERM to itself", c.Name, w.Key())
}

// scriptOf is the script of a command of the form sh -c script.
func scriptOf(words []string) (script string, found bool) {
	if len(words) == 0 || !shells.MatchString(words[0]) {
		return "", false
	}
	for i, word := range words[1:] {
		if !strings.HasPrefix(word, "-") {
			return "", false
		}
		if strings.HasSuffix(word, "c") && i+2 < len(words) {
			return words[i+2], true
		}
	}
	return "", false
}

// runsOn tells whether a workload's pods run until they are asked to end.
func runsOn(w model.Workload) bool {
	return slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}, w.GetKind())
}

func (r *Run) checkImage(w model.Workload, c container) {
	if c.Image == "" || strings.Contains(c.Image, "@") {
		return
	}
	switch _, tag := splitImage(c.Image); tag {
	case "", "latest":
		r.report(c.at(w, "image"), "name the image by digest", "%s runs %s: each pod gets what the tag names when it starts", w.Key(), c.Image)
	default:
		r.warn(c.at(w, "image"), "name the image by digest: "+c.Image+"@sha256:...", "%s runs %s by its tag, which can be moved", w.Key(), c.Image)
	}
}
