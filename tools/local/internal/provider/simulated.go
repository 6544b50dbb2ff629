package provider

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"text/template"

	"github.com/crossplane/crossplane-runtime/v2/pkg/meta"
	"github.com/crossplane/crossplane-runtime/v2/pkg/reconciler/managed"
	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// simulated stands in for AWS where not even the local one has the kind. What
// was created is what crossplane-runtime noted as created on the object itself;
// what is observed is the wished state with a fixture laid over it.
type simulated struct {
	account  string
	fixtures map[schema.GroupKind]fixture
	// fails are the kinds that AWS fails to create.
	fails []string
}

// fixture is what AWS would add to the wished state of a kind. Each string is a
// template over values.
type fixture struct {
	// ExternalName is set where AWS assigns it; elsewhere it is the name of the
	// object, or what somebody set.
	ExternalName string         `json:"externalName"`
	AtProvider   map[string]any `json:"atProvider"`
	// Failed is laid over AtProvider for what AWS failed to create; null leaves a
	// field out. The object is Ready all the same, as with provider-aws.
	Failed map[string]any `json:"failed"`
}

// failedAnnotation marks what was created while its kind was to fail.
const failedAnnotation = "provider.mystique-unicorn.io/failed"

// failing are the kinds that can fail, sorted.
func failing(fixtures map[schema.GroupKind]fixture) []string {
	var kinds []string
	for kind, f := range fixtures {
		if f.Failed != nil {
			kinds = append(kinds, kind.Kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

//go:embed fixtures/*.yaml
var fixtureFiles embed.FS

// readFixtures reads one file per group, with its fixtures by kind.
func readFixtures() (map[schema.GroupKind]fixture, error) {
	files, err := fs.Glob(fixtureFiles, "fixtures/*.yaml")
	if err != nil {
		return nil, err
	}
	all := map[schema.GroupKind]fixture{}
	for _, file := range files {
		data, err := fixtureFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var kinds map[string]fixture
		if err := yaml.UnmarshalStrict(data, &kinds); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		group := strings.TrimSuffix(strings.TrimPrefix(file, "fixtures/"), ".yaml")
		for kind, f := range kinds {
			all[schema.GroupKind{Group: group, Kind: kind}] = f
		}
	}
	return all, nil
}

// Observe is managed.TypedExternalClient's. What is being deleted is gone at
// once.
func (s simulated) Observe(_ context.Context, m *managedResource) (managed.ExternalObservation, error) {
	if meta.GetExternalCreateSucceeded(m).IsZero() || meta.WasDeleted(m) {
		return managed.ExternalObservation{}, nil
	}
	f, v := s.fixtures[m.GroupVersionKind().GroupKind()], s.values(m)
	observed := mirror(m.forProvider())
	observed["id"] = v.ExternalName
	if tags, found := observed["tags"].(map[string]any); found {
		observed["tagsAll"] = runtime.DeepCopyJSON(tags)
	}
	added, err := v.expand(runtime.DeepCopyJSON(f.AtProvider))
	if err != nil {
		return managed.ExternalObservation{}, err
	}
	if fields, found := added.(map[string]any); found {
		overlay(observed, fields)
	}
	if m.GetAnnotations()[failedAnnotation] != "" {
		overlay(observed, f.Failed)
		maps.DeleteFunc(observed, func(_ string, value any) bool { return value == nil })
	}
	m.SetConditions(xpv2.Available())
	return managed.ExternalObservation{ResourceExists: true, ResourceUpToDate: true}, m.observe(observed)
}

// Create is managed.TypedExternalClient's.
func (s simulated) Create(_ context.Context, m *managedResource) (managed.ExternalCreation, error) {
	f := s.fixtures[m.GroupVersionKind().GroupKind()]
	if slices.Contains(s.fails, m.GetKind()) {
		meta.AddAnnotations(m, map[string]string{failedAnnotation: "true"})
	}
	if f.ExternalName == "" {
		return managed.ExternalCreation{}, nil
	}
	name, err := s.values(m).expand(f.ExternalName)
	if err != nil {
		return managed.ExternalCreation{}, err
	}
	meta.SetExternalName(m, name.(string))
	return managed.ExternalCreation{}, nil
}

// Update is managed.TypedExternalClient's.
func (simulated) Update(context.Context, *managedResource) (managed.ExternalUpdate, error) {
	return managed.ExternalUpdate{}, nil
}

// Delete is managed.TypedExternalClient's.
func (simulated) Delete(context.Context, *managedResource) (managed.ExternalDelete, error) {
	return managed.ExternalDelete{}, nil
}

// Disconnect is managed.TypedExternalClient's.
func (simulated) Disconnect(context.Context) error { return nil }

// mirror is the wished state as AWS gives it back: without references, which
// name objects of Kubernetes.
func mirror(wished map[string]any) map[string]any {
	seen := map[string]any{}
	for field, value := range wished {
		if strings.HasSuffix(field, "Ref") || strings.HasSuffix(field, "Refs") || strings.HasSuffix(field, "Selector") {
			continue
		}
		if nested, ok := value.(map[string]any); ok {
			value = mirror(nested)
		}
		seen[field] = value
	}
	return seen
}

// overlay sets the fields of from in to, object by object.
func overlay(to, from map[string]any) {
	for field, value := range from {
		below, object := value.(map[string]any)
		if above, both := to[field].(map[string]any); object && both {
			overlay(above, below)
			continue
		}
		to[field] = value
	}
}

// values are what a fixture's templates know.
type values struct {
	// Account and Region are where the resource would be.
	Account, Region string
	// ExternalName is the external name, empty while that is being made.
	ExternalName string
	wished       map[string]any
	group        string
	namespace    string
	identity     string
}

func (s simulated) values(m *managedResource) values {
	v := values{
		Account: s.account, Region: m.text("region"), ExternalName: meta.GetExternalName(m), wished: m.forProvider(),
		group: m.GroupVersionKind().Group, namespace: m.GetNamespace(),
	}
	return v.called(m.GetKind(), m.GetName())
}

// called are the values of another object of the same group and namespace, as far
// as they follow from its name.
func (v values) called(kind, name string) values {
	v.identity = strings.Join([]string{v.Account, schema.GroupKind{Group: v.group, Kind: kind}.String(), v.namespace, name}, "/")
	return v
}

// Of are the values of the object that a field refers to.
func (v values) Of(kind, field string) values { return v.called(kind, v.Wished(field)) }

// Hex is as many digits as asked for, at most 64. They are always the same for
// an object of that name and others for each purpose.
func (v values) Hex(digits int, purpose string) string {
	sum := sha256.Sum256([]byte(v.identity + "#" + purpose))
	return hex.EncodeToString(sum[:])[:digits]
}

// Octet is a number from 1 to 254, as fixed as Hex.
func (v values) Octet(purpose string) int {
	return int(sha256.Sum256([]byte(v.identity + "#" + purpose))[0])%254 + 1
}

// Wished is a field of the wished state that is a string, or the name in the
// reference that stands for it; empty where neither is given.
func (v values) Wished(field string) string {
	if text, given := v.wished[field].(string); given {
		return text
	}
	name, _, _ := unstructured.NestedString(v.wished, field+"Ref", "name")
	return name
}

// expand executes each string below a value as a template.
func (v values) expand(value any) (any, error) {
	switch value := value.(type) {
	case string:
		return v.execute(value)
	case []any:
		for i := range value {
			var err error
			if value[i], err = v.expand(value[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for field, below := range value {
			var err error
			if value[field], err = v.expand(below); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

func (v values) execute(text string) (string, error) {
	parsed, err := template.New("fixture").Funcs(template.FuncMap{"toUpper": strings.ToUpper, "trimPrefix": trimPrefix}).Parse(text)
	if err != nil {
		return "", fmt.Errorf("fixture %q: %w", text, err)
	}
	var out strings.Builder
	if err := parsed.Execute(&out, v); err != nil {
		return "", fmt.Errorf("fixture %q: %w", text, err)
	}
	return out.String(), nil
}

// trimPrefix takes its text last, as pipelines give it.
func trimPrefix(prefix, text string) string { return strings.TrimPrefix(text, prefix) }
