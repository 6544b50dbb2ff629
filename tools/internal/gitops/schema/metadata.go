package schema

import (
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// names are the rules for the names of Kubernetes' own kinds, where they are not
// DNS subdomains.
var names = map[schema.GroupKind]validation.ValidateNameFunc{
	{Kind: "Namespace"}: validation.NameIsDNSLabel,
	{Kind: "Service"}:   validation.NameIsDNS1035Label,

	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}:        pathSegment,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}: pathSegment,
	{Group: "rbac.authorization.k8s.io", Kind: "Role"}:               pathSegment,
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}:        pathSegment,

	{Group: "apiregistration.k8s.io", Kind: "APIService"}:             pathSegment,
	{Group: "certificates.k8s.io", Kind: "CertificateSigningRequest"}: pathSegment,
	{Group: "certificates.k8s.io", Kind: "ClusterTrustBundle"}:        pathSegment,
	{Group: "networking.k8s.io", Kind: "IPAddress"}:                   pathSegment,
}

// pathSegment allows whatever can be a part of a URL.
func pathSegment(name string, prefix bool) []string {
	if prefix {
		return content.IsPathSegmentPrefix(name)
	}
	return content.IsPathSegmentName(name)
}

// validateMetadata validates metadata by its schema, then by the rules that the API
// server has for the metadata of every kind.
func (s *Schema) validateMetadata(given map[string]any) []Problem {
	s.metadata.load()
	if s.metadata.err != nil {
		return []Problem{{Kind: Unreadable, Message: s.metadata.err.Error()}}
	}
	problems := s.metadata.validateShape(map[string]any{"metadata": given["metadata"]})
	return append(problems, s.validateObjectMeta(given)...)
}

// validateObjectMeta leaves out what has a wrong type, which the schema of
// metadata has reported, and a missing namespace, which is not the object's
// fault alone.
func (s *Schema) validateObjectMeta(given map[string]any) []Problem {
	meta, _, err := objectmeta.GetObjectMeta(given, true)
	if err != nil || meta == nil {
		meta = &metav1.ObjectMeta{}
	}
	run := run{schema: s, given: given, object: given}
	switch {
	case !s.namespaced:
		meta.Namespace = "" // the API server takes it away
	case meta.Namespace == "":
		meta.Namespace = metav1.NamespaceDefault
	}
	rule, ok := names[s.kind.GroupKind()]
	if !ok {
		rule = validation.NameIsDNSSubdomain
	}
	run.checkFields(validation.ValidateObjectMetaAccessor(meta, s.namespaced, rule, field.NewPath("metadata")), Metadata)
	return run.problems
}
