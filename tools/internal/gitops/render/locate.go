package render

import (
	"cmp"
	"path"
	"regexp"
	"slices"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// Locate returns the place that sets a field of the object: the last one that changes it,
// or else the manifest, or else the generator of the object. The field's elements are
// keys and list indices. In the data of a generated ConfigMap, further elements lead into
// the YAML of its file. For a field that is not set, it returns the closest field around
// it. A composed object's fields are set in its composite resource.
func (o *Object) Locate(field ...any) Location {
	if o.Composite != nil {
		return o.Composite.Locate("spec")
	}
	k := o.Owner
	if k == nil || k.Build == nil {
		return o.at
	}
	subject := o.subject()
	if len(field) > 0 {
		for _, find := range []func(origin.Subject, []any) (Location, bool){
			k.inSpecFields, k.inSpecImages, k.Build.InImages, k.inPatches, k.Build.InSettings, k.Build.InGenerators,
		} {
			if at, found := find(subject, field); found {
				return at
			}
		}
	}
	if at, found := k.Build.Whole(subject, field); found {
		return at
	}
	return k.Locate("spec", "path")
}

// Generated reports whether the object's manifest says that a program writes it, as that
// of `flux bootstrap` does.
func (o *Object) Generated() bool {
	if o.Composite != nil || o.Owner == nil || o.Owner.Build == nil {
		return false
	}
	manifest := o.Owner.Build.Manifest(o.subject())
	return manifest != nil && manifest.File.Generated()
}

// subject returns the object as its build's files describe it.
func (o *Object) subject() origin.Subject {
	name, _ := origin.ValueAt(o.template, []any{"metadata", "name"}).(string)
	return origin.Subject{Unstructured: o.Unstructured, Template: o.template, Name: cmp.Or(name, o.GetName())}
}

// find returns the first line in the object's sources that a pattern matches.
func (o *Object) find(pattern *regexp.Regexp) Location {
	if at, found := o.Owner.Build.Find(o.subject(), pattern, o.Owner.specPatch); found {
		return at
	}
	return o.Locate()
}

// Locate returns the place of a field of the applier's own object. For a root that
// nothing in the repository declares, it is the folder.
func (k *Applier) Locate(field ...any) Location {
	if k.Object == nil {
		return Location{File: path.Clean(k.Spec.Path)}
	}
	return k.Object.Locate(field...)
}

// inSpecFields finds what the Kustomization's own spec sets, after the build or instead
// of it.
func (k *Applier) inSpecFields(s origin.Subject, field []any) (Location, bool) {
	if k.Object == nil {
		return Location{}, false
	}
	said := func(where ...any) (Location, bool) { return k.Object.Locate(where...), true }
	if slices.Equal(field, []any{"metadata", "namespace"}) && k.Spec.TargetNamespace != "" && s.GetNamespace() == k.Spec.TargetNamespace {
		return said("spec", "targetNamespace")
	}
	if meta := k.Spec.CommonMetadata; meta != nil && len(field) == 3 && field[0] == "metadata" {
		pairs := map[any]map[string]string{"labels": meta.Labels, "annotations": meta.Annotations}[field[1]]
		if key, _ := field[2].(string); pairs[key] != "" {
			return said("spec", "commonMetadata", field[1], key)
		}
	}
	return Location{}, false
}

// inSpecImages finds the `images` entry in the Kustomization that changed an image.
func (k *Applier) inSpecImages(s origin.Subject, field []any) (Location, bool) {
	image, _ := origin.ValueAt(s.Template, field).(string)
	if field[len(field)-1] != "image" || image == "" {
		return Location{}, false
	}
	for i, entry := range k.Spec.Images {
		if origin.SetsImage(image, entry.Name, entry.NewName, entry.NewTag, entry.Digest) {
			return k.Locate("spec", "images", i, origin.ImageField(entry.NewTag, entry.Digest)), true
		}
	}
	return Location{}, false
}

func (k *Applier) inPatches(s origin.Subject, field []any) (Location, bool) {
	return k.Build.InPatches(s, field, k.specPatch)
}

// specPatch returns the documents of a patch in the Kustomization's spec.
func (k *Applier) specPatch(p origin.Patch) []*origin.Document {
	if k.Object == nil || k.Object.Owner.Build == nil {
		return p.Documents
	}
	m := k.Object.Owner.Build.Manifest(k.Object.subject())
	if m == nil {
		return nil
	}
	field := []any{"spec", "patches", p.Index, "patch"}
	_, scalar, depth := origin.Follow(m.Root, field, nil)
	if depth < len(field) {
		// The Kustomization is patched itself, so only the field is known.
		at := k.Object.Locate("spec", "patches")
		return origin.ParseDocuments(&origin.File{Name: at.File}, []byte(p.Text), at.Line-1)
	}
	return origin.ParseDocuments(m.File, []byte(p.Text), origin.TextOffset(scalar)+m.Offset)
}
