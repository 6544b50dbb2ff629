package providertrim

import (
	"go/ast"
	"go/token"
	"slices"
)

// unit is a part of the source that is kept or left out as a whole: a declaration, one
// name of a parenthesized one, or an entry of a list.
type unit struct {
	node ast.Node
	// doc is the comment above it.
	doc *ast.CommentGroup
	// of is the parenthesized declaration that it belongs to, if any.
	of *ast.GenDecl
	// when are the events each of which is a reason to keep it; without any it is never
	// kept.
	when []event
	// mentions are the events that happen once it is kept.
	mentions []event
	// entries are its parts that have reasons of their own.
	entries []*unit
	kept    bool
}

// declare registers the declarations of a file with the events that they wait for.
func (p *program) declare(to *pkg, f *file) error {
	for _, d := range f.syntax.Decls {
		var units []*unit
		switch d := d.(type) {
		case *ast.FuncDecl:
			u := &unit{node: d, doc: d.Doc, when: whenFunction(to, d)}
			if err := p.applyRules(to, f, d, u); err != nil {
				return err
			}
			units = []*unit{u}
		case *ast.GenDecl:
			units = specs(to, d)
		}
		for _, u := range units {
			for _, part := range append([]*unit{u}, u.entries...) {
				part.mentions = append(part.mentions, f.mentionsOf(to, part)...)
				f.units = append(f.units, part)
				p.wait(part)
			}
		}
	}
	return nil
}

// whenFunction returns the events for a function: a method is kept with its type, because
// of interfaces, and init with its package.
func whenFunction(to *pkg, d *ast.FuncDecl) []event {
	switch {
	case !to.shaken || d.Recv == nil && (d.Name.Name == "init" || d.Name.Name == "_"):
		return []event{{path: to.path}}
	case d.Recv != nil:
		return []event{{to.path, receiver(d)}}
	}
	return []event{{to.path, d.Name.Name}}
}

// specs returns the units of a declaration of types, variables or constants: one for each
// name, but one for all constants together, because iota counts them.
func specs(to *pkg, d *ast.GenDecl) []*unit {
	if d.Tok == token.IMPORT {
		return nil
	}
	if d.Tok == token.CONST || !d.Lparen.IsValid() {
		u := &unit{node: d, doc: d.Doc}
		for _, s := range d.Specs {
			u.when = append(u.when, whenSpec(to, s)...)
		}
		return []*unit{u}
	}
	var units []*unit
	for _, s := range d.Specs {
		u := &unit{node: s, of: d, when: whenSpec(to, s)}
		switch s := s.(type) {
		case *ast.TypeSpec:
			u.doc = s.Doc
		case *ast.ValueSpec:
			u.doc = s.Doc
		}
		units = append(units, u)
	}
	return units
}

func whenSpec(to *pkg, s ast.Spec) []event {
	if !to.shaken {
		return []event{{path: to.path}}
	}
	var names []*ast.Ident
	switch s := s.(type) {
	case *ast.TypeSpec:
		names = []*ast.Ident{s.Name}
	case *ast.ValueSpec:
		names = s.Names
	}
	var when []event
	for _, name := range names {
		if name.Name == "_" {
			when = append(when, event{path: to.path})
			continue
		}
		when = append(when, event{to.path, name.Name})
	}
	return when
}

// mentionsOf returns the names in a unit, each once and without those in its entries:
// names of the package itself, of imported packages, and names selected from anything
// else. A local variable may have the same name; then more is kept than necessary.
func (f *file) mentionsOf(to *pkg, u *unit) []event {
	seen := map[event]bool{}
	var mentions []event
	mention := func(e event) {
		if !seen[e] {
			seen[e] = true
			mentions = append(mentions, e)
		}
	}
	var visit func(n ast.Node) bool
	visit = func(n ast.Node) bool {
		if slices.ContainsFunc(u.entries, func(entry *unit) bool { return entry.node == n }) {
			return false
		}
		switch n := n.(type) {
		case *ast.SelectorExpr:
			mention(event{name: n.Sel.Name})
			if x, ok := n.X.(*ast.Ident); ok && f.imports[x.Name] != "" {
				mention(event{f.imports[x.Name], n.Sel.Name})
				return false
			}
			ast.Inspect(n.X, visit)
			return false
		case *ast.InterfaceType:
			for _, m := range n.Methods.List {
				for _, name := range m.Names {
					mention(event{name: name.Name})
				}
			}
		case *ast.Ident:
			mention(event{to.path, n.Name})
		}
		return true
	}
	ast.Inspect(u.node, visit)
	return mentions
}
