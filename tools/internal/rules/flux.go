package rules

import (
	"fmt"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
)

var fluxRules = []Rule{
	{
		ID: "FLX001", Severity: findings.Error, Title: "dependsOn that never becomes ready",
		Why: "Flux retries a Kustomization or HelmRelease until all it depends on is ready. A name that is not there, " +
			"the object itself, one of another kind or a cycle leaves it waiting for ever, without an error that stands out.",
		Example: "spec:\n  dependsOn:\n    - name: infrastucture # misspelt",
		Fix:     "Name an object of the same kind and cluster, with its namespace if that is another one.",
		check:   checkDependencies,
	},
	{
		ID: "FLX002", Severity: findings.Error, Title: "reference that resolves to nothing",
		Why: "A source, a path, a ConfigMap to substitute from, a kubeConfig or its ServiceAccount that does not exist stops " +
			"the Kustomization at its first step, and everything that depends on it. A ConfigMap is a warning unless its name " +
			"is nearly that of another one or it comes too late: what provisions a cluster may make it.",
		Example: "spec:\n  path: ./apps/consumer/deploy/loacl",
		Fix:     "Correct the name, or apply the object before. What may be missing is marked optional.",
		check:   checkReferences,
	},
	{
		ID: "FLX003", Severity: findings.Error, Title: "variable without value",
		Why: "Since Flux 2.9 substitution is strict: a variable with neither value nor default fails the build of the whole " +
			"Kustomization. Shell scripts in ConfigMaps are substituted too. Where the cluster says that its Flux is older, or " +
			"that the feature gate StrictPostBuildSubstitutions is off, it is a warning: the variable becomes empty.",
		Example: "env:\n  - name: AWS_REGION\n    value: ${AWS_REGIN}",
		Fix:     "Give it a value in what the Kustomization substitutes from, a default (${NAME:=default}), or escape it ($${NAME}).",
		check:   checkVariables,
	},
	{
		ID: "FLX004", Severity: findings.Error, Title: "custom resource before its definition",
		Why: "Flux dry-runs every object before it applies any. A custom resource whose CustomResourceDefinition another " +
			"Kustomization applies fails until that one is done, and on a new cluster both may wait for each other " +
			"(https://github.com/fluxcd/kustomize-controller/issues/1194). Definitions in the same Kustomization are fine: " +
			"they are applied and awaited as a stage of their own.",
		Example: "# keda applies ScaledObject's definition, this one does not depend on it\nkind: Kustomization\nmetadata:\n  name: consumer",
		Fix:     "Add dependsOn on the Kustomization that applies the definition, or on one that waits for it.",
		check:   checkDefinitions,
	},
	{
		ID: "FLX005", Severity: findings.Error, Title: "namespace that is missing or comes too late",
		Why: "A namespaced object without namespace lands in `default` or fails, and one in a namespace that is created " +
			"later, or by nobody, fails the Kustomization until a person helps.",
		Example: "kind: ServiceAccount\nmetadata:\n  name: consumer # no namespace",
		Fix:     "Set the namespace, and apply the Namespace in the same Kustomization or in one that this one depends on.",
		check:   checkNamespaces,
	},
	{
		ID: "FLX006", Severity: findings.Error, Title: "object with two owners",
		Why: "Two Kustomizations that apply one object overwrite each other at every interval, and when one of them drops " +
			"it, it is pruned under the other (https://github.com/fluxcd/flux2/issues/5611).",
		Example: "# both ./apps/a and ./apps/b hold it\nkind: Namespace\nmetadata:\n  name: apps",
		Fix:     "Keep it in one Kustomization and let the other depend on that one.",
		check:   checkOwners,
	},
	{
		ID: "FLX007", Severity: findings.Error, Title: "version that differs from its pin",
		Why: "What validate checks against, what the local cluster runs and what production installs come from one pin. " +
			"A manifest that names another version is checked against the wrong definitions.",
		Example: "ref:\n  tag: v2.20.1 # tools/engines/keda pins v2.21.0",
		Fix:     "Write the pinned version, or move the pin.",
		check:   checkVersions,
	},
	{
		ID: "FLX008", Severity: findings.Error, Title: "change that fails or destroys what is there", Base: true,
		Why: "Both states are fine, the way from one to the other is not. The API server refuses a new value of an immutable " +
			"field, and with it the whole Kustomization (https://github.com/fluxcd/flux2/issues/2386). What is no longer declared is " +
			"pruned: a namespace with all that is in it, a definition with every object of its kind, a queue with its messages " +
			"(https://github.com/fluxcd/flux2/issues/3949). What moves to another Kustomization, or is applied by one that is " +
			"renamed, is pruned and created anew if the old one is first " +
			"(https://github.com/fluxcd/flux2/issues/3316, https://github.com/fluxcd/kustomize-controller/issues/339).",
		Example: "# the base revision says app: shop, and the Deployment runs\nkind: Deployment\nspec:\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: shop",
		Fix: "Keep the value, or go in two steps: first annotate the object with kustomize.toolkit.fluxcd.io/prune: disabled " +
			"and let Flux apply that, then remove or move it. What is meant to go is accepted in the configuration, with the reason.",
		check: checkChanges,
	},
	{
		ID: "FLX009", Severity: findings.Error, Title: "Kustomization or HelmRelease that does not build",
		Why: "kustomize-controller builds the path with kustomize before it applies anything, and helm-controller executes a " +
			"chart's templates: an error there stops all of it.",
		Example: "resources:\n  - deploymnt.yaml # no such file",
		Fix:     "Correct the file that the message names; `kustomize build` or `helm template` shows the same error.",
		check:   checkBuilds,
	},
	{
		ID: "FLX010", Severity: findings.Warning, Title: "patch or image that applies to nothing",
		Why: "kustomize applies a patch to whatever its target selects and an image entry to whatever runs the image, and " +
			"takes it for done when that is nothing: the setting it was written for stays what the base says " +
			"(https://github.com/kubernetes-sigs/kustomize/issues/4379).",
		Example: "patches:\n  - path: replicas.yaml\n    target:\n      kind: Deployment\n      name: consumr",
		Fix:     "Correct kind and name of the target, or remove the entry.",
		check:   checkIdle,
	},
	{
		ID: "FLX011", Severity: findings.Warning, Title: "manifest that no kustomization lists",
		Why: "Beside a kustomization.yaml a file counts only when that lists it: a NetworkPolicy or a budget that was forgotten " +
			"there looks as if it were in force (https://github.com/kubernetes-sigs/kustomize/issues/5928).",
		Example: "# networkpolicy.yaml is in the same folder\nresources:\n  - deployment.yaml",
		Fix:     "List it, delete it, or name it in a comment of the kustomization.yaml that says why it is not applied.",
		check:   checkUnlisted,
	},
	{
		ID: "FLX012", Severity: findings.Error, Title: "variable that nothing substitutes",
		Why: "Flux substitutes only for a Kustomization with postBuild, and applies the variables of any other as they stand: " +
			"a name or an account is then literally ${NAME} (https://fluxcd.io/flux/components/kustomize/kustomizations/#post-build-variable-substitution). " +
			"Judged for variables that another Kustomization of the cluster has a value for; commands, texts of several lines and the " +
			"data of ConfigMaps and Secrets are left to the programs that read them.",
		Example: "kind: Kustomization\nspec:\n  path: ./apps/consumer # its manifests hold ${AWS_REGION}\n  # no postBuild",
		Fix:     "Add the postBuild that the other Kustomizations have, or escape the variable.",
		check:   checkUnsubstituted,
	},
}

func checkDependencies(r *Run) {
	for _, k := range slices.Concat(r.Cluster.Kustomizations(), r.Cluster.Releases()) {
		for i, reference := range k.Spec.DependsOn {
			namespace := reference.Namespace
			if namespace == "" {
				namespace = k.Namespace
			}
			place := on(k.Object, "spec", "dependsOn", i, "name")
			key := render.Key{GroupKind: k.Key().GroupKind, Namespace: namespace, Name: reference.Name}
			dependency := r.Cluster.Applier(key)
			switch {
			case dependency == k:
				r.report(place, "remove it", "%s depends on itself", k)
			case dependency == nil && r.Cluster.Get(key) == nil:
				fix, meant := r.suggestDependency(key)
				if !meant && r.Cluster.MayHaveMore() {
					continue
				}
				r.report(place, fix, "%s depends on %s %s/%s, which this cluster does not have", k, key.Kind, namespace, reference.Name)
			case dependency != nil && dependsOn(r.Cluster, dependency, k, nil):
				r.report(place, "break the cycle: what both need goes into a third "+key.Kind, "%s and %s depend on each other: neither starts", k, dependency)
			case model.Ancestor(k, dependencyOrSelf(dependency, k)) && dependency != nil:
				r.report(place, "depend on a Kustomization that this one does not apply", "%s depends on %s, which it applies itself", k, dependency)
			}
		}
	}
}

func dependencyOrSelf(dependency, k *render.Applier) *render.Applier {
	if dependency == nil {
		return k
	}
	return dependency
}

// suggestDependency says what to write instead of a dependency that is not there,
// and whether that is in all likelihood what was meant: an object depends on its
// own kind only.
func (r *Run) suggestDependency(missing render.Key) (fix string, meant bool) {
	same, others := r.Cluster.Kustomizations(), r.Cluster.Of("helm.toolkit.fluxcd.io", "HelmRelease")
	fix = "%s is a HelmRelease: depend on the Kustomization that applies it, with wait: true there"
	if missing.GroupKind != model.KustomizationKind {
		same, others = r.Cluster.Releases(), r.Cluster.Of(model.KustomizationKind.Group, model.KustomizationKind.Kind)
		fix = "%s is a Kustomization: let the one that applies the HelmRelease depend on it"
	}
	if slices.ContainsFunc(others, func(o *render.Object) bool { return o.GetName() == missing.Name }) {
		return fmt.Sprintf(fix, missing.Name), true
	}
	var names []string
	for _, k := range same {
		if k.Namespace == missing.Namespace {
			names = append(names, k.Name)
		} else if k.Name == missing.Name {
			return fmt.Sprintf("set the reference's namespace: %s", k.Namespace), true
		}
	}
	return didYouMean(missing.Name, names, fmt.Sprintf("name a %s of this cluster", missing.Kind)), spelling.Near(missing.Name, names) != ""
}

func dependsOn(c *model.Cluster, k, target *render.Applier, seen []*render.Applier) bool {
	if slices.Contains(seen, k) {
		return false
	}
	for _, dependency := range c.Dependencies(k) {
		if dependency == target || dependsOn(c, dependency, target, append(seen, k)) {
			return true
		}
	}
	return false
}

// failures reports what rendering itself ran into.
func (r *Run) failures(causes ...render.Cause) {
	for _, failure := range r.Cluster.Failures(causes...) {
		object := ""
		if failure.Applier != nil {
			object = failure.Applier.Key().String()
		}
		r.reportAt(object, failure.At, failure.Fix, "%s", failure.Message)
	}
}

func checkVariables(r *Run) {
	r.failures(render.VariableMissing)
	for _, emptied := range r.Cluster.Emptied {
		r.warnAt(emptied.Applier.Key().String(), emptied.At, emptied.Fix, "%s", emptied.Message)
	}
}

func checkBuilds(r *Run) { r.failures(render.BuildFailed, render.InvalidSpec) }

func checkIdle(r *Run) {
	reported := map[render.Location]bool{}
	for _, k := range r.Cluster.Kustomizations() {
		for _, idle := range k.Idle() {
			if reported[idle.At] {
				continue
			}
			reported[idle.At] = true
			subject := "no object of the build is a " + idle.Kind + " " + idle.Name
			if idle.Kind == "image" {
				subject = "nothing in the build runs image " + idle.Name
			}
			r.reportAt(k.Key().String(), idle.At, didYouMean(idle.Name, idle.Names, "correct the kind or the name, or remove the entry"),
				"%s: the entry applies to nothing", subject)
		}
	}
}

func checkUnlisted(r *Run) {
	reported := map[string]bool{}
	for _, k := range r.Cluster.Kustomizations() {
		for _, unlisted := range k.Unlisted() {
			if _, known := r.Cluster.Catalog.Lookup(unlisted.Kind); reported[unlisted.File] || !known {
				continue
			}
			reported[unlisted.File] = true
			r.reportAt(k.Key().String(), unlisted.At, "list it under resources, or delete it",
				"%s is not listed: %s %s is not applied", unlisted.File, unlisted.Kind.Kind, unlisted.Name)
		}
	}
}

func checkDefinitions(r *Run) {
	// On each API server its own.
	type defined struct{ target, kind string }
	definitions := map[defined]*render.Object{}
	for _, crd := range r.Cluster.Of("apiextensions.k8s.io", "CustomResourceDefinition") {
		definitions[defined{model.Target(crd), definedKind(crd)}] = crd
	}
	for _, xrd := range r.Cluster.Of("apiextensions.crossplane.io", "CompositeResourceDefinition") {
		definitions[defined{model.Target(xrd), definedKind(xrd)}] = xrd
	}
	reported := map[string]bool{}
	for _, o := range r.Cluster.All() {
		kind := o.GroupVersionKind().GroupKind()
		definition := definitions[defined{model.Target(o), kind.Kind + "." + kind.Group}]
		if definition == nil {
			continue
		}
		first, then := definition.Owner, o.Owner
		// A parent's definitions are a stage of their own: they stand before
		// the parent applies its children.
		if first == then || r.Cluster.Precedes(first, then) || model.Ancestor(first, then) && isCRD(definition) || r.bringsMore(then) {
			continue
		}
		if once := then.String() + kind.String(); !reported[once] {
			reported[once] = true
			r.report(on(o, "kind"), dependOn(then, first)+", or one that waits for it",
				"%s is a %s, whose definition %s applies; %s does not wait for it", o.Key(), kind.Kind, first, then)
		}
	}
}

// dependOn is the fix that lets one Kustomization or HelmRelease wait for
// another: each can depend on its own kind alone.
func dependOn(then, first *render.Applier) string {
	wait := ""
	if then.Release == nil && first.Release != nil {
		first, wait = first.Parent, ", with wait: true there"
	}
	if then.Release != nil && first.Release == nil {
		then = then.Parent
	}
	if then == first || model.Ancestor(then, first) {
		return fmt.Sprintf("move it into a Kustomization that depends on %s%s", first.Name, wait)
	}
	return fmt.Sprintf("add dependsOn to %s: %s%s", then, first.Name, wait)
}

func isCRD(o *render.Object) bool { return o.GetKind() == "CustomResourceDefinition" }

func definedKind(definition *render.Object) string {
	group, _, _ := unstructured.NestedString(definition.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "kind")
	return kind + "." + group
}

// given are the namespaces that every cluster has before Flux applies anything.
var given = []string{"default", "kube-system", "kube-public", "kube-node-lease", "flux-system"}

// isGiven tells whether a namespace is there before Flux applies anything: one of
// every cluster, or of those that a distribution keeps for itself.
func isGiven(namespace string) bool {
	return slices.Contains(given, namespace) || strings.HasPrefix(namespace, "openshift-") || strings.HasPrefix(namespace, "gke-")
}

func checkNamespaces(r *Run) {
	missing, root := map[string]bool{}, r.Cluster.Kustomizations()[0]
	for _, o := range r.Cluster.All() {
		namespaced, known := r.namespaced(o)
		if !known || !namespaced {
			continue
		}
		name := o.GetNamespace()
		if name == "" {
			r.report(on(o, "metadata"), "set metadata.namespace, or `namespace` in its kustomization.yaml", "%s has no namespace: Flux refuses it or puts it into `default`", o.Key())
			continue
		}
		if isGiven(name) || name == root.Namespace || missing[o.Owner.String()+name] {
			continue
		}
		namespace := r.Cluster.Find(o, "", "Namespace", "", name)
		switch {
		case namespace == nil && r.madeElsewhere(name):
		case namespace == nil:
			missing[o.Owner.String()+name] = true
			var names []string
			for _, n := range r.Cluster.Of("", "Namespace") {
				names = append(names, n.GetName())
			}
			r.report(on(o, "metadata", "namespace"), didYouMean(name, names, "add the Namespace to "+o.Owner.String()),
				"namespace %s of %s is created by nothing in this cluster", name, o.Key())
		case !r.namespacePrecedes(namespace, o) && !r.bringsMore(o.Owner):
			missing[o.Owner.String()+name] = true
			r.report(on(o, "metadata", "namespace"), dependOn(o.Owner, namespace.Owner),
				"namespace %s of %s is created by %s, which %s does not wait for", name, o.Key(), namespace.Owner, o.Owner)
		}
	}
}

// bringsMore tells whether what is unknown of a Kustomization, or of one that it
// waits for, may be what an object of it needs.
func (r *Run) bringsMore(then *render.Applier) bool {
	return slices.ContainsFunc(r.Cluster.Unknowns, func(unknown render.Unknown) bool {
		first := r.Cluster.Applier(unknown.Key)
		return !unknown.Values && !unknown.Composed && first != nil && (first == then || r.Cluster.Precedes(first, then))
	})
}

func (r *Run) namespacePrecedes(namespace, o *render.Object) bool {
	return namespace.Owner == o.Owner || model.Ancestor(namespace.Owner, o.Owner) || r.Cluster.Precedes(namespace.Owner, o.Owner)
}

// madeElsewhere tells whether a namespace may come from what is unknown here,
// or from a HelmRelease that creates it.
func (r *Run) madeElsewhere(name string) bool {
	if r.Cluster.Incomplete() {
		return true
	}
	return slices.ContainsFunc(r.Cluster.Of("helm.toolkit.fluxcd.io", "HelmRelease"), func(release *render.Object) bool {
		create, _, _ := unstructured.NestedBool(release.Object, "spec", "install", "createNamespace")
		target, _, _ := unstructured.NestedString(release.Object, "spec", "targetNamespace")
		return create && target == name
	})
}

func checkOwners(r *Run) {
	seen := map[string]bool{}
	for _, o := range r.Cluster.All() {
		same := r.Cluster.Same(o, o.Key())
		if len(same) < 2 || same[0] == o || same[0].Owner == o.Owner || shares(o) || shares(same[0]) {
			continue
		}
		if once := o.Key().String() + o.Owner.String(); !seen[once] {
			seen[once] = true
			r.report(on(o, "metadata", "name"), fmt.Sprintf("keep it where %s has it (%s) and let %s depend on that", same[0].Owner, same[0].Locate("metadata", "name"), o.Owner),
				"%s is applied by %s and by %s", o.Key(), same[0].Owner, o.Owner)
		}
	}
}

// shares tells whether an object may have more than one owner: a chart's
// definition that is left alone where there is one, or one that says so itself,
// https://fluxcd.io/flux/components/kustomize/kustomizations/#controlling-the-apply-behavior-of-resources
func shares(o *render.Object) bool {
	if o.Bundled && o.Owner.Release.GetInstall().CRDs != helmv2.CreateReplace {
		return true
	}
	switch strings.ToLower(o.GetAnnotations()["kustomize.toolkit.fluxcd.io/ssa"]) {
	case "merge", "ifnotpresent", "ignore":
		return true
	}
	return o.GetAnnotations()["kustomize.toolkit.fluxcd.io/reconcile"] == "disabled"
}
