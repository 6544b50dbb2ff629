// Package render says, without a cluster and without network, what Flux would
// apply to one.
//
// A cluster is a folder of the repository that a root Kustomization applies.
// From there the package goes the way kustomize-controller goes:
//
//  1. a Kustomization waits for what it depends on and for the ConfigMaps and
//     Secrets it substitutes from;
//  2. its source becomes an artifact, the files that Flux would extract;
//  3. the generator of github.com/fluxcd/pkg/kustomize completes the
//     kustomization.yaml with the Kustomization's own fields;
//  4. kustomize builds it, with the options of kustomize-controller and
//     without its reset of the OpenAPI schema, which costs more than the build;
//  5. encrypted values become placeholders of their type: nothing is decrypted;
//  6. variables are substituted, strictly unless told otherwise;
//  7. common metadata and the owner's labels are set;
//  8. the objects are sorted as they are applied, and the Kustomizations among
//     them are rendered in turn.
//
// Objects are as they are written: kustomize-controller goes on to convert those
// of Kubernetes' own kinds to their types, which drops unknown fields without a
// word, and a gate has to see them.
//
// What cannot be resolved offline becomes an Unknown with its reason, and what
// Flux would refuse a Failure; neither stops the rest. Every object knows the
// line of the file that says a field of it, see Object.Locate.
//
// A Run is deterministic and may not be shared between goroutines. The package
// judges nothing: whether what is applied makes sense is up to the rules of
// validate.
package render
