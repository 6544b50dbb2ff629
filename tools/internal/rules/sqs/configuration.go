package sqs

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Configuration is rule SQS010.
var Configuration = rule.Rule{
	ID: "SQS010", Severity: findings.Error, Title: "configuration file that the program refuses",
	Why: "A program that cannot read the file in its arguments exits, and its pod crashes in a loop " +
		"(https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-states). The rule runs the program's own " +
		"check, for the programs that the configuration lists under workloads.",
	Example: "data:\n  localaws.yaml: |\n    region: Ireland",
	Fix:     "Correct the field that the message names.",
	Check:   checkConfiguration,
}

func checkConfiguration(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		program, known := r.Program(w)
		if !known || program.ReadFile == nil {
			continue
		}
		container := w.Template.Spec.Containers[0]
		for _, mount := range container.VolumeMounts {
			object := mounted(r, w, mount.Name)
			if object == nil {
				continue
			}
			data, _, _ := unstructured.NestedStringMap(object.Object, "data")
			for key, text := range data {
				if slices.Contains(container.Args, path.Join(mount.MountPath, key)) {
					checkFile(r, program, object, key, text)
				}
			}
		}
	}
}

// mounted returns the ConfigMap in a workload's volume, or nil.
func mounted(r *rule.Pass, w model.Workload, name string) *render.Object {
	for _, volume := range w.Template.Spec.Volumes {
		if volume.Name == name && volume.ConfigMap != nil {
			return r.Cluster.Find(w.Object, "", "ConfigMap", w.GetNamespace(), volume.ConfigMap.Name)
		}
	}
	return nil
}

func checkFile(r *rule.Pass, program rule.Program, o *render.Object, key, text string) {
	for _, problem := range rule.Problems(program.ReadFile(key, []byte(text))) {
		field, line := blamed(problem.Error(), text)
		location := o.Locate(append([]any{"data", key}, field...)...)
		if line > 0 && location.Column == 0 {
			location.Line = line
		}
		r.ReportLine(o.Key().String(), location, strings.ReplaceAll(problem.Error(), "\n", " ")).
			Fix("correct it, or " + program.Name + " exits at its start")
	}
}

var (
	fieldOfProblem   = regexp.MustCompile(`^[^:]*: ((?:[a-zA-Z]+(?:\[\d+\])?\.?)+): `)
	unknownOfProblem = regexp.MustCompile(`unknown field "(?:[^"]*\.)?(\w+)"`)
	typeOfProblem    = regexp.MustCompile(`Go (?:struct field \w+|value of type \w+)\.(\S+) of type`)
	lineOfProblem    = regexp.MustCompile(`line (\d+)`)
	stepOfField      = regexp.MustCompile(`[a-zA-Z]+|\d+`)
)

// blamed returns what an error of the server's own check is about: a field, or a line of
// invalid YAML.
func blamed(message, text string) (field []any, line int) {
	if match := fieldOfProblem.FindStringSubmatch(message); match != nil {
		for _, step := range stepOfField.FindAllString(match[1], -1) {
			if index, err := strconv.Atoi(step); err == nil {
				field = append(field, index)
			} else {
				field = append(field, step)
			}
		}
		return field, 0
	}
	for _, pattern := range []*regexp.Regexp{unknownOfProblem, typeOfProblem} {
		match := pattern.FindStringSubmatch(message)
		if match == nil {
			continue
		}
		name := match[1][strings.LastIndex(match[1], ".")+1:]
		for i, line := range strings.Split(text, "\n") {
			if strings.HasPrefix(strings.TrimLeft(line, " -"), name+":") {
				return nil, i + 1
			}
		}
	}
	if match := lineOfProblem.FindStringSubmatch(message); match != nil {
		line, _ = strconv.Atoi(match[1])
	}
	return nil, line
}
