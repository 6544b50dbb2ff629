package helm

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	releasev1 "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/kio"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/kustomize"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/limits"
)

const definitionKind = "CustomResourceDefinition"

// definitions returns the CustomResourceDefinitions in the chart's crds folders;
// helm-controller ignores other objects there.
func (r Release) definitions() ([]*unstructured.Unstructured, error) {
	var definitions []*unstructured.Unstructured
	if r.GetInstall().CRDs == helmv2.Skip {
		return nil, nil
	}
	for _, crd := range r.Chart.CRDObjects() {
		for _, document := range documentsOf(string(crd.File.Data)) {
			var content map[string]any
			err := limits.Check([]byte(document))
			if err == nil {
				err = yaml.Unmarshal([]byte(document), &content)
			}
			if err != nil {
				return nil, Refuse(BuildFailed, r.templateOf(crd.Filename+":1"), crd.Filename, "correct the file", "%s: %v", crd.Filename, err)
			}
			u := &unstructured.Unstructured{Object: content}
			if u.GetKind() != definitionKind || u.GetName() == "" {
				continue
			}
			SetStrings(u, "labels", r.originLabels())
			SetStrings(u, "annotations", map[string]string{templateKey: crd.Filename})
			definitions = append(definitions, u)
		}
	}
	return definitions, nil
}

// documentsOf splits a rendered template into documents as Helm does.
func documentsOf(text string) []string {
	split := releaseutil.SplitManifests(text)
	names := slices.Collect(maps.Keys(split))
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	documents := make([]string, 0, len(names))
	for _, name := range names {
		documents = append(documents, split[name])
	}
	return documents
}

// templateKey is Helm's annotation with which an object keeps the name of its template
// during post-rendering.
const templateKey = "postrenderer.helm.sh/postrender-filename"

// postRender parses rendered templates and runs the post-renderers. The last one is
// helm-controller's own, which sets Flux's labels and rejects duplicate objects. Hooks go
// through them, too, unless the release says otherwise.
func (r Release) postRender(files map[string]string) ([]*unstructured.Unstructured, error) {
	var templates []*kyaml.RNode
	apart := cmp.Or(r.Spec.PostRenderStrategy, helmv2.PostRenderStrategyCombined) != helmv2.PostRenderStrategyCombined
	size := 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if size += len(files[name]); size > limits.MaxFile {
			return nil, fmt.Errorf("%s: the templates make more than %d MB", name, limits.MaxFile>>20)
		}
		if path.Base(name) == "NOTES.txt" {
			continue
		}
		for _, document := range documentsOf(files[name]) {
			nodes, err := nodesOf(document)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			for _, node := range nodes {
				if apart && len(node.GetAnnotations(releasev1.HookAnnotation)) > 0 {
					continue
				}
				if err := node.PipeE(kyaml.SetAnnotation(templateKey, name)); err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
				templates = append(templates, node)
			}
		}
	}
	if len(templates) == 0 {
		return nil, nil
	}
	text, err := kio.StringAll(templates)
	if err != nil {
		return nil, err
	}
	for _, renderer := range r.Spec.PostRenderers {
		if text, err = patched(text, renderer); err != nil {
			return nil, err
		}
	}
	return r.labelled(text)
}

func nodesOf(document string) (nodes []*kyaml.RNode, err error) {
	defer limits.Recover(&err)
	if err := limits.Check([]byte(document)); err != nil {
		return nil, err
	}
	return kio.ParseAll(document)
}

// patched returns the manifests after one post-renderer.
func patched(manifests string, renderer helmv2.PostRenderer) (string, error) {
	if renderer.Kustomize == nil {
		return manifests, nil
	}
	for _, patch := range renderer.Kustomize.Patches {
		if err := limits.Check([]byte(patch.Patch)); err != nil {
			return "", fmt.Errorf("a patch of postRenderers: %w", err)
		}
	}
	kustomization, err := yaml.Marshal(map[string]any{
		"resources": []string{"chart.yaml"}, "patches": renderer.Kustomize.Patches, "images": renderer.Kustomize.Images,
	})
	if err != nil {
		return "", err
	}
	files := filesys.MakeFsInMemory()
	if err := errors.Join(files.WriteFile("chart.yaml", []byte(manifests)), files.WriteFile("kustomization.yaml", kustomization)); err != nil {
		return "", err
	}
	built, err := kustomize.Run(files, ".", false)
	if err != nil {
		return "", err
	}
	again, err := built.AsYaml()
	return string(again), err
}

// labelled returns the objects of manifests with the labels by which helm-controller
// recognizes them. A duplicate object is an error.
func (r Release) labelled(manifests string) ([]*unstructured.Unstructured, error) {
	resources, err := kustomize.Parse([]byte(manifests))
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for _, data := range resources {
		decoded, err := kustomize.Decode(data)
		if err != nil {
			return nil, err
		}
		objects = append(objects, decoded...)
	}
	for _, u := range objects {
		if common := r.Spec.CommonMetadata; common != nil {
			SetStrings(u, "labels", common.Labels)
			SetStrings(u, "annotations", common.Annotations)
		}
		SetStrings(u, "labels", r.originLabels())
	}
	return objects, nil
}
