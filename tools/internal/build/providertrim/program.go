package providertrim

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// program is the set of declarations to copy.
type program struct {
	modules  []*module
	kinds    []kind
	services map[string]string // service packages by the constants for their names
	packages map[string]*pkg   // packages of the program, by import path

	happened map[event]bool
	pending  []event
	waiting  map[event][]*unit

	rules   map[string]bool // applied rules, by name
	listed  map[string]bool // Terraform's resources in the lists of service packages
	reduced map[string]bool // reduced data files, by path
}

// module is a module from which packages are copied.
type module struct {
	path, dir, folder string
	// extra has files that the source lacks, by their paths in the module.
	extra map[string][]byte
	// reduce has functions that shrink embedded files, by path.
	reduce map[string]func([]byte) ([]byte, error)
}

// event is a reason to keep a declaration. With path and name: something kept mentions
// that name of that package. With only path: the package is in the program. With only
// name: something kept selects that name, as a method call does.
type event struct{ path, name string }

func newProgram(from sources, services []service, kinds []kind) (*program, error) {
	names, err := serviceNames(services)
	if err != nil {
		return nil, err
	}
	resources := map[string]bool{}
	for _, k := range kinds {
		resources[k.resource] = true
	}
	return &program{
		modules: []*module{
			{
				path: providerPath, dir: from.provider, folder: providerFolder,
				extra: map[string][]byte{"cmd/provider/main.go": from.main, "cmd/provider/kinds.go": kindsFile(kinds)},
				reduce: map[string]func([]byte) ([]byte, error){
					"config/schema.json":            keepSchemas(resources),
					"config/provider-metadata.yaml": keepMetadata(resources),
				},
			},
			{path: terraformPath, dir: from.terraform, folder: terraformFolder},
			{path: ec2Path, dir: from.ec2, folder: ec2Folder},
		},
		kinds: kinds, services: names, packages: map[string]*pkg{},
		happened: map[event]bool{}, waiting: map[event][]*unit{},
		rules: map[string]bool{}, listed: map[string]bool{}, reduced: map[string]bool{},
	}, nil
}

// isShaken reports whether only the mentioned declarations of a package are kept. These
// packages are the types of each API group, Terraform's service packages, and the SDK of
// EC2, which takes as long to compile as a third of everything else.
func isShaken(importPath string) bool {
	for _, pattern := range []string{
		providerPath + "/apis/namespaced/*/*",
		terraformPath + "/internal/service/*",
		ec2Path,
		ec2Path + "/types",
	} {
		// The patterns are valid.
		if matches, _ := path.Match(pattern, importPath); matches {
			return true
		}
	}
	return false
}

// trace finds the declarations to keep.
func (p *program) trace() error {
	p.happen(event{path: Program})
	for _, k := range p.kinds {
		p.happen(p.servicePackage(k.service))
	}
	for len(p.pending) > 0 {
		next := p.pending[0]
		p.pending = p.pending[1:]
		if err := p.load(next.path); err != nil {
			return err
		}
		for _, u := range p.waiting[next] {
			p.keep(u)
		}
	}
	return nil
}

// servicePackage is the event that a service package must be in Terraform's list.
func (*program) servicePackage(name string) event {
	return event{terraformPath + "/internal/service/" + name, "ServicePackage"}
}

func (p *program) happen(e event) {
	if p.happened[e] {
		return
	}
	p.happened[e] = true
	p.pending = append(p.pending, e)
	if e.path != "" {
		p.happen(event{path: e.path})
	}
}

func (p *program) keep(u *unit) {
	if u.kept {
		return
	}
	u.kept = true
	for _, mentioned := range u.mentions {
		p.happen(mentioned)
	}
}

// wait keeps a declaration as soon as one of its events happens, or now if one has.
func (p *program) wait(u *unit) {
	for _, e := range u.when {
		p.waiting[e] = append(p.waiting[e], u)
	}
	if slices.ContainsFunc(u.when, func(e event) bool { return p.happened[e] }) {
		p.keep(u)
	}
}

// moduleOf returns the copied module that has a package; nil for any other package.
func (p *program) moduleOf(importPath string) *module {
	for _, m := range p.modules {
		if importPath == m.path || strings.HasPrefix(importPath, m.path+"/") {
			return m
		}
	}
	return nil
}

// complete returns an error if something expected was not found: then upstream has a form
// that this generator does not know.
func (p *program) complete() error {
	for _, r := range rules {
		if !p.rules[r.name] {
			return fmt.Errorf("found no %s: provider-aws, or what it is made of, has a form that this generator does not know", r.name)
		}
	}
	for _, k := range p.kinds {
		if !p.listed[k.resource] {
			return fmt.Errorf("the service package %s does not list %s, the resource of %s", k.service, k.resource, k.name)
		}
	}
	for _, m := range p.modules {
		for _, file := range slices.Sorted(maps.Keys(m.reduce)) {
			if !p.reduced[file] {
				return fmt.Errorf("no package of %s embeds %s", m.path, file)
			}
		}
	}
	return nil
}
