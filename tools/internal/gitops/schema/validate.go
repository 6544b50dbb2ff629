package schema

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	openapi "k8s.io/kube-openapi/pkg/validation/errors"
	"k8s.io/kube-openapi/pkg/validation/validate"
)

// Validate returns what an API server would find wrong with an object of this kind, in
// the order of the fields. It does not change the object. The caller must not change the
// problems, because equal objects share them. The caller must check that the object's
// apiVersion and kind are the schema's.
func (s *Schema) Validate(object map[string]any) []Problem {
	s.load()
	if s.err != nil {
		return []Problem{{Kind: Unreadable, Message: s.err.Error()}}
	}
	metadata, err := copied(map[string]any{"metadata": object["metadata"]})
	if err != nil {
		return []Problem{{Kind: Unreadable, Message: err.Error()}}
	}
	body, err := encoded(anonymous(object))
	if err != nil {
		return []Problem{{Kind: Unreadable, Message: err.Error()}}
	}
	return settle(append(s.validateMetadata(metadata), s.validateBody(body)...))
}

// validateBody returns the problems outside of metadata. It caches them, because clusters
// share many objects.
func (s *Schema) validateBody(data []byte) []Problem {
	judge, _ := s.judged.LoadOrStore(sha256.Sum256(data), sync.OnceValue(func() []Problem {
		given, err := decoded(data)
		if err != nil {
			return []Problem{{Kind: Unreadable, Message: err.Error()}}
		}
		return s.validateShape(given)
	}))
	return judge.(func() []Problem)()
}

// anonymous returns a copy of an object that keeps only its name in metadata, which rules
// on whole objects can see: labels name the Kustomization that applies it.
func anonymous(object map[string]any) map[string]any {
	metadata, ok := object["metadata"].(map[string]any)
	if !ok {
		return object
	}
	names := map[string]any{}
	for _, field := range []string{"name", "generateName"} {
		if value, set := metadata[field]; set {
			names[field] = value
		}
	}
	object = maps.Clone(object)
	object["metadata"] = names
	return object
}

// copied returns a copy of a value, decoded as an API server does.
func copied(object map[string]any) (map[string]any, error) {
	data, err := encoded(object)
	if err != nil {
		return nil, err
	}
	return decoded(data)
}

// ValidateUpdate returns what an API server would find wrong with the change from an old
// object to a new one, apart from the new one's own problems: it evaluates the transition
// rules, which use oldSelf. If Validate finds a wrong type in an object, there are none.
func (s *Schema) ValidateUpdate(old, object map[string]any) []Problem {
	s.load()
	if s.err != nil || s.celValidator() == nil {
		return nil
	}
	before, after := s.prepared(old), s.prepared(object)
	if before == nil || after == nil {
		return nil
	}
	alone := run{schema: s, given: after.given, object: after.object}
	alone.checkRules(nil)
	after.problems = nil
	after.checkRules(before.object)
	return settle(slices.DeleteFunc(after.problems, func(problem Problem) bool {
		return slices.ContainsFunc(alone.problems, func(other Problem) bool { return other.String() == problem.String() })
	}))
}

// Defaulted returns an object of this kind with the defaults that an API server sets. An
// object with a wrong type is returned unchanged.
func (s *Schema) Defaulted(object map[string]any) map[string]any {
	s.load()
	if s.err != nil {
		return object
	}
	prepared := s.prepared(object)
	if prepared == nil {
		return object
	}
	return prepared.object
}

// prepared returns a run that is ready for the rules, or nil if they cannot run.
func (s *Schema) prepared(object map[string]any) *run {
	given, err := copied(object)
	if err != nil {
		return nil
	}
	r := s.start(given)
	if r.misshapen {
		return nil
	}
	return r
}

func encoded(object map[string]any) ([]byte, error) {
	data, err := utiljson.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("the object cannot be written as JSON: %w", err)
	}
	return data, nil
}

// decoded decodes an object as an API server does.
func decoded(data []byte) (map[string]any, error) {
	var given map[string]any
	if err := utiljson.Unmarshal(data, &given); err != nil {
		return nil, fmt.Errorf("the object cannot be read from JSON: %w", err)
	}
	if given == nil {
		given = map[string]any{}
	}
	return given, nil
}

// validateShape validates as the API server validates a custom resource, see the
// package's comment.
func (s *Schema) validateShape(given map[string]any) []Problem {
	run := s.start(given)
	if !run.misshapen {
		run.checkRules(nil)
	}
	if !run.misshapen && s.ofObjects() {
		run.checkDefinition()
	}
	return run.problems
}

// start does the steps before the definition's rules.
func (s *Schema) start(given map[string]any) *run {
	run := &run{schema: s, given: given, object: runtime.DeepCopyJSON(given)}
	run.prune()
	if s.status {
		delete(run.object, "status")
	}
	run.setDefaults()
	run.checkValues()
	run.checkFields(objectmeta.Validate(nil, run.object, s.structural, false), Metadata)
	run.checkFields(listtype.ValidateListSetsAndMaps(nil, s.structural, run.object), Duplicate)
	return run
}

// ofObjects reports whether the schema describes whole objects, not only metadata.
func (s *Schema) ofObjects() bool { return s.metadata != nil }

// run is the validation of one object.
type run struct {
	schema *Schema
	// given is the unchanged object, by which paths are resolved; object is what the API
	// server makes of it.
	given, object map[string]any
	problems      []Problem
	// misshapen means that the object has a wrong type somewhere, so CEL rules cannot
	// run. The API server skips them in the same cases.
	misshapen bool
}

func (r *run) report(path []any, kind Kind, format string, args ...any) {
	r.problems = append(r.problems, Problem{Path: path, Kind: kind, Message: fmt.Sprintf(format, args...)})
}

func (r *run) prune() {
	options := structural.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	unknown := pruning.PruneWithOptions(r.object, r.schema.structural, r.schema.ofObjects(), options)
	failed, inMetadata := objectmeta.CoerceWithOptions(nil, r.object, r.schema.structural, false,
		objectmeta.CoerceOptions{ReturnUnknownFieldPaths: true})
	for _, text := range append(unknown, inMetadata...) {
		path := resolve(r.given, text)
		r.report(path, UnknownField, "unknown field%s", r.suggest(path))
	}
	if failed != nil {
		r.checkFields(field.ErrorList{failed}, Metadata)
	}
}

func (r *run) setDefaults() {
	defaulting.PruneNonNullableNullsWithoutDefaults(r.object, r.schema.structural)
	defaulting.Default(r.object, r.schema.structural)
}

func (r *run) checkValues() {
	result := validate.NewSchemaValidator(r.schema.openapi, nil, "", formats).Validate(r.object)
	for _, err := range result.Errors {
		var invalid *openapi.Validation
		if errors.As(err, &invalid) {
			r.checkValue(invalid)
			continue
		}
		name, expected := splitMessage(err.Error())
		path := resolve(r.object, name)
		r.report(path, Limit, "is %s: %s", describe(valueAt(r.object, path)), expected)
	}
}

// checkValue reports a problem that kube-openapi found. Its message says what is expected
// after the field's name and ` in body `.
func (r *run) checkValue(invalid *openapi.Validation) {
	path := resolve(r.object, invalid.Name)
	value := describe(valueAt(r.object, path))
	_, expected, _ := strings.Cut(invalid.Error(), " in body ")
	switch invalid.Code() {
	case openapi.RequiredFailCode, openapi.InvalidTypeCode, openapi.EnumFailCode, openapi.TooLongFailCode, openapi.MaxItemsFailCode,
		openapi.TooManyPropertiesCode:
		r.misshapen = true
	}
	switch invalid.Code() {
	case openapi.RequiredFailCode:
		r.report(path, Required, "is required and not set")
	case openapi.InvalidTypeCode:
		if types, ok := strings.CutPrefix(expected, "must be of type "); ok {
			if format, ok := strings.CutSuffix(types, ": "+strconv.Quote(fmt.Sprint(invalid.Value))); ok {
				types = format
			}
			r.reportType(path, value, types)
			return
		}
		r.report(path, Format, "is %s: %s", value, expected)
	case openapi.EnumFailCode:
		r.report(path, Enum, "is %s: expected one of %s", value, alternatives(invalid.Values))
	default:
		r.report(path, Limit, "is %s: %s", value, expected)
	}
}

// reportType distinguishes a value of the wrong type from a string in the wrong format,
// for which kube-openapi has the same message.
func (r *run) reportType(path []any, value, types string) {
	names := strings.Split(types, ",")
	for i, name := range names {
		article, ok := articles[name]
		if !ok {
			r.report(path, Format, "is %s: expected %s", value, meaningOf(types))
			return
		}
		names[i] = article
	}
	r.report(path, Type, "is %s: expected %s", value, strings.Join(names, " or "))
}

// checkFields reports what the API server's code calls field errors.
func (r *run) checkFields(found field.ErrorList, kind Kind) {
	for _, err := range found {
		path := resolve(r.object, err.Field)
		switch err.Type {
		case field.ErrorTypeRequired:
			r.misshapen = true
			r.report(path, Required, "is required and not set%s", detail(err))
		case field.ErrorTypeDuplicate:
			r.report(path, Duplicate, "is there twice: %s", inJSON(err.BadValue))
		default:
			path, what := culprit(r.object, path, err.BadValue)
			r.report(path, kind, "is %s%s", what, detail(err))
		}
	}
}

// checkRules evaluates the definition's rules. Transition rules need the old object; with
// nil they are skipped.
func (r *run) checkRules(old map[string]any) {
	validator := r.schema.celValidator()
	if validator == nil {
		return
	}
	var before any // a nil mapping would not count as absent
	if old != nil {
		before = old
	}
	found, _ := validator.Validate(context.Background(), nil, r.schema.structural, r.object, before, celconfig.RuntimeCELCostBudget)
	for _, err := range found {
		var path []any
		if err.Field != (*field.Path)(nil).String() { // a rule on the whole object has no field
			path = resolve(r.object, err.Field)
		}
		r.report(path, CEL, "%s", strings.TrimPrefix(detail(err), ": "))
	}
}
