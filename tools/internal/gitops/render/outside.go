package render

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
)

// settle judges missing inputs once everything possible is rendered. One with a misspelt
// name is a failure. One that an unknown part, or somebody outside of the repository, may
// supply is unknown.
func (w *walk) settle() {
	w.noteSurroundings()
	mayHaveMore := w.cluster.MayHaveMore()
	for _, o := range w.outside {
		if fix := w.wrongReference(o, mayHaveMore); fix != "" {
			w.cluster.Failures = append(w.cluster.Failures, o.failure(fix))
			continue
		}
		if o.By.Release == nil {
			w.cluster.Unknowns = append(w.cluster.Unknowns, substitutesFromOutside(o.By, o.Key, o.At))
		}
		if !mayHaveMore && w.cluster.index[o.Key] == nil {
			w.cluster.Outside = append(w.cluster.Outside, o)
		}
	}
	if mayHaveMore {
		w.excuse()
	}
}

// wrongReference returns the fix for a missing ConfigMap, or empty: an object that needs
// this Kustomization applies it, it is in another namespace, or the name is misspelt.
func (w *walk) wrongReference(o Outside, mayHaveMore bool) string {
	if object := w.cluster.index[o.Key]; object != nil {
		if w.needs(object.Owner, o.By, nil) {
			return "apply it with a Kustomization that this one does not need, into the same namespace, or mark the reference optional"
		}
		return ""
	}
	var names []string
	elsewhere, cloned := "", false
	for _, key := range w.keys() {
		switch {
		case strings.HasSuffix(key.Group, "kyverno.io"):
			cloned = true // its policies copy ConfigMaps to other namespaces
		case key.GroupKind != o.Key.GroupKind:
		case key.Namespace == o.Key.Namespace:
			names = append(names, key.Name)
		case key.Name == o.Key.Name:
			elsewhere = cmp.Or(elsewhere, key.Namespace)
		}
	}
	switch meant := spelling.Near(o.Key.Name, names); {
	case meant != "":
		return fmt.Sprintf("did you mean %s?", meant)
	case elsewhere != "" && !cloned && !mayHaveMore:
		return fmt.Sprintf("it is in namespace %s: apply it into %s too, or mark the reference optional", elsewhere, o.Key.Namespace)
	}
	return ""
}

// keys returns the keys of all objects, sorted.
func (w *walk) keys() []Key {
	return slices.SortedFunc(maps.Keys(w.cluster.index), func(a, b Key) int { return cmp.Compare(a.String(), b.String()) })
}

// needs reports whether a Kustomization starts only after another one, or is the same.
func (w *walk) needs(k, other *Applier, seen []*Applier) bool {
	for ; k != nil && !slices.Contains(seen, k); k = k.Parent {
		if k == other {
			return true
		}
		seen = append(seen, k)
		for _, dependency := range k.Spec.DependsOn {
			on := w.applied[Key{k.Key().GroupKind, cmp.Or(dependency.Namespace, k.Namespace), dependency.Name}]
			if on != nil && w.needs(on, other, seen) {
				return true
			}
		}
	}
	return false
}

func (o Outside) failure(fix string) Failure {
	failure := Failure{
		Cause: VariablesMissing, Applier: o.By, Subject: o.Key.Name, Fix: fix, At: o.At,
		Message: fmt.Sprintf("%s substitutes from %s %s, which nothing in this cluster applies to namespace %s before it",
			o.By, o.Key.Kind, o.Key.Name, o.Key.Namespace),
	}
	if o.By.Release != nil {
		failure.Message = fmt.Sprintf("%s: values come from %s, which nothing in this cluster applies", o.By, o.Key)
	}
	return failure
}

// excuse drops the failures about undeclared sources: one may come from something that
// could not be rendered. It stays a failure if its name looks like a typo.
func (w *walk) excuse() {
	names := []string{w.root.Spec.SourceRef.Name}
	for _, key := range w.keys() {
		if key.Group == externalArtifactKind.Group {
			names = append(names, key.Name)
		}
	}
	w.cluster.Failures = slices.DeleteFunc(w.cluster.Failures, func(f Failure) bool {
		if f.Cause != SourceMissing || slices.Contains(names, f.Subject) || spelling.Near(f.Subject, names) != "" {
			return false
		}
		reason := fmt.Sprintf("its source %s is declared by nothing here: what is unknown may bring it", f.Subject)
		i := slices.IndexFunc(w.cluster.Unknowns, func(u Unknown) bool { return u.Key == f.Applier.Key() && u.Hides == HidesObjects })
		if i < 0 {
			w.cluster.Unknowns = append(w.cluster.Unknowns, Unknown{Key: f.Applier.Key(), Object: f.Applier.Object, At: f.At, Reason: reason})
		} else {
			w.cluster.Unknowns[i].Reason = reason
		}
		return true
	})
}
