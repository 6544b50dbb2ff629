package render

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/diagnose"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/kustomize"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/source"
)

// outcome is what one applier applies, and what prevents the rest. Only the walk adds it
// to the cluster.
type outcome struct {
	objects           []*Object
	failures, emptied []Failure
	unknowns          []Unknown
	outside           []Outside
}

// render renders one Kustomization: its source, its build, its variables.
func (w *walk) render(ctx context.Context, k *Applier) (outcome, error) {
	key := sourceKey(k.Namespace, k.Spec.SourceRef)
	from, err := w.artifact(ctx, key, nil)
	absent, isAbsent := errors.AsType[source.Unresolved](err)
	undeclared, isUndeclared := errors.AsType[noSource](err)
	switch {
	case isAbsent:
		return outcome{unknowns: []Unknown{unknown(k.Object, absent.Reason, "spec", "sourceRef")}}, nil
	case isUndeclared:
		failure := undeclared.failure(k, k.Locate("spec", "sourceRef", w.wrong(key)), "sourceRef")
		return outcome{failures: []Failure{failure}}, nil
	case err != nil:
		return outcome{}, err
	}
	return w.build(ctx, k, from)
}

// build turns a Kustomization and its artifact into objects.
func (w *walk) build(ctx context.Context, k *Applier, from *artifact.Artifact) (outcome, error) {
	var result outcome
	refuse := func(cause Cause, at Location, fix, format string, args ...any) (outcome, error) {
		failure := Failure{Cause: cause, Applier: k, Subject: k.Spec.Path, Fix: fix, At: at, Message: fmt.Sprintf(format, args...)}
		result.failures = append(result.failures, failure)
		return result, nil
	}
	path := k.Locate("spec", "path")
	dir, err := folderOf(from, k)
	if err != nil {
		return refuse(PathMissing, path, "name a folder of the source", "path %s: %v", k.Spec.Path, err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return refuse(PathMissing, path, "name a folder that the source holds; .sourceignore may leave it out",
			"path %s is no folder of its source", k.Spec.Path)
	}
	if k.Build, err = w.cacheFor(from).Build(from, dir, k.typed()); err != nil {
		return outcome{}, err
	}
	k.Files = k.Build.KustomizationFiles()
	for _, remote := range k.Build.Remote {
		result.unknowns = append(result.unknowns,
			Unknown{Key: k.Key(), Object: k.Object, Reason: remote.String(), At: remote.At, Entry: remote.Entry})
	}
	switch err := k.Build.Err; {
	case err != nil && len(k.Build.Remote) > 0 && diagnose.Certain(k.Build.Tree, err) == nil:
		// The failure may be caused by content that only the network has.
		return result, nil
	case errors.Is(err, kustomize.ErrEmpty):
		return refuse(PathEmpty, path, "put manifests there, or correct the path; .sourceignore may leave them out",
			"path %s holds no manifest", k.Spec.Path)
	case err != nil:
		cause := diagnose.Of(k.Build.Tree, err)
		return refuse(BuildFailed, cmp.Or(cause.At, k.inSpec(err), path), cause.Fix,
			"kustomize build failed: %s", k.Build.Explain(cause))
	}
	err = w.objects(ctx, k, &result)
	return result, err
}

func folderOf(from *artifact.Artifact, k *Applier) (string, error) {
	return securejoin.SecureJoin(from.Dir, k.Spec.Path)
}

// buildAhead builds Kustomizations whose source is available while the walk, which
// renders one after the other, is busy. The builds are in the cache when the walk needs
// them. An error is reported then, not now.
func (w *walk) buildAhead(ctx context.Context) {
	for _, k := range w.pending {
		key := sourceKey(k.Namespace, k.Spec.SourceRef)
		if w.begun[k] || !w.hasSource(key) {
			continue
		}
		from, err := w.artifact(ctx, key, nil)
		if err != nil {
			w.begun[k] = true
			continue
		}
		dir, err := folderOf(from, k)
		kustomization := k.typed()
		begun := w.ahead.TryGo(func() error {
			if info, statErr := os.Stat(dir); err == nil && statErr == nil && info.IsDir() && ctx.Err() == nil {
				_, _ = w.cacheFor(from).Build(from, dir, kustomization)
			}
			return nil
		})
		if !begun {
			return // all processors are busy
		}
		w.begun[k] = true
	}
}

// typed returns the Kustomization as kustomize-controller passes it on.
func (k *Applier) typed() *kustomizev1.Kustomization {
	typed := &kustomizev1.Kustomization{Spec: k.Spec}
	typed.Name, typed.Namespace = k.Name, k.Namespace
	return typed
}

// inSpec returns the line in the Kustomization's own spec that a build error is about.
func (k *Applier) inSpec(err error) Location {
	for i, component := range k.Spec.Components {
		if strings.Contains(err.Error(), component) {
			return k.Locate("spec", "components", i)
		}
	}
	return Location{}
}

// objects turns the build's resources into objects as kustomize-controller does: it
// decrypts, then substitutes.
func (w *walk) objects(ctx context.Context, k *Applier, into *outcome) error {
	variables, err := w.variables(ctx, k, into)
	if err != nil {
		return err
	}
	for _, ignored := range diagnose.Ignored(k.Build.Tree) {
		into.failures = append(into.failures, buildFailure(k, ignored.At, ignored.Fix, ignored))
	}
	for _, data := range k.Build.Resources {
		template, err := kustomize.Decode(data)
		if err != nil {
			into.failures = append(into.failures, buildFailure(k, k.Locate("spec", "path"), "correct the manifest", err))
			continue
		}
		if k.Spec.Decryption != nil && len(template) > 0 && kustomize.ReplaceEncrypted(template[0]) {
			if data, err = json.Marshal(template[0]); err != nil {
				return err
			}
		}
		results := template
		if variables != nil && len(template) > 0 {
			object := &Object{Unstructured: template[0], Owner: k, template: template[0].Object}
			substituted, refused := variables.substitute(ctx, object, data)
			into.failures = append(into.failures, refused...)
			if len(substituted) > 0 {
				results = substituted
			}
		}
		for i, result := range results {
			object := &Object{Unstructured: result, Owner: k, template: result.Object}
			if i < len(template) {
				object.template = template[i].Object
			}
			if kustomize.IsEncryptedSecret(result) {
				into.failures = append(into.failures, Failure{
					Cause: InvalidSpec, Applier: k, Subject: object.Key().String(), At: object.Locate("sops"),
					Message: fmt.Sprintf("%s is encrypted, and %s has no spec.decryption: Flux refuses it", object.Key(), k),
					Fix:     "set spec.decryption of the Kustomization",
				})
			}
			into.objects = append(into.objects, object)
		}
	}
	if variables != nil {
		into.emptied = append(into.emptied, variables.emptied...)
	}
	if variables != nil && variables.lacking {
		into.unknowns = append(into.unknowns, variables.absent...)
	}
	return nil
}

func buildFailure(k *Applier, at Location, fix string, err error) Failure {
	return Failure{Cause: BuildFailed, Applier: k, Message: err.Error(), Fix: fix, At: at}
}
