package images

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/image"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/providertrim"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema/definition"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/engines"
)

// crossplaneSpecs returns Crossplane's image and the packages that
// infrastructure/crossplane names, under their upstream names.
func crossplaneSpecs(ctx context.Context, root string, set engines.Set) ([]image.Spec, error) {
	core, err := coreSpec(ctx, set["crossplane"])
	if err != nil {
		return nil, err
	}
	function, err := functionSpec(root)
	if err != nil {
		return nil, err
	}
	providers, err := providerSpecs(ctx, root, set["provider-aws"])
	if err != nil {
		return nil, err
	}
	return slices.Concat([]image.Spec{function, core}, providers), nil
}

// coreSpec returns the image of Crossplane itself, which installs its own definitions
// from files in its image.
func coreSpec(ctx context.Context, engine *engines.Engine) (image.Spec, error) {
	source, err := engine.SourceOf(ctx, engine.Module)
	if err != nil {
		return image.Spec{}, err
	}
	return image.Spec{
		Name: "crossplane/crossplane", Tag: engine.Version, Binary: engine.Program("crossplane"), Entrypoint: "/crossplane",
		Files: map[string]string{
			"crds":                  filepath.Join(source, "cluster", "crds"),
			"webhookconfigurations": filepath.Join(source, "cluster", "webhookconfigurations"),
		},
	}, nil
}

// functionSpec returns the package of this checkout's composition function.
func functionSpec(root string) (image.Spec, error) {
	function := own(root, "function-sales-events", "./crossplane/function/cmd/function")
	var err error
	function.CrossplanePackage, err = os.ReadFile(filepath.Join(root, "crossplane", "function", "package.yaml"))
	return function, err
}

// familyKinds are the kinds of the provider's own configuration, which have a package of
// their own in the family.
var familyKinds = []string{
	"clusterproviderconfigs.aws.m.upbound.io",
	"providerconfigs.aws.m.upbound.io",
	"providerconfigusages.aws.m.upbound.io",
}

// providerSpecs returns the packages of provider-aws. Each is one API group: the pinned
// definitions of the kinds that the platform activates, and the one program that has all
// groups.
func providerSpecs(ctx context.Context, root string, engine *engines.Engine) ([]image.Spec, error) {
	source, err := engine.SourceOf(ctx, engine.Module)
	if err != nil {
		return nil, err
	}
	kinds, err := providertrim.Activated(filepath.Join(root, "infrastructure", "crossplane", "packages", "base", "activation.yaml"))
	if err != nil {
		return nil, err
	}
	var specs []image.Spec
	for _, p := range packagesOf(append(familyKinds, kinds...)) {
		content, err := p.content(filepath.Join(source, "package", "crds"))
		if err != nil {
			return nil, err
		}
		specs = append(specs, image.Spec{
			Name: "crossplane-contrib/provider-" + p.name, Tag: engine.Version,
			Binary: engine.Program("provider"), Entrypoint: "/provider", Arguments: []string{"-group=" + p.group}, CrossplanePackage: content,
		})
	}
	return specs, nil
}

// providerPackage is one package of the provider's family: an API group.
type providerPackage struct {
	name, group string
	plurals     []string
}

// packagesOf sorts kinds into packages by their groups, in the order in which the groups
// first appear.
func packagesOf(kinds []string) []*providerPackage {
	var packages []*providerPackage
	byGroup := map[string]*providerPackage{}
	for _, kind := range kinds {
		plural, group, _ := strings.Cut(kind, ".")
		p := byGroup[group]
		if p == nil {
			service := strings.TrimSuffix(strings.TrimSuffix(group, "aws.m.upbound.io"), ".")
			p = &providerPackage{name: "aws-" + service, group: group}
			if service == "" {
				p.name = "family-aws"
			}
			byGroup[group] = p
			packages = append(packages, p)
		}
		p.plurals = append(p.plurals, plural)
	}
	return packages
}

// content returns the package.yaml: the metadata and the definitions of its kinds, from
// the folder of all definitions. Crossplane gives each provider of a family the rights on
// the kinds of all. With the capability SafeStart a kind exists only once it is
// activated, as with the upstream packages. Unlike upstream's, the fields have no
// descriptions, because Crossplane reads each package some ten times while it installs
// it, and the API server keeps each schema twice.
func (p *providerPackage) content(definitions string) ([]byte, error) {
	var content bytes.Buffer
	fmt.Fprintf(&content, `apiVersion: meta.pkg.crossplane.io/v1
kind: Provider
metadata:
  name: provider-%s
  labels:
    pkg.crossplane.io/provider-family: provider-family-aws
spec:
  capabilities:
    - SafeStart
`, p.name)
	for _, plural := range p.plurals {
		definition, err := readDefinition(filepath.Join(definitions, p.group+"_"+plural+".yaml"))
		if err != nil {
			return nil, fmt.Errorf("provider-%s has no definition of %s: %w", p.name, plural, err)
		}
		content.WriteString("---\n")
		content.Write(definition)
	}
	return content.Bytes(), nil
}

// readDefinition reads the CustomResourceDefinition in a file, and removes what does not
// validate, such as descriptions.
func readDefinition(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	crd := &apiextensions.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(data, crd); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, version := range crd.Spec.Versions {
		if version.Schema != nil {
			definition.Strip(version.Schema.OpenAPIV3Schema)
		}
	}
	return yaml.Marshal(crd)
}
