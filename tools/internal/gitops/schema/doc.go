// Package schema says what an API server would answer to an object, without
// one: does its kind exist, and is the object a valid one of its kind.
//
// A Catalog holds the kinds. Builtin has those of the pinned modules, packed by
// ./generate; With adds what a cluster's own CustomResourceDefinitions and
// CompositeResourceDefinitions declare, LoadPath what files declare. What is
// added hides what was there.
//
// A Schema holds one version of a kind and validates objects the way that the
// API server treats a custom resource when it is created, step by step, by the
// API server's own code:
//
//  1. metadata, against the rules that all kinds share
//  2. unknown fields, which server-side apply refuses
//  3. null means not given, where null is no value; defaults are set
//  4. types, required fields, enumerations, formats and the other limits
//  5. metadata of resources inside the object
//  6. keys of lists that are maps, members of lists that are sets
//  7. CEL rules, if the shape is right; transition rules need an old object and
//     are left out
//
// Kubernetes' own kinds go the same way, by schemas in the same language, made
// from its OpenAPI documents. What its validation functions check beyond that
// is not seen: the range of a port, whether a selector matches its template.
//
// The package knows nothing of files' lines, of Flux and of severities.
package schema

//go:generate go run ./generate -engines ../../../engines -out schemas.zip
