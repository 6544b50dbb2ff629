package render

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/chartutil"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/helm"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/source"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

// enqueueRelease registers a HelmRelease that a Kustomization or another release applies.
func (w *walk) enqueueRelease(object *Object, parent *Applier) {
	key := object.Key()
	if w.known[key] {
		return
	}
	if w.skipOpen(object) {
		return
	}
	k := &Applier{
		Object: object, Parent: parent, Namespace: object.GetNamespace(), Name: object.GetName(), Release: &helmv2.HelmRelease{},
		outside: parent.outside,
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, k.Release); err != nil {
		w.cluster.Failures = append(w.cluster.Failures, Failure{
			Cause: InvalidSpec, Applier: k, Message: fmt.Sprintf("%s: %v", k, err),
			Fix: "compare it with the specification of " + helmv2.GroupVersion.String(), At: object.Locate("spec"),
		})
		return
	}
	if k.Release.Spec.Suspend {
		w.skip(object, "it is suspended: Flux installs nothing of it", "spec", "suspend")
		return
	}
	// The fields that a Kustomization's specification would have.
	k.Spec = kustomizev1.KustomizationSpec{
		DependsOn: k.Release.Spec.DependsOn, KubeConfig: k.Release.Spec.KubeConfig,
		Prune: true, Wait: !k.Release.GetInstall().GetDisableWait(),
	}
	w.known[key] = true
	w.releases = append(w.releases, k)
}

// installable reports whether everything that a HelmRelease needs is applied.
func (w *walk) installable(k *Applier) bool {
	for _, dependency := range k.Spec.DependsOn {
		key := Key{helmReleaseKind, cmp.Or(dependency.Namespace, k.Namespace), dependency.Name}
		if w.applied[key] == nil && !w.skipped[key] {
			return false
		}
	}
	for _, reference := range k.Release.Spec.ValuesFrom {
		if !reference.Optional && w.cluster.index[valuesKey(k, reference)] == nil {
			return false
		}
	}
	ref, err := w.chartReference(k)
	return err == nil && w.hasSource(ref.source)
}

// install renders a HelmRelease and handles the objects as if they were applied.
func (w *walk) install(ctx context.Context, k *Applier) error {
	w.cluster.Releases = append(w.cluster.Releases, k)
	w.applied[k.Key()] = k
	result, err := w.release(ctx, k)
	if err != nil {
		return err
	}
	w.take(result, k)
	return nil
}

// release renders what helm-controller would install. Failures and unknown parts are in
// the outcome.
func (w *walk) release(ctx context.Context, k *Applier) (result outcome, err error) {
	result.objects, result.outside, err = w.installed(ctx, k)
	absent, isAbsent := errors.AsType[source.Unresolved](err)
	undeclared, isUndeclared := errors.AsType[noSource](err)
	refusal, isRefused := errors.AsType[helm.Refusal](err)
	switch {
	case isAbsent:
		result.unknowns = []Unknown{unknown(k.Object, absent.Reason, helm.ChartField(k.Release)...)}
	case isUndeclared:
		result.refuse(undeclared.failure(k, k.Locate(helm.ChartField(k.Release)...), k.String()))
	case isRefused:
		result.refuse(Failure{
			Cause: Cause(refusal.Problem), Applier: k, Subject: refusal.Subject, At: refusal.At, Fix: refusal.Fix,
			Message: fmt.Sprintf("%s: %s", k, refusal.Message),
		})
	case err != nil:
		return outcome{}, fmt.Errorf("%s: %w", k, err)
	}
	return result, nil
}

// refuse records why a HelmRelease is not installed. The content of its chart is then
// unknown, so that nothing is reported as missing because of it.
func (o *outcome) refuse(f Failure) {
	o.failures = append(o.failures, f)
	o.unknowns = append(o.unknowns,
		unknown(f.Applier.Object, "it cannot be installed as it stands", helm.ChartField(f.Applier.Release)...))
}

func (w *walk) installed(ctx context.Context, k *Applier) ([]*Object, []Outside, error) {
	values, outside, err := w.values(ctx, k)
	if err != nil {
		return nil, outside, err
	}
	chart, err := w.chart(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	k.Chart = chart
	release := helm.Release{HelmRelease: k.Release, Chart: chart, Values: values, Locate: k.Locate}
	rendered, err := release.Render(ctx, w.kinds.known())
	if err != nil {
		return nil, nil, err
	}
	var objects []*Object
	for _, o := range rendered {
		objects = append(objects, &Object{
			Unstructured: o.Unstructured, Owner: k, Bundled: o.Bundled, template: o.Object, at: o.At,
		})
	}
	return objects, nil, nil
}

// values composes the values of a HelmRelease from rendered ConfigMaps and Secrets, with
// helm-controller's own code. One that is not rendered is made outside of the repository,
// and the values of an encrypted Secret are unknown.
func (w *walk) values(ctx context.Context, k *Applier) (map[string]any, []Outside, error) {
	from := k.Release.Spec.ValuesFrom
	for i, reference := range from {
		key := valuesKey(k, reference)
		object := w.cluster.index[key]
		k.outside = k.outside || object != nil && object.Owner.outside
		missing := object == nil && !reference.Optional
		switch {
		case missing:
			var outside []Outside
			if reference.Kind != "Secret" {
				outside = []Outside{{By: k, Key: key, At: k.Locate("spec", "valuesFrom", i, "name")}}
			}
			return nil, outside, source.Unresolved{
				Reason: fmt.Sprintf("its values come from %s, which is made outside of the repository", key),
			}
		case reference.Kind == "Secret" && reference.TargetPath == "":
			var secret corev1.Secret
			err := rendered{cluster: w.cluster}.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Name}, &secret)
			if err == nil && string(secret.Data[reference.GetValuesKey()]) == Encrypted {
				return nil, nil, source.Unresolved{Reason: fmt.Sprintf("its values come from %s, which is encrypted", key)}
			}
		}
	}
	values, err := chartutil.ChartValuesFromReferences(ctx, logr.Discard(), rendered{cluster: w.cluster},
		k.Namespace, k.Release.GetValues(), from...)
	if err != nil {
		err = helm.Refuse(helm.InvalidSpec, k.Locate("spec", "valuesFrom"), k.Name,
			"correct valuesFrom, or the object that it names", "%v", err)
	}
	return values, nil, err
}

func valuesKey(k *Applier, reference helmv2.ValuesReference) Key {
	return Key{runtimeschema.GroupKind{Kind: reference.Kind}, k.Namespace, reference.Name}
}

// chartReference is the chart that a HelmRelease installs, whether its own fields or a
// HelmChart name it.
type chartReference struct {
	source Key
	helmv2.HelmChartTemplateSpec
}

// chartReference resolves a HelmRelease's chart or chartRef.
func (w *walk) chartReference(k *Applier) (chartReference, error) {
	var ref chartReference
	switch spec := k.Release.Spec; {
	case spec.Chart != nil:
		ref.HelmChartTemplateSpec = spec.Chart.Spec
	case spec.ChartRef != nil:
		ref.SourceRef = helmv2.CrossNamespaceObjectReference(*spec.ChartRef)
	default:
		return ref, helm.Refuse(helm.InvalidSpec, k.Locate("spec"), k.Name, "set spec.chart or spec.chartRef", "no chart is named")
	}
	ref.source = sourceKey(k.Namespace, kustomizev1.CrossNamespaceSourceReference(ref.SourceRef))
	if object := w.cluster.index[ref.source]; ref.source.Kind == sourcev1.HelmChartKind && object != nil {
		// A HelmChart's specification has the fields of spec.chart.spec.
		content, _, _ := unstructured.NestedMap(object.Object, "spec")
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &ref.HelmChartTemplateSpec); err != nil {
			return ref, source.Unresolved{Reason: fmt.Sprintf("%s is malformed: %v", ref.source, err)}
		}
		ref.source = sourceKey(object.GetNamespace(), kustomizev1.CrossNamespaceSourceReference(ref.SourceRef))
	}
	return ref, nil
}

// chart loads the chart of a HelmRelease as source-controller packages it: from an
// artifact, with its dependencies, or from the folders of Options.Charts.
func (w *walk) chart(ctx context.Context, k *Applier) (*helm.Chart, error) {
	ref, err := w.chartReference(k)
	if err != nil {
		return nil, err
	}
	at := k.Locate(helm.ChartField(k.Release)...)
	var found *helm.Chart
	switch object := w.cluster.index[ref.source]; {
	case ref.source.Kind != sourcev1.HelmRepositoryKind && ref.source.Kind != sourcev1.OCIRepositoryKind:
		from, err := w.artifact(ctx, ref.source, nil)
		if err != nil {
			return nil, err
		}
		charts := helm.Library{Folders: w.charts, Files: &w.cacheFor(from).Files}
		if found, err = charts.Packed(from, ref.Chart, at); err != nil {
			return nil, err
		}
	case object == nil:
		return nil, noSource{key: ref.source}
	default:
		if found, err = w.pulled(object, ref, at); err != nil {
			return nil, err
		}
	}
	return found, found.SetValues(ref.HelmChartTemplateSpec, at)
}

// pulled returns the chart of a HelmRepository or OCIRepository.
func (w *walk) pulled(repository *Object, ref chartReference, at Location) (*helm.Chart, error) {
	url, _, _ := unstructured.NestedString(repository.Object, "spec", "url")
	name, version, pull := path.Base(ref.Chart), ref.Version, fmt.Sprintf("%s --repo %s", ref.Chart, url)
	if ref.source.Kind == sourcev1.OCIRepositoryKind {
		name = path.Base(url)
		tag, _, _ := unstructured.NestedString(repository.Object, "spec", "ref", "tag")
		constraint, _, _ := unstructured.NestedString(repository.Object, "spec", "ref", "semver")
		if digest, _, _ := unstructured.NestedString(repository.Object, "spec", "ref", "digest"); digest != "" && tag == "" {
			return nil, source.Unresolved{
				Reason: fmt.Sprintf("%s names chart %s by its digest: add the tag, which Flux then ignores", ref.source, name),
			}
		}
		version = cmp.Or(constraint, tag)
		pull = url
	} else if strings.HasPrefix(url, "oci://") {
		pull = strings.TrimSuffix(url, "/") + "/" + ref.Chart
	}
	return helm.Library{Folders: w.charts}.Pulled(name, version, ref.source.String(), pull, at)
}

// kinds are the built-in kinds, and the kinds that the cluster defines.
type kinds struct {
	catalog  *schema.Catalog
	declared []*unstructured.Unstructured // not in the catalog yet
}

// known returns a catalog of all kinds so far. It is built only when a HelmRelease needs
// it.
func (k *kinds) known() *schema.Catalog {
	if k.catalog == nil {
		k.catalog = schema.Builtin()
	}
	k.catalog, k.declared = k.catalog.With(k.declared), nil
	return k.catalog
}
