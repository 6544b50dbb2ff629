// Package render finds out what Flux would apply to a cluster, without a cluster and
// without a network.
//
// A cluster is a folder of the repository that a root Kustomization applies. From there
// the package does what kustomize-controller does:
//
//  1. A Kustomization waits for its dependencies, and for the ConfigMaps and Secrets from
//     which it substitutes. If one of these never appears, it is assumed to be made
//     outside of the repository, unless its name looks misspelt.
//  2. Its source becomes an artifact: the files that Flux would extract.
//  3. The generator of github.com/fluxcd/pkg/kustomize adds the Kustomization's own
//     fields to the kustomization.yaml.
//  4. kustomize builds it, with kustomize-controller's options, but without its reset of
//     the OpenAPI schema, which costs more than the build.
//  5. Encrypted values become placeholders of their type: nothing is decrypted.
//  6. Variables are substituted, strictly unless the cluster's Flux is older or the
//     caller says so.
//  7. Common metadata and the owner's labels are set.
//  8. The objects are sorted in the order in which Flux applies them. Kustomizations and
//     HelmReleases among them are rendered in turn.
//
// For a HelmRelease the package does what helm-controller does. It starts when no
// Kustomization is ready. It merges the values, takes the chart from the repository, from
// a pinned module or from a folder of the caller (Options.Charts), and executes the
// templates with Helm's engine, as for an installation. The templates see the pinned
// version of Kubernetes, and the kinds that are built in or that the cluster defines.
// Random values and times are placeholders, and lookup finds nothing. Then post-renderers
// and metadata follow. Hooks go through these steps but are not among the objects,
// because they come and go. The line of an object is the template's line with its kind,
// or the HelmRelease's if the chart is not in the repository. A chart has the version
// that its source states, without the revision that source-controller may add.
//
// Objects keep all written fields. kustomize-controller later converts objects of
// Kubernetes' own kinds to their types, which silently drops unknown fields; a gate has
// to see them.
//
// What cannot be resolved offline becomes an Unknown with its reason, what Flux would
// reject a Failure; neither stops the rest. Object.Locate returns the line of the file
// that sets a field.
//
// The steps are packages of their own: source finds content, kustomize and helm build it,
// origin knows the lines behind it, and diagnose explains failed builds. This package
// walks through a cluster, and only it writes to the cluster.
//
// A Run renders clusters concurrently, and builds ahead what the walks will need; the
// result does not depend on that. Several goroutines may read the clusters of a
// Rendering. The package does not judge whether the objects make sense: the rules of
// validate do.
package render
