package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// enums are the allowed values of fields, by model and field. The published OpenAPI
// documents lack them, but the Go source behind these documents, generated from the same
// types, has them.
type enums map[string]map[string][]string

// readEnums reads zz_generated.openapi.go, in which one function for each model returns a
// literal of its schema.
func readEnums(file string) (enums, error) {
	syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("read the enumerations of Kubernetes' types: %w", err)
	}
	found := enums{}
	for _, declaration := range syntax.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name, ok := strings.CutPrefix(function.Name.Name, "schema_k8sio_api_")
		if !ok {
			continue
		}
		fields := map[string][]string{}
		ast.Inspect(function, func(node ast.Node) bool { return enumsOf(node, fields) })
		if len(fields) > 0 {
			found["io.k8s.api."+strings.ReplaceAll(name, "_", ".")] = fields
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s has no enumeration: look where this version keeps them", file)
	}
	return found, nil
}

// enumsOf looks for `Properties: map[string]spec.Schema{"field": {… Enum: …}}`.
func enumsOf(node ast.Node, fields map[string][]string) (descend bool) {
	properties, ok := literalOf(node, "Properties")
	if !ok {
		return true
	}
	for _, element := range properties.Elts {
		field := element.(*ast.KeyValueExpr)
		ast.Inspect(field.Value, func(node ast.Node) bool {
			values, ok := literalOf(node, "Enum")
			if ok {
				fields[text(field.Key)] = texts(values.Elts)
			}
			return !ok
		})
	}
	return false
}

// literalOf returns the composite literal that a node gives to a struct's field.
func literalOf(node ast.Node, field string) (*ast.CompositeLit, bool) {
	pair, ok := node.(*ast.KeyValueExpr)
	if !ok {
		return nil, false
	}
	key, ok := pair.Key.(*ast.Ident)
	if !ok || key.Name != field {
		return nil, false
	}
	literal, ok := pair.Value.(*ast.CompositeLit)
	return literal, ok
}

func texts(expressions []ast.Expr) []string {
	var list []string
	for _, expression := range expressions {
		list = append(list, text(expression))
	}
	return list
}

// text returns the value of a string literal; empty for anything else.
func text(expression ast.Expr) string {
	literal, ok := expression.(*ast.BasicLit)
	if !ok {
		return ""
	}
	value, err := strconv.Unquote(literal.Value)
	if err != nil {
		return ""
	}
	return value
}
