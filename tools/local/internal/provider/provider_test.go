package provider

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery/fake"
	clientgotesting "k8s.io/client-go/testing"
)

// Of the groups that it is given a provider serves the managed resources that
// have a definition now, and nothing else.
func TestManagedKinds(t *testing.T) {
	kind := func(plural, kind string, categories ...string) metav1.APIResource {
		return metav1.APIResource{Name: plural, Kind: kind, Categories: categories}
	}
	discovery := &fake.FakeDiscovery{Fake: &clientgotesting.Fake{Resources: []*metav1.APIResourceList{
		{GroupVersion: "sqs.aws.m.upbound.io/v1beta1", APIResources: []metav1.APIResource{
			kind("queues", "Queue", "crossplane", "managed", "aws"), kind("queues/status", "Queue", "managed"),
		}},
		{GroupVersion: "s3.aws.m.upbound.io/v1beta1", APIResources: []metav1.APIResource{kind("buckets", "Bucket", "managed")}},
		{GroupVersion: "aws.m.upbound.io/v1beta1", APIResources: []metav1.APIResource{kind("providerconfigs", "ProviderConfig", "crossplane", "provider")}},
	}}}
	for _, tc := range []struct {
		groups []string
		want   string
	}{
		{[]string{"sqs.aws.m.upbound.io"}, "[sqs.aws.m.upbound.io/v1beta1, Kind=Queue]"},
		{[]string{"aws.m.upbound.io", "s3.aws.m.upbound.io"}, "[s3.aws.m.upbound.io/v1beta1, Kind=Bucket]"},
		{[]string{"eks.aws.m.upbound.io"}, "[]"},
	} {
		got, err := managedKinds(discovery, tc.groups)
		if err != nil || fmt.Sprint(got) != tc.want {
			t.Errorf("%v: got %v, %v, want %s", tc.groups, got, err, tc.want)
		}
	}
}
