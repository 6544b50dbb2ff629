// Package schema finds out what an API server would answer for an object, without one:
// whether its kind exists, and whether the object is valid.
//
// A Catalog holds the kinds. Builtin has the kinds of the pinned modules, packed by
// ./generate; With adds the kinds of a cluster's own CustomResourceDefinitions and
// CompositeResourceDefinitions, LoadPath those in files. Added kinds hide earlier ones.
//
// A Schema holds one version of a kind. It validates objects as the API server validates
// a custom resource at its creation, step by step and with the API server's own code:
//
//  1. metadata, by the rules that all kinds share
//  2. unknown fields, which server-side apply rejects
//  3. null counts as not set if it is not a valid value; defaults are set
//  4. types, required fields, enumerations, formats and the other limits
//  5. metadata of embedded resources
//  6. keys of lists that are maps, items of lists that are sets
//  7. CEL rules, if the shape is valid; transition rules need an old object and are
//     skipped
//
// Kubernetes' own kinds go through the same steps, with schemas made from its OpenAPI
// documents. Checks of its validation functions beyond these schemas are not made: the
// range of a port, whether a selector matches its template.
//
// The package must not know lines of files, Flux or severities.
package schema

//go:generate go run ./generate -engines ../../../engines -out schemas.zip
