package origin

import (
	"cmp"
	"slices"
	"strings"
)

// InImages finds the `images` entry that changed an image.
func (t *Tree) InImages(s Subject, field []any) (Location, bool) {
	image, _ := ValueAt(s.Template, field).(string)
	if field[len(field)-1] != "image" || image == "" {
		return Location{}, false
	}
	from := t.Manifest(s)
	for _, l := range t.LayerFiles() {
		if from != nil && !l.Transforms(from.layer) {
			continue
		}
		for i, entry := range l.Images {
			if !SetsImage(image, entry.Name, entry.NewName, entry.NewTag, entry.Digest) {
				continue
			}
			for _, d := range l.documents {
				if node, _, depth := Follow(d.Root, []any{"images", i, ImageField(entry.NewTag, entry.Digest)}, nil); depth >= 2 {
					return d.At(node), true
				}
			}
		}
	}
	return Location{}, false
}

// ImageField returns the field of an `images` entry that sets the version.
func ImageField(tag, digest string) string {
	switch {
	case digest != "":
		return "digest"
	case tag != "":
		return "newTag"
	default:
		return "newName"
	}
}

// SetsImage reports whether an `images` entry may have produced an image.
func SetsImage(image, name, newName, newTag, digest string) bool {
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

// InSettings finds a field that the kustomization's own fields set: the namespace,
// labels, annotations, replicas.
func (t *Tree) InSettings(s Subject, field []any) (Location, bool) {
	content := ValueAt(s.Template, field)
	for _, l := range t.LayerFiles() {
		for _, setting := range l.settings(s, field) {
			for _, d := range l.documents {
				name, value, depth := Follow(d.Root, setting, nil)
				if depth == len(setting) && says(value, content) {
					return d.At(name), true
				}
			}
		}
	}
	return Location{}, false
}

// settings returns the fields of a kustomization that may set a field of an object.
func (l LayerFile) settings(s Subject, field []any) [][]any {
	var settings [][]any
	switch {
	case slices.Equal(field, []any{"metadata", "namespace"}):
		settings = append(settings, []any{"namespace"})
	case slices.Equal(field, []any{"spec", "replicas"}):
		for i, replica := range l.Replicas {
			if strings.Contains(s.Name, replica.Name) {
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
