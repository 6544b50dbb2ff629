package render

import (
	"cmp"
	"slices"
	"strings"
)

// locateInFlux finds what the Kustomization's own spec sets after, or instead
// of, the build's.
func (k *Applier) locateInFlux(o *Object, field []any) (Location, bool) {
	if k.Object == nil {
		return Location{}, false
	}
	said := func(where ...any) (Location, bool) { return k.Object.Locate(where...), true }
	if slices.Equal(field, []any{"metadata", "namespace"}) && k.Spec.TargetNamespace != "" && o.GetNamespace() == k.Spec.TargetNamespace {
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

// locateInImages finds the `images` entry that rewrote an image.
func (k *Applier) locateInImages(o *Object, field []any) (Location, bool) {
	image, _ := valueAt(o.template, field).(string)
	if field[len(field)-1] != "image" || image == "" {
		return Location{}, false
	}
	for i, entry := range k.Spec.Images {
		if setsImage(image, entry.Name, entry.NewName, entry.NewTag, entry.Digest) {
			return k.locate("spec", "images", i, imageField(entry.NewTag, entry.Digest)), true
		}
	}
	from := k.build.manifest(o)
	for _, l := range k.build.origin().layers {
		if from != nil && !l.transforms(from.layer) {
			continue
		}
		for i, entry := range l.Images {
			if !setsImage(image, entry.Name, entry.NewName, entry.NewTag, entry.Digest) {
				continue
			}
			for _, d := range l.documents {
				if node, _, depth := follow(d.root, []any{"images", i, imageField(entry.NewTag, entry.Digest)}, nil); depth >= 2 {
					return d.at(node), true
				}
			}
		}
	}
	return Location{}, false
}

// imageField is the field of an entry that says the version.
func imageField(tag, digest string) string {
	switch {
	case digest != "":
		return "digest"
	case tag != "":
		return "newTag"
	default:
		return "newName"
	}
}

func setsImage(image, name, newName, newTag, digest string) bool {
	rest, found := strings.CutPrefix(image, cmp.Or(newName, name))
	switch {
	case !found:
		return false
	case digest != "":
		return strings.HasSuffix(rest, "@"+digest)
	case newTag != "":
		return rest == ":"+newTag
	default:
		return newName != "" && (rest == "" || rest[0] == ':' || rest[0] == '@')
	}
}

// locateInSettings finds what a kustomization's own fields set: the namespace,
// labels, annotations, replicas.
func (k *Applier) locateInSettings(o *Object, field []any) (Location, bool) {
	content := valueAt(o.template, field)
	for _, l := range k.build.origin().layers {
		for _, setting := range l.settings(o, field) {
			for _, d := range l.documents {
				name, value, depth := follow(d.root, setting, nil)
				if depth == len(setting) && says(value, content) {
					return d.at(name), true
				}
			}
		}
	}
	return Location{}, false
}

// settings are the fields of a kustomization that may set a field of an object.
func (l origin) settings(o *Object, field []any) [][]any {
	var settings [][]any
	switch {
	case slices.Equal(field, []any{"metadata", "namespace"}):
		settings = append(settings, []any{"namespace"})
	case slices.Equal(field, []any{"spec", "replicas"}):
		for i, replica := range l.Replicas {
			if strings.Contains(o.templateName(), replica.Name) {
				settings = append(settings, []any{"replicas", i, "count"})
			}
		}
	case len(field) < 2:
	case field[len(field)-2] == "annotations":
		settings = append(settings, []any{"commonAnnotations", field[len(field)-1]})
	case field[len(field)-2] == "labels" || field[len(field)-2] == "matchLabels":
		settings = append(settings, []any{"commonLabels", field[len(field)-1]})
		for i := range l.Labels {
			settings = append(settings, []any{"labels", i, "pairs", field[len(field)-1]})
		}
	}
	return settings
}
