package rules

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	consumer "github.com/mystique-unicorn/sales-events/apps/consumer/config"
	producer "github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
)

// programs are the checks of their settings by the programs' own code.
var programs = map[string]func(lookup func(string) (string, bool)) error{
	producerProgram: func(lookup func(string) (string, bool)) error { _, err := producer.Parse(lookup); return err },
	consumerProgram: func(lookup func(string) (string, bool)) error { _, err := consumer.Parse(lookup); return err },
}

func checkSettings(r *Run) {
	for _, w := range r.Cluster.Workloads() {
		if parse, known := programs[r.program(w)]; known {
			r.checkProgram(w, parse)
		}
		if r.program(w) == localawsProgram {
			r.checkLocalAWS(w)
		}
	}
}

func (r *Run) checkProgram(w model.Workload, parse func(func(string) (string, bool)) error) {
	variables, complete := environment(r.Cluster, w, 0)
	read := variablesOf(parse)
	for _, problem := range problems(parse(r.lookup(w))) {
		about := named(problem.Error(), read)
		if len(about) == 0 || !decided(about, variables, complete) {
			continue
		}
		place := on(w.Object, w.Field("containers", 0, "env")...)
		if v, set := variables[about[0]]; set {
			place = on(w.Object, v.field...)
		}
		r.report(place, "correct it: the "+r.program(w)+" ends at once", "%s: %v", w.Key(), problem)
	}
	for i, env := range w.Template.Spec.Containers[0].Env {
		if near := nearest(env.Name, sdkVariables); near != "" && near != env.Name && !slices.Contains(sdkVariables, env.Name) {
			r.report(on(w.Object, w.Field("containers", 0, "env", i, "name")...), "did you mean "+near+"?", "%s sets %s, which the AWS SDK does not read", w.Key(), env.Name)
			continue
		}
		if slices.Contains(read, env.Name) || foreign.MatchString(env.Name) || env.ValueFrom != nil {
			continue
		}
		place := on(w.Object, w.Field("containers", 0, "env", i, "name")...)
		if near := nearest(env.Name, read); near != "" {
			r.report(place, "did you mean "+near+"?", "%s sets %s, which the %s does not read", w.Key(), env.Name, r.program(w))
		} else {
			r.warn(place, fmt.Sprintf("remove it; it reads %s", strings.Join(read, ", ")), "%s sets %s, which the %s does not read", w.Key(), env.Name, r.program(w))
		}
	}
}

// foreign are variables that the Go runtime and the libraries in the programs
// read, and what describes the pod to people.
var foreign = regexp.MustCompile(`^(AWS|OTEL|SSL|KUBERNETES|POD|NODE|K8S)_|^(GO[A-Z0-9]+|TZ|HOME|PATH|HOSTNAME|USER|LANG|TMPDIR)$|(?i)^(https?|no|all)_proxy$`)

// sdkVariables are those of the AWS SDK that such programs are given:
// https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
var sdkVariables = []string{
	"AWS_ACCESS_KEY_ID", "AWS_CA_BUNDLE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS",
	"AWS_ENDPOINT_URL_STS", "AWS_MAX_ATTEMPTS", "AWS_PROFILE", "AWS_REGION", "AWS_REQUEST_CHECKSUM_CALCULATION",
	"AWS_RESPONSE_CHECKSUM_VALIDATION", "AWS_RETRY_MODE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_SECRET_ACCESS_KEY",
	"AWS_SESSION_TOKEN", "AWS_STS_REGIONAL_ENDPOINTS", "AWS_USE_FIPS_ENDPOINT", "AWS_WEB_IDENTITY_TOKEN_FILE",
}

// variablesOf lists what a program reads: it asks for each of its variables.
func variablesOf(parse func(func(string) (string, bool)) error) []string {
	asked := map[string]bool{}
	_ = parse(func(name string) (string, bool) {
		asked[name] = true
		return "", false
	})
	return slices.Sorted(maps.Keys(asked))
}

// problems takes joined errors apart.
func problems(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// named are the variables that a message speaks of; the first one is what it is
// about.
func named(message string, variables []string) []string {
	var found []string
	for _, word := range regexp.MustCompile(`[A-Z][A-Z0-9_]+`).FindAllString(message, -1) {
		if slices.Contains(variables, word) && !slices.Contains(found, word) {
			found = append(found, word)
		}
	}
	return found
}

// decided tells whether the manifests say what all of some variables are,
// unset included.
func decided(names []string, variables map[string]variable, complete bool) bool {
	for _, name := range names {
		if v, set := variables[name]; set && !v.known || !set && !complete {
			return false
		}
	}
	return true
}

// nearest is the variable of which a name may be a misspelling: it is at most
// two letters away.
func nearest(name string, variables []string) string {
	for _, variable := range variables {
		if levenshtein.ComputeDistance(strings.ToUpper(name), variable) <= 2 {
			return variable
		}
	}
	return ""
}
