package rules

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// checkNames: the variables that name queues and buckets.
func checkNames(r *Run) {
	var queues, buckets []string
	for _, q := range queuesOf(r.Cluster) {
		queues = append(queues, q.name)
	}
	for _, o := range r.Cluster.Of("", "ConfigMap") {
		buckets = append(buckets, localBuckets(o)...)
	}
	for _, o := range r.managed("s3", "Bucket") {
		buckets = append(buckets, o.GetName(), o.GetAnnotations()["crossplane.io/external-name"])
	}
	if r.elsewhere() || r.uncomposed() || slices.Contains(queues, "") {
		return
	}
	for _, w := range r.Cluster.Workloads() {
		if r.program(w) != producerProgram && r.program(w) != consumerProgram {
			continue
		}
		r.checkName(w, "RELIABLE_QUEUE_NAME", "queue", queues)
		if r.program(w) == consumerProgram {
			r.checkName(w, "DEAD_LETTER_QUEUE_NAME", "queue", queues)
			r.checkName(w, "STORE_EVENTS_BKT", "bucket", buckets)
		}
	}
}

func (r *Run) checkName(w model.Workload, variable, kind string, declared []string) {
	variables, _ := environment(r.Cluster, w, 0)
	v, set := variables[variable]
	if set && v.known && len(declared) > 0 && !slices.Contains(declared, v.value) {
		r.report(on(w.Object, v.field...), didYouMean(v.value, declared, "declare the "+kind), "%s of %s is %s, and the cluster declares no such %s", variable, w.Key(), v.value, kind)
	}
}

func localBuckets(o *render.Object) []string {
	data, _, _ := unstructured.NestedStringMap(o.Object, "data")
	var buckets []string
	for _, text := range data {
		var config localaws.Config
		if strings.Contains(text, "buckets:") && yaml.UnmarshalStrict([]byte(text), &config) == nil {
			buckets = append(buckets, config.Buckets...)
		}
	}
	return buckets
}

// checkLocalAWS holds the file that the local AWS server is started with against
// the server's own check.
func (r *Run) checkLocalAWS(w model.Workload) {
	container := w.Template.Spec.Containers[0]
	for _, mount := range container.VolumeMounts {
		for _, volume := range w.Template.Spec.Volumes {
			if volume.Name != mount.Name || volume.ConfigMap == nil {
				continue
			}
			object := r.Cluster.Find(w.Object, "", "ConfigMap", w.GetNamespace(), volume.ConfigMap.Name)
			if object == nil {
				continue
			}
			data, _, _ := unstructured.NestedStringMap(object.Object, "data")
			for key, text := range data {
				if slices.Contains(container.Args, path.Join(mount.MountPath, key)) {
					r.checkLocalConfig(object, key, text)
				}
			}
		}
	}
}

func (r *Run) checkLocalConfig(o *render.Object, key, text string) {
	_, err := localaws.ParseConfig(key, []byte(text))
	for _, problem := range problems(err) {
		field, line := blamed(problem.Error(), text)
		location := o.Locate(append([]any{"data", key}, field...)...)
		if line > 0 && location.Column == 0 {
			location.Line = line
		}
		r.reportAt(o.Key().String(), location, "correct it: the local AWS server ends at once", "%s", strings.ReplaceAll(problem.Error(), "\n", " "))
	}
}

var (
	fieldOfProblem   = regexp.MustCompile(`^[^:]*: ((?:[a-zA-Z]+(?:\[\d+\])?\.?)+): `)
	unknownOfProblem = regexp.MustCompile(`unknown field "(?:[^"]*\.)?(\w+)"`)
	typeOfProblem    = regexp.MustCompile(`Go (?:struct field \w+|value of type \w+)\.(\S+) of type`)
	lineOfProblem    = regexp.MustCompile(`line (\d+)`)
	stepOfField      = regexp.MustCompile(`[a-zA-Z]+|\d+`)
)

// blamed is what a message of the server's check is about: a field, or a line of
// what is no YAML.
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
