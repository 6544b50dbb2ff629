package providertrim

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// rule describes functions that mention everything there is, and what to keep of them.
type rule struct {
	// name describes what the rule is for.
	name string
	// module and files select files: the module, and a pattern of their paths.
	module, files string
	// applies reports whether the rule is for a function.
	applies func(fn *ast.FuncDecl) bool
	// change sets when the function, or each of its entries, is kept.
	change func(p *program, in *pkg, f *file, fn *ast.FuncDecl, u *unit) error
}

var rules = []rule{
	{
		"list of Terraform's service packages", terraformPath, "internal/provider/sdkv2/service_packages_gen.go",
		named("servicePackages"), (*program).listServicePackages,
	},
	{
		"client of a service", terraformPath, "internal/conns/awsclient_gen.go",
		methodOf("AWSClient"), (*program).keepCalledClient,
	},
	{
		"list of what a service package has", terraformPath, "internal/service/*/" + servicePackageFile,
		methodOf("servicePackage"), (*program).listResources,
	},
	{
		"registration of all API groups", providerPath, "apis/namespaced/zz_register.go",
		named("init"), (*program).listGroups,
	},
	{
		"registration of a kind", providerPath, "apis/namespaced/*/*/zz_*_types.go",
		named("init"), (*program).registerKind,
	},
	{
		"resolver of a kind's references", providerPath, "apis/namespaced/*/*/zz_generated.resolvers.go",
		named("ResolveReferences"), (*program).resolveReferences,
	},
	{
		"call of EC2", ec2Path, "*.go",
		methodOf("Client"), (*program).keepCalled,
	},
}

func named(name string) func(*ast.FuncDecl) bool {
	return func(fn *ast.FuncDecl) bool { return fn.Name.Name == name }
}

func methodOf(name string) func(*ast.FuncDecl) bool {
	return func(fn *ast.FuncDecl) bool { return receiver(fn) == name }
}

func (p *program) applyRules(in *pkg, f *file, fn *ast.FuncDecl, u *unit) error {
	for _, r := range rules {
		matches, err := path.Match(r.files, f.name)
		if err != nil {
			return err
		}
		if !matches || in.module.path != r.module || !r.applies(fn) {
			continue
		}
		p.rules[r.name] = true
		if err := r.change(p, in, f, fn, u); err != nil {
			return fmt.Errorf("%s: %w", fn.Name.Name, err)
		}
	}
	return nil
}

// listServicePackages keeps x.ServicePackage(ctx) if x has a needed resource or client.
func (*program) listServicePackages(_ *pkg, f *file, fn *ast.FuncDecl, u *unit) error {
	for _, e := range elements(fn) {
		call, ok := e.(*ast.CallExpr)
		if !ok {
			return unknownEntry(f, fn)
		}
		service, function := selected(f, call.Fun)
		if function != "ServicePackage" {
			return unknownEntry(f, fn)
		}
		u.entries = append(u.entries, &unit{node: e, when: []event{{service, function}}})
	}
	return nil
}

// keepCalledClient keeps a method of Terraform's AWSClient if something calls it. The
// method needs the service package that it names, because that makes the client.
func (p *program) keepCalledClient(_ *pkg, f *file, fn *ast.FuncDecl, u *unit) error {
	u.when = []event{{name: fn.Name.Name}}
	var services []string
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok {
			if imported, constant := selected(f, e); imported == terraformPath+"/names" {
				services = append(services, p.services[constant])
			}
		}
		return true
	})
	if len(services) != 1 || services[0] == "" {
		return fmt.Errorf("it mentions the services %q, not one that there is", services)
	}
	u.mentions = append(u.mentions, p.servicePackage(services[0]))
	return nil
}

// The methods of a service package that are not lists.
var listless = []string{"ServicePackageName", "NewClient"}

// listResources keeps a service package's needed resources, and nothing else with a
// TypeName: no data sources, actions or lists.
func (p *program) listResources(_ *pkg, f *file, fn *ast.FuncDecl, u *unit) error {
	if slices.Contains(listless, fn.Name.Name) {
		return nil
	}
	areResources := slices.Contains(resourceLists, fn.Name.Name)
	for _, e := range elements(fn) {
		resource, ok := typeName(e)
		if !ok {
			return unknownEntry(f, fn)
		}
		entry := &unit{node: e}
		if areResources && slices.ContainsFunc(p.kinds, func(k kind) bool { return k.resource == resource }) {
			entry.when = u.when
			p.listed[resource] = true
		}
		u.entries = append(u.entries, entry)
	}
	return nil
}

// listGroups keeps x.SchemeBuilder.AddToScheme if a kind of the group is kept.
func (*program) listGroups(_ *pkg, f *file, fn *ast.FuncDecl, u *unit) error {
	if len(fn.Body.List) != 1 {
		return unknownEntry(f, fn)
	}
	assign, ok := fn.Body.List[0].(*ast.AssignStmt)
	if !ok || len(assign.Rhs) != 1 {
		return unknownEntry(f, fn)
	}
	call, ok := assign.Rhs[0].(*ast.CallExpr)
	if !ok || len(call.Args) < 2 {
		return unknownEntry(f, fn)
	}
	for _, e := range call.Args[1:] {
		s, ok := e.(*ast.SelectorExpr)
		if !ok {
			return unknownEntry(f, fn)
		}
		group, variable := selected(f, s.X)
		if group == "" {
			return unknownEntry(f, fn)
		}
		u.entries = append(u.entries, &unit{node: e, when: []event{{group, variable}}})
	}
	return nil
}

// registerKind keeps SchemeBuilder.Register(&T{}, &TList{}) together with the types.
func (*program) registerKind(in *pkg, f *file, fn *ast.FuncDecl, u *unit) error {
	u.when = nil
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if literal, ok := n.(*ast.CompositeLit); ok {
			if name, ok := literal.Type.(*ast.Ident); ok {
				u.when = append(u.when, event{in.path, name.Name})
			}
		}
		return true
	})
	if len(fn.Body.List) != 1 || len(u.when) != 2 {
		return fmt.Errorf("%s registers %d types in %d statements, want a kind and its list", f.name, len(u.when), len(fn.Body.List))
	}
	return nil
}

// resolveReferences keeps the reference resolvers of the reconciled kinds. A resolver
// asks a scheme, by name, for the type of each kind that could be referred to.
func (p *program) resolveReferences(in *pkg, f *file, fn *ast.FuncDecl, u *unit) error {
	group := path.Base(path.Dir(in.path))
	if !slices.ContainsFunc(p.kinds, func(k kind) bool { return k.group == group && k.name == receiver(fn) }) {
		u.when = nil
		return nil
	}
	var unknown error
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if _, function := selected(f, call.Fun); function != "GetManagedResource" {
			return true
		}
		var args []string
		for _, e := range call.Args {
			if arg, ok := text(e); ok {
				args = append(args, arg)
			}
		}
		if len(args) != 4 || !strings.HasSuffix(args[0], domain) {
			unknown = fmt.Errorf("%s: the references of %s ask for a type by something else than four texts", f.name, receiver(fn))
			return false
		}
		types := providerPath + "/apis/namespaced/" + strings.TrimSuffix(args[0], domain) + "/" + args[1]
		u.mentions = append(u.mentions, event{types, args[2]}, event{types, args[3]})
		return true
	})
	return unknown
}

// keepCalled keeps a method if something calls a method with its name.
func (*program) keepCalled(_ *pkg, _ *file, fn *ast.FuncDecl, u *unit) error {
	u.when = []event{{name: fn.Name.Name}}
	return nil
}

// elements returns the elements of the function's only list: of its first slice literal,
// whose elements may be literals, too.
func elements(fn *ast.FuncDecl) []ast.Expr {
	var found *ast.CompositeLit
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if !ok || found != nil {
			return found == nil
		}
		if _, ok := literal.Type.(*ast.ArrayType); ok {
			found = literal
		}
		return true
	})
	if found == nil {
		return nil
	}
	return found.Elts
}

// selected returns the import path and the name of package.Name; empty for anything else.
func selected(f *file, e ast.Expr) (importPath, name string) {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return "", ""
	}
	return f.imports[x.Name], s.Sel.Name
}

func unknownEntry(f *file, fn *ast.FuncDecl) error {
	return fmt.Errorf("%s: %s has entries of a form that this generator does not know", f.name, fn.Name.Name)
}
