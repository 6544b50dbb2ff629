// Package render says, without a cluster and without network, what Flux would
// apply to one.
//
// A cluster is a folder of the repository that a root Kustomization applies.
// From there the package goes the way kustomize-controller goes:
//
//  1. a Kustomization waits for what it depends on and for the ConfigMaps and
//     Secrets it substitutes from; those that never come are made outside of the
//     repository, unless their name looks wrong;
//  2. its source becomes an artifact, the files that Flux would extract;
//  3. the generator of github.com/fluxcd/pkg/kustomize completes the
//     kustomization.yaml with the Kustomization's own fields;
//  4. kustomize builds it, with the options of kustomize-controller and
//     without its reset of the OpenAPI schema, which costs more than the build;
//  5. encrypted values become placeholders of their type: nothing is decrypted;
//  6. variables are substituted, strictly unless the cluster's Flux is older or
//     the caller says so;
//  7. common metadata and the owner's labels are set;
//  8. the objects are sorted as they are applied, and the Kustomizations and
//     HelmReleases among them are rendered in turn.
//
// A HelmRelease goes the way of helm-controller: once no Kustomization is ready,
// the values that it names are merged, its chart is taken from the repository,
// a pinned module or a folder that the caller has (Options.Charts), and Helm's
// engine executes the templates as for an installation. They learn of the pinned
// version of Kubernetes and of the kinds that are built in or that the cluster
// declares; what they would make by chance or of the time is a placeholder, and
// lookup finds nothing. Post-renderers and metadata follow. Hooks take part in
// that and are left out of the objects: they come and go. The line of an object
// is where the template says its kind, or that of the HelmRelease when the chart
// is not in the repository. The version of a chart is as its source says it,
// without the revision that source-controller may add.
//
// Objects are as they are written: kustomize-controller goes on to convert those
// of Kubernetes' own kinds to their types, which drops unknown fields without a
// word, and a gate has to see them.
//
// What cannot be resolved offline becomes an Unknown with its reason, and what
// Flux would refuse a Failure; neither stops the rest. Every object knows the
// line of the file that says a field of it, see Object.Locate.
//
// The steps are packages of their own: source finds content, kustomize and helm build
// it, origin knows the lines behind it, diagnose says why it does not build. This one
// is the walk through a cluster, and it alone writes to the cluster.
//
// A Run renders clusters at the same time and builds ahead what waits for its turn; the
// result is the same each time. Clusters of a Rendering may be read from several
// goroutines. The package judges nothing: whether what is applied makes sense is up to
// the rules of validate.
package render
