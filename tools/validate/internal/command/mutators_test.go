package command

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// mutator makes one kind of fault at every possible place.
type mutator struct {
	name   string
	faults func(repository) []fault
}

// mutators are common mistakes. A new kind of object, such as a role, needs a line that
// names its fields.
var mutators = []mutator{
	// Syntax and shape.
	{"key without colon", perFile(func(e *entry) fault { return e.replaceAt(e.key, e.key.Value+" #") })},
	{"line indented by a tab", perFile(tabbed)},
	{"key twice", perFile(func(e *entry) fault { return e.twice() })},
	{"apiVersion of tomorrow", every("?*", "apiVersion", func(e *entry) fault { return e.set(e.value.Value + "9") })},
	{"kind misspelt", every("?*", "kind", (*entry).misspelt)},
	{"field misspelt", fields},
	{"number or boolean in quotes", quoted},
	{"text without quotes", unquoted},

	// Flux.
	{"path misspelt", every("Kustomization", "spec/path", (*entry).misspelt)},
	{"sourceRef misspelt", every("Kustomization", "spec/sourceRef/name", (*entry).misspelt)},
	{"sourceRef of another kind", every("Kustomization", "spec/sourceRef/kind", to("OCIRepository"))},
	{"substituteFrom misspelt", every("Kustomization", "spec/postBuild/substituteFrom/*/name", (*entry).misspelt)},
	{"substituteFrom removed", all("Kustomization", "spec/postBuild", withUses)},
	{"dependsOn misspelt", every("Kustomization", "spec/dependsOn/*/name", (*entry).misspelt)},
	{"dependsOn itself", every("Kustomization", "spec/dependsOn/*/name", func(e *entry) fault { return e.set(e.name) })},
	{"dependsOn removed", all("Kustomization", "spec/dependsOn/*", dependencies)},
	{"wait removed", all("Kustomization", "spec/wait", dependencies)},
	{"duration in words", every("{Kustomization,GitRepository}", "spec/{interval,retryInterval,timeout}", func(e *entry) fault { return e.set(`"` + e.value.Value + ` hours"`) })},
	{"fact unset", all("ConfigMap", "data/*", facts((*entry).removed))},
	{"fact misspelt", all("ConfigMap", "data/*", facts(func(e *entry) (fault, bool) { return e.renamed(misspell(e.key.Value)), true }))},
	{"variable misspelt", variables},
	{"second owner", owners},
	{"tag that differs from its pin", every("{GitRepository,Kustomization}", "spec/{ref/tag,images/*/newTag}", to("v2.20.2"))},

	// Kustomize.
	{"file misspelt", every("Kustomization", "{resources/*,patches/*/path,configMapGenerator/*/files/*}", (*entry).misspelt)},
	{"resource not listed", all("Kustomization", "resources/*", unlisted)},
	{"patch target misspelt", every("Kustomization", "{,spec/}patches/*/target/name", (*entry).misspelt)},
	{"patch target of another kind", every("Kustomization", "{,spec/}patches/*/target/kind", to("StatefulSet"))},
	{"image entry misspelt", every("Kustomization", "{,spec/}images/*/name", (*entry).misspelt)},
	{"operation misspelt", every("", "*/op", (*entry).misspelt)},
	{"operation on another path", every("", "*/path", func(e *entry) fault { return e.misspelt().or(e.sibling("value")) })},
	{"namespace misspelt", every("*", "{namespace,metadata/namespace}", func(e *entry) fault { return e.misspelt().or(namers(e)...) })},

	// Names that something refers to.
	{"name misspelt", all("{Deployment,ServiceAccount,Namespace,Secret,Service,TriggerAuthentication,ConfigMap,GitRepository}", "metadata/name", renamedObject)},
	{"generated name misspelt", every("Kustomization", "configMapGenerator/*/name", func(e *entry) fault { return e.misspelt().or(users(e, "**/configMap/name")...) })},

	// KEDA.
	{"trigger key misspelt", every("ScaledObject", "spec/triggers/*/metadata/*", func(e *entry) fault { return e.renamed(misspell(e.key.Value)) })},
	{"trigger type misspelt", every("ScaledObject", "spec/triggers/*/type", (*entry).misspelt)},
	{"scale target misspelt", every("ScaledObject", "spec/scaleTargetRef/name", (*entry).misspelt)},
	{"authentication misspelt", every("ScaledObject", "spec/triggers/*/authenticationRef/name", (*entry).misspelt)},
	{"authentication removed", all("ScaledObject", "spec/triggers/*/authenticationRef", (*entry).removed)},
	{"authentication of another kind", every("ScaledObject", "spec/triggers/*/authenticationRef/name", func(e *entry) fault { return e.beside("kind: ClusterTriggerAuthentication") })},
	{"queueLength below the batch", every("ScaledObject", "spec/triggers/*/metadata/queueLength", to(`"2"`))},
	{"queueLength zero", every("ScaledObject", "spec/triggers/*/metadata/queueLength", to(`"0"`))},
	{"queueLength in words", every("ScaledObject", "spec/triggers/*/metadata/queueLength", to("fifty"))},
	{"minimum above maximum", every("ScaledObject", "spec/minReplicaCount", func(e *entry) fault { return e.set("60").or(e.sibling("maxReplicaCount")) })},
	{"maximum removed", all("ScaledObject", "spec/maxReplicaCount", (*entry).removed)},
	{"maximum of thousands", every("ScaledObject", "spec/maxReplicaCount", to("50000"))},
	{"fallback removed", all("ScaledObject", "spec/fallback", (*entry).removed)},
	{"fallback without pods", every("ScaledObject", "spec/fallback/{failureThreshold,replicas}", to("-1"))},
	{"pollingInterval without effect", every("ScaledObject", "spec/minReplicaCount", func(e *entry) fault { return e.beside("pollingInterval: 10") })},
	{"replicas of a scaled Deployment", scaledReplicas},
	{"delayed messages undecided", all("ScaledObject", "spec/triggers/*/metadata/scaleOnDelayed", (*entry).removed)},

	// Queues and regions.
	{"queue or bucket renamed", every("Event{Queue,Bucket}", "metadata/name", func(e *entry) fault { return e.misspelt().or(namers(e)...) })},
	{"queue of a grant misspelt", every("WorkloadRole", "spec/grants/*/event{Queue,Bucket}", (*entry).misspelt)},
	{"access of a grant misspelt", every("WorkloadRole", "spec/grants/*/access", (*entry).misspelt)},
	{"visibility timeout zero", every("EventQueue", "spec/visibilityTimeoutSeconds", to("0"))},
	{"visibility timeout of days", every("EventQueue", "spec/visibilityTimeoutSeconds", to("86400"))},
	{"delay of an hour", queueWith("delaySeconds: 3600")},
	{"retention of a second", queueWith("messageRetentionSeconds: 1")},
	{"dead letters kept for an hour", queueWith("deadLetterRetentionSeconds: 3600")},
	{"one receive", queueWith("maxReceiveCount: 1")},
	{"receives in thousands", queueWith("maxReceiveCount: 1001")},
	{"another region", regions},
	{"another account", accounts},
	{"queue of another name in the URL", every("{ScaledObject,}", "{spec/triggers/*/metadata/queueURL,0/value}", func(e *entry) fault { return e.misspeltIn("reliable") })},

	// Settings of the programs.
	{"variable name misspelt", every("Deployment", env+"/name", func(e *entry) fault { return e.misspelt().or(e.parent.parent) })},
	{"required variable removed", all("Deployment", env, required)},
	{"number out of range", all("Deployment", env+"/value", numbers(`"-1"`))},
	{"number in words", all("Deployment", env+"/value", numbers("many"))},
	{"queue or bucket misspelt", all("Deployment", env+"/value", resourceNames)},
	{"endpoint misspelt", all("*", "{"+env+"/value,*/value}", endpoints)},

	// Pods and their neighbours.
	{"security setting removed", all("Deployment", "spec/template/spec/{securityContext,containers/*/securityContext}{,/{runAsNonRoot,seccompProfile,allowPrivilegeEscalation,readOnlyRootFilesystem,capabilities}}", unsecured)},
	{"privileged", every("Deployment", container+"/securityContext/allowPrivilegeEscalation", to("true"))},
	{"root", every("Deployment", "spec/template/spec/securityContext/{runAsUser,runAsNonRoot}", func(e *entry) fault { return e.set(map[string]string{"65532": "0", "true": "false"}[e.value.Value]) })},
	{"service account misspelt", every("Deployment", "spec/template/spec/serviceAccountName", (*entry).misspelt)},
	{"grace period of seconds", all("Deployment", "spec/template/spec/terminationGracePeriodSeconds", ofConsumer(to("5")))},
	{"resources removed", all("Deployment", container+"/resources{,/*}", (*entry).removed)},
	{"liveness probe removed", all("Deployment", container+"/livenessProbe", (*entry).removed)},
	{"probe's port misspelt", every("Deployment", container+"/*Probe/httpGet/port", (*entry).misspelt)},
	{"port renamed", every("Deployment", container+"/ports/*/name", func(e *entry) fault { return e.misspelt().or(users(e, "**/{port,targetPort}")...) })},
	{"mount of an unknown volume", every("Deployment", container+"/volumeMounts/*/name", (*entry).misspelt)},
	{"volume renamed", every("Deployment", "spec/template/spec/volumes/*/name", func(e *entry) fault { return e.misspelt().or(users(e, "**/volumeMounts/*/name")...) })},
	{"volume of an unknown ConfigMap", every("Deployment", "spec/template/spec/volumes/*/configMap/name", (*entry).misspelt)},
	{"pods that the selector does not match", every("Deployment", "spec/template/metadata/labels/*", func(e *entry) fault { return e.misspelt().or(selectorOf(e)...) })},
	{"selector of no pods", every("{Deployment,Service,PodDisruptionBudget}", "spec/selector{,/matchLabels}/*~1name", (*entry).misspelt)},
	{"policy for no pods", every("NetworkPolicy", "spec/podSelector", func(e *entry) fault {
		return e.set("{matchLabels: {app: nobody}}").or(e.neighbours("Deployment", "spec/template/metadata/labels")...)
	})},
	{"policy for an unknown namespace", namespaceSelectors},
	{"policy for a port in quotes", every("NetworkPolicy", "spec/*gress/*/ports/*/port", func(e *entry) fault { return e.set(strconv.Quote(e.value.Value)) })},
	{"service to an unknown port", every("Service", "spec/ports/*/targetPort", (*entry).misspelt)},
	{"pod security level misspelt", every("Namespace", "metadata/labels/*", (*entry).misspelt)},
}

const (
	container = "spec/template/spec/containers/*"
	env       = container + "/env/*"
)

// every returns a function that makes a fault of each entry of a kind at a path.
func every(kind, path string, make func(*entry) fault) func(repository) []fault {
	return all(kind, path, func(e *entry) (fault, bool) { return make(e), true })
}

// all is like every, for a fault that some entries cannot have.
func all(kind, path string, make func(*entry) (fault, bool)) func(repository) []fault {
	return func(r repository) []fault {
		var faults []fault
		for _, e := range r.find(kind, path) {
			if f, ok := make(e); ok {
				faults = append(faults, f)
			}
		}
		return faults
	}
}

// perFile makes one fault in each file, at the scalar in its middle.
func perFile(make func(*entry) fault) func(repository) []fault {
	return func(r repository) []fault {
		var faults []fault
		for _, m := range r {
			var scalars []*entry
			for _, e := range m.entries {
				if e.isScalar() && e.key != nil && e.parent.value.Style&yaml.FlowStyle == 0 && !strings.HasPrefix(strings.TrimSpace(m.lines[e.line()-1]), "- ") {
					scalars = append(scalars, e)
				}
			}
			if len(scalars) > 0 {
				e := scalars[len(scalars)/2]
				f := make(e).orAround(e)
				// A parser may stop at the next line.
				f.right = append(f.right, place{m.name, f.right[0].line + 1})
				faults = append(faults, f)
			}
		}
		return faults
	}
}

func to(text string) func(*entry) fault {
	return func(e *entry) fault { return e.set(text) }
}

func tabbed(e *entry) fault {
	lines := slices.Clone(e.file.lines)
	lines[e.line()-1] = "\t" + strings.TrimLeft(lines[e.line()-1], " ")
	return e.file.fault(e.label()+" is indented by a tab", lines, e.at())
}

func (e *entry) twice() fault {
	line := e.file.lines[e.line()-1]
	lines := slices.Insert(slices.Clone(e.file.lines), e.line(), line)
	return e.file.fault(e.label()+" is there twice", lines, e.at())
}

// open matches paths at which any key is allowed: other programs decide what is wrong
// there.
var open = regexp.MustCompile(`(^|/)(labels|matchLabels|data|stringData|metadata|requests|limits)/[^/]+$|^spec/selector/`)

// fields misspells the fields of objects. A report is also right at a patch that does not
// find the field.
func fields(r repository) []fault {
	var faults []fault
	for _, e := range r.find("?*", "**") {
		if e.key != nil && (!open.MatchString(e.path) || e.path == "metadata/name") && e.path != "apiVersion" && e.path != "kind" {
			patches := slices.DeleteFunc(e.neighbours("", "*/path"), func(p *entry) bool { return !strings.HasPrefix(p.value.Value, "/"+e.path) })
			faults = append(faults, e.renamed(misspell(e.key.Value)).orAround(e).or(patches...))
		}
	}
	return faults
}

// orAround adds the mapping around the field, which lacks it now.
func (f fault) orAround(e *entry) fault {
	return f.or(e.parent)
}

func quoted(r repository) []fault {
	var faults []fault
	for _, e := range r.find("?*", "**") {
		if e.value.Tag == "!!int" || e.value.Tag == "!!bool" {
			faults = append(faults, e.set(strconv.Quote(e.value.Value)))
		}
	}
	return faults
}

// unquoted removes the quotes around text that would otherwise have another type.
func unquoted(r repository) []fault {
	var faults []fault
	for _, e := range r.find("*", "**") {
		if e.value.Style == yaml.DoubleQuotedStyle && (regexp.MustCompile(`^(\d+|true|false)$`).MatchString(e.value.Value) || strings.Contains(e.value.Value, "ACCOUNT")) {
			faults = append(faults, e.set(e.value.Value))
		}
	}
	return faults
}

// uses returns the entries whose text a pattern matches.
func (r repository) uses(pattern string) []*entry {
	expression := regexp.MustCompile(pattern)
	var found []*entry
	for _, m := range r {
		for _, e := range m.entries {
			if e.isScalar() && expression.MatchString(e.value.Value) {
				found = append(found, e)
			}
		}
	}
	return found
}

// folder returns the folder of an app's or a cluster's manifests: apps/consumer.
func (e *entry) folder() string {
	return strings.Join(strings.SplitN(e.file.name, "/", 3)[:2], "/")
}

// neighbours returns the entries of a kind at a path in the same app.
func (e *entry) neighbours(kind, path string) []*entry {
	return slices.DeleteFunc(e.file.repository.find(kind, path), func(other *entry) bool { return other.folder() != e.folder() })
}

// sibling returns another entry of the same mapping.
func (e *entry) sibling(key string) *entry {
	for _, other := range e.file.entries {
		if other.parent == e.parent && other.key != nil && other.key.Value == key {
			return other
		}
	}
	return e
}

// users returns the entries of the same app that have the same name at a path.
func users(e *entry, path string) []*entry {
	return slices.DeleteFunc(e.neighbours("*", path), func(other *entry) bool { return other.value.Value != e.value.Value })
}

// withUses removes the source of variables: they are then missing where they are used.
func withUses(e *entry) (fault, bool) {
	var uses []*entry
	for _, use := range e.file.repository.uses(`\$\{`) {
		if strings.HasPrefix(use.file.name, strings.TrimPrefix(e.parent.text("path"), "./")) || strings.HasPrefix(e.parent.text("path"), "./"+use.folder()) {
			uses = append(uses, use)
		}
	}
	f, ok := e.removed()
	return f.or(uses...), ok && len(uses) > 0
}

// facts makes faults only in facts that some manifest uses.
func facts(make func(*entry) (fault, bool)) func(*entry) (fault, bool) {
	return func(e *entry) (fault, bool) {
		uses := e.file.repository.uses(`\$\{` + e.key.Value + `\}`)
		if len(uses) == 0 {
			return fault{}, false
		}
		f, ok := make(e)
		return f.or(uses...), ok
	}
}

// dependencies makes faults only in dependencies that put a custom resource after its
// definition; a report is also right at the resource. Without other dependencies pods
// only retry.
func dependencies(e *entry) (fault, bool) {
	if e.value.Value != "true" && e.text("name") != "keda" || e.value.Value == "true" && e.name != "keda" {
		return fault{}, false
	}
	f, ok := e.removed()
	return f.or(e.file.repository.find("{ScaledObject,TriggerAuthentication}", "kind")...), ok
}

// variables misspells each use of a variable.
func variables(r repository) []fault {
	var faults []fault
	for _, e := range r.uses(`\$\{\w+\}`) {
		name := regexp.MustCompile(`\$\{(\w+)\}`).FindStringSubmatch(e.value.Value)[1]
		f := e.set(quoteAs(e.value, strings.Replace(e.value.Value, name, misspell(name), 1)))
		faults = append(faults, f)
	}
	return faults
}

func quoteAs(node *yaml.Node, text string) string {
	if node.Style == yaml.DoubleQuotedStyle {
		return strconv.Quote(text)
	}
	return text
}

// owners adds a second Kustomization with the same path, so that its objects have two
// owners.
func owners(r repository) []fault {
	var faults []fault
	for _, e := range r.find("Kustomization", "spec/path") {
		if e.name == "keda-release" {
			continue // its objects are in no file of this repository
		}
		document := e.parent.parent
		lines := slices.Clone(e.file.lines)
		more := append([]string{"---"}, lines[document.line()-1:document.lastLine()]...)
		for i, line := range more {
			if line == "  name: "+e.name {
				more[i] += "-again"
			}
		}
		last := len(lines)
		lines = append(lines, more...)
		f := e.file.fault(e.label()+" is applied twice", lines, place{e.file.name, last + 2 + e.line() - document.line()})
		for _, o := range r.find("?*", "metadata/name") {
			if strings.HasPrefix(o.folder(), strings.Join(strings.Split(strings.TrimPrefix(e.value.Value, "./"), "/")[:2], "/")) {
				f = f.or(o)
			}
		}
		faults = append(faults, f)
	}
	return faults
}

// unlisted removes a manifest from its kustomization.yaml. Then the references to its
// objects are wrong, or the objects that they served.
func unlisted(e *entry) (fault, bool) {
	f, ok := e.removed()
	for _, m := range *e.file.repository {
		if !strings.HasSuffix(m.name, strings.TrimPrefix(e.value.Value, "../")) || strings.Count(m.name, "/") < 3 {
			continue
		}
		for _, o := range m.entries {
			if o.path == "metadata/name" && o.folder() == e.folder() {
				f = f.or(referrers(o)...)
			}
		}
	}
	if strings.HasPrefix(e.value.Value, "../") {
		f = f.or(e.neighbours("Kustomization", "{namespace,patches/*/target/*}")...)
	}
	return f, ok
}

// references are, by kind, the entries that refer to an object of the same app.
var references = map[string]string{
	"Namespace":             "{namespace,metadata/namespace}",
	"ServiceAccount":        "**/serviceAccountName",
	"Deployment":            "{spec/scaleTargetRef,patches/*/target}/name",
	"Secret":                "**/{secretRef,secretTargetRef/*}/name",
	"ConfigMap":             "**/{substituteFrom/*,configMap}/name",
	"TriggerAuthentication": "{**/authenticationRef,patches/*/target}/name",
	"ScaledObject":          "patches/*/target/name",
	"NetworkPolicy":         "patches/*/target/name",
	"GitRepository":         "{spec/sourceRef,patches/*/target}/name",
	"Kustomization":         "{spec/dependsOn/*,patches/*/target}/name",
}

func referrers(name *entry) []*entry {
	found := users(name, references[name.kind])
	if name.kind == "Deployment" {
		found = append(found, name.neighbours("{Service,PodDisruptionBudget}", "spec/selector{,/matchLabels}/*")...)
	}
	if name.kind == "Service" {
		found = append(found, name.file.repository.uses(name.value.Value+`\.svc`)...)
	}
	if name.kind == "NetworkPolicy" {
		found = append(found, name.neighbours("Namespace", "metadata/name")...)
	}
	return found
}

// renamedObject misspells the name of an object that something refers to.
func renamedObject(e *entry) (fault, bool) {
	to := referrers(e)
	return e.misspelt().or(to...), len(to) > 0
}

// namers returns the entries that name a queue or a bucket.
func namers(e *entry) []*entry {
	return e.file.repository.uses(regexp.QuoteMeta(e.value.Value) + "$")
}

// queueWith sets a queue's setting that has its default.
func queueWith(setting string) func(repository) []fault {
	return every("EventQueue", "spec/visibilityTimeoutSeconds", func(e *entry) fault { return e.beside(setting).or(e.parent) })
}

// regions changes the region in one place; a report is also right at the others.
func regions(r repository) []fault {
	var faults []fault
	for _, e := range r.uses(`^\$\{AWS_REGION\}$`) {
		f := e.set("us-east-1")
		if e.kind == "" {
			f = f.or(r.uses(`^\$\{AWS_REGION\}$`)...)
		}
		faults = append(faults, f)
	}
	return faults
}

// accounts changes the account in one place; see regions.
func accounts(r repository) []fault {
	var faults []fault
	for _, e := range r.uses(`\$\{AWS_ACCOUNT_ID\}`) {
		f := e.set(quoteAs(e.value, strings.Replace(e.value.Value, "${AWS_ACCOUNT_ID}", "210987654321", 1)))
		if e.path == "accountId" {
			f = f.or(r.uses(`/\$\{AWS_ACCOUNT_ID\}/`)...)
		}
		faults = append(faults, f)
	}
	return faults
}

func numbers(text string) func(*entry) (fault, bool) {
	return func(e *entry) (fault, bool) {
		_, err := strconv.Atoi(e.value.Value)
		return e.set(text), err == nil
	}
}

func resourceNames(e *entry) (fault, bool) {
	name := e.sibling("name").value.Value
	return e.misspelt(), strings.Contains(name, "QUEUE") || strings.Contains(name, "BKT")
}

// required returns a fault only in variables without a default.
func required(e *entry) (fault, bool) {
	name := e.text("name")
	f, ok := e.removed()
	return f, ok && (name == "AWS_REGION" || strings.Contains(name, "QUEUE") || strings.Contains(name, "BKT"))
}

// ofConsumer limits a fault to the consumer: only a program that receives messages hands
// some back.
func ofConsumer(make func(*entry) fault) func(*entry) (fault, bool) {
	return func(e *entry) (fault, bool) { return make(e), e.name == "consumer" }
}

// unsecured removes a security setting of the pod, which each container then needs
// itself.
func unsecured(e *entry) (fault, bool) {
	f, ok := e.removed()
	return f.or(e.neighbours("Deployment", container+"/securityContext")...), ok
}

func endpoints(e *entry) (fault, bool) {
	if !e.isScalar() || !strings.Contains(e.value.Value, ".svc.") {
		return fault{}, false
	}
	return e.misspeltIn("localaws"), true
}

func scaledReplicas(r repository) []fault {
	var faults []fault
	for _, e := range r.find("Deployment", "spec/selector") {
		if len(e.neighbours("ScaledObject", "spec")) > 0 {
			faults = append(faults, e.beside("replicas: 2"))
		}
	}
	return faults
}

// selectorOf returns the selectors that select the pods with a label.
func selectorOf(e *entry) []*entry {
	return e.neighbours("{Deployment,Service,PodDisruptionBudget}", "spec/selector{,/matchLabels}/*")
}

// namespaceSelectors misspells each namespace of a policy's peers.
func namespaceSelectors(r repository) []fault {
	var faults []fault
	for _, e := range r.find("*", "**/namespaceSelector/{matchLabels/*,matchExpressions/*/values/*}") {
		faults = append(faults, e.misspelt())
	}
	return faults
}
