package providertrim

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// domain is the suffix of the namespaced kinds' API groups.
const domain = ".aws.m.upbound.io"

// kind is a kind that the provider reconciles.
type kind struct {
	group, name string // ec2, VPC
	resource    string // Terraform's resource: aws_vpc
	service     string // the service package with the resource: ec2
}

// controller returns the import path of the package that sets up the kind's controller.
func (k kind) controller() string {
	return providerPath + "/internal/controller/namespaced/" + k.group + "/" + strings.ToLower(k.name)
}

// Activated returns the kinds, each in the form plural.group, in a file with a
// ManagedResourceActivationPolicy.
func Activated(file string) ([]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var policy struct {
		Spec struct {
			Activate []string `json:"activate"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(data, &policy); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(policy.Spec.Activate) == 0 {
		return nil, fmt.Errorf("%s: spec.activate names no kind", file)
	}
	return policy.Spec.Activate, nil
}

// resolve finds the Terraform resource and the service package of each kind.
func resolve(provider string, services []service, activated []string) ([]kind, error) {
	owners, err := resourceOwners(services)
	if err != nil {
		return nil, err
	}
	var kinds []kind
	for _, name := range activated {
		k, err := resolveKind(provider, name)
		if err != nil {
			return nil, fmt.Errorf("the activated kind %s: %w", name, err)
		}
		if k.service = owners[k.resource]; k.service == "" {
			return nil, fmt.Errorf("the activated kind %s: no service package has Terraform's resource %s", name, k.resource)
		}
		kinds = append(kinds, k)
	}
	return kinds, nil
}

func resolveKind(provider, name string) (kind, error) {
	plural, group, _ := strings.Cut(name, ".")
	service, found := strings.CutSuffix(group, domain)
	if !found || service == "" {
		return kind{}, fmt.Errorf("its group does not end in %s: a pattern or a kind of another provider cannot be trimmed to", domain)
	}
	file := filepath.Join(provider, "package", "crds", group+"_"+plural+".yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		return kind{}, err
	}
	var crd struct {
		Spec struct {
			Names struct {
				Kind string `json:"kind"`
			} `json:"names"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(data, &crd); err != nil {
		return kind{}, fmt.Errorf("%s: %w", file, err)
	}
	k := kind{group: service, name: crd.Spec.Names.Kind}
	k.resource, err = terraformResource(provider, k)
	return k, err
}

// terraformResource returns the result of the kind's method GetTerraformResourceType.
func terraformResource(provider string, k kind) (string, error) {
	file := filepath.Join(provider, "apis", "namespaced", k.group, "v1beta1", "zz_"+strings.ToLower(k.name)+"_terraformed.go")
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	if fn := method(parsed, "GetTerraformResourceType"); fn != nil && receiver(fn) == k.name && len(fn.Body.List) == 1 {
		if returned, ok := fn.Body.List[0].(*ast.ReturnStmt); ok && len(returned.Results) == 1 {
			if resource, ok := text(returned.Results[0]); ok {
				return resource, nil
			}
		}
	}
	return "", fmt.Errorf("%s: no GetTerraformResourceType that returns one text", file)
}

// servicePackageFile is the file in which each service package lists its resources.
const servicePackageFile = "service_package_gen.go"

// service is a service package of Terraform's provider: its name and its
// servicePackageFile.
type service struct {
	name string
	list *ast.File
}

// readServices reads the lists of all service packages.
func readServices(terraform string) ([]service, error) {
	files, err := filepath.Glob(filepath.Join(terraform, "internal", "service", "*", servicePackageFile))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no internal/service/*/%s: this generator does not know such a fork of Terraform's provider",
			terraform, servicePackageFile)
	}
	var services []service
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		services = append(services, service{filepath.Base(filepath.Dir(file)), parsed})
	}
	return services, nil
}

// resourceLists are the methods of a service package that list its resources.
var resourceLists = []string{"SDKResources", "FrameworkResources"}

// resourceOwners returns the service package of each of Terraform's resources.
func resourceOwners(services []service) (map[string]string, error) {
	owners := map[string]string{}
	for _, s := range services {
		for _, name := range resourceLists {
			fn := method(s.list, name)
			if fn == nil {
				return nil, fmt.Errorf("the service package %s has no method %s", s.name, name)
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				if resource, ok := typeName(n); ok {
					owners[resource] = s.name
				}
				return true
			})
		}
	}
	return owners, nil
}

// serviceNames returns the service package for each constant of Terraform's package
// names: the one whose ServicePackageName returns the constant.
func serviceNames(services []service) (map[string]string, error) {
	names := map[string]string{}
	for _, s := range services {
		fn := method(s.list, "ServicePackageName")
		if fn == nil {
			return nil, fmt.Errorf("the service package %s has no method ServicePackageName", s.name)
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			if constant, ok := n.(*ast.SelectorExpr); ok {
				names[constant.Sel.Name] = s.name
			}
			return true
		})
	}
	return names, nil
}

// typeName returns the value of TypeName, if the node is a composite literal that has it.
func typeName(n ast.Node) (string, bool) {
	literal, ok := n.(*ast.CompositeLit)
	if !ok {
		return "", false
	}
	for _, e := range literal.Elts {
		if pair, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "TypeName" {
				return text(pair.Value)
			}
		}
	}
	return "", false
}

// method returns the method with a name, of any type; nil if the file has none.
func method(f *ast.File, name string) *ast.FuncDecl {
	i := slices.IndexFunc(f.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Recv != nil && fn.Name.Name == name
	})
	if i < 0 {
		return nil
	}
	return f.Decls[i].(*ast.FuncDecl)
}

// receiver returns the name of a method's type; empty for a function.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return ""
	}
	e := fn.Recv.List[0].Type
	for {
		switch of := e.(type) {
		case *ast.StarExpr:
			e = of.X
		case *ast.IndexExpr:
			e = of.X
		case *ast.IndexListExpr:
			e = of.X
		case *ast.Ident:
			return of.Name
		default:
			return ""
		}
	}
}

// text returns the value of a string literal.
func text(e ast.Expr) (string, bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(literal.Value)
	return value, err == nil
}
