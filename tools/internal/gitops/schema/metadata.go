package schema

import (
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// names has the naming rules of those of Kubernetes' own kinds whose names are not DNS
// subdomains.
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

// pathSegment allows any name that can be part of a URL.
func pathSegment(name string, prefix bool) []string {
	if prefix {
		return content.IsPathSegmentPrefix(name)
	}
	return content.IsPathSegmentName(name)
}

// validateMetadata validates metadata by its schema, and then by the API server's rules
// for all kinds.
func (s *Schema) validateMetadata(given map[string]any) []Problem {
	s.metadata.load()
	if s.metadata.err != nil {
		return []Problem{{Kind: Unreadable, Message: s.metadata.err.Error()}}
	}
	problems := s.metadata.validateShape(map[string]any{"metadata": given["metadata"]})
	return append(problems, s.validateObjectMeta(given)...)
}

// validateObjectMeta skips fields with a wrong type, which the schema of metadata has
// reported, and a missing namespace, which may be set elsewhere.
func (s *Schema) validateObjectMeta(given map[string]any) []Problem {
	meta, _, err := objectmeta.GetObjectMeta(given, true)
	if err != nil || meta == nil {
		meta = &metav1.ObjectMeta{}
	}
	run := run{schema: s, given: given, object: given}
	switch {
	case !s.namespaced:
		meta.Namespace = "" // the API server removes it
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
