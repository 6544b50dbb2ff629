package provider

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
)

const (
	s3API       = "s3.aws.m.upbound.io/v1beta1"
	salesBucket = `
apiVersion: s3.aws.m.upbound.io/v1beta1
kind: Bucket
metadata:
  name: sales
  namespace: test
  annotations: {crossplane.io/external-name: local-000000000000-sales}
spec:
  forProvider: {region: eu-west-1, forceDestroy: false, tags: {cluster: local}}
  providerConfigRef: {kind: ClusterProviderConfig, name: default}
`
)

func (b *bench) put(key string) {
	b.Helper()
	_, err := b.s3.PutObject(b.Context(), &s3.PutObjectInput{Bucket: aws.String("local-000000000000-sales"), Key: &key, Body: strings.NewReader("v")})
	b.ok(err)
}

func (b *bench) buckets() int {
	b.Helper()
	out, err := b.s3.ListBuckets(b.Context(), &s3.ListBucketsInput{})
	b.ok(err)
	return len(out.Buckets)
}

func TestBucketLives(t *testing.T) {
	b := newBench(t, salesBucket)
	m := b.settle(s3API, "Bucket", "sales")
	b.condition(m, xpv2.TypeReady, "True", xpv2.ReasonAvailable)
	b.condition(m, xpv2.TypeSynced, "True", xpv2.ReasonReconcileSuccess)
	b.valid(m)
	for field, want := range map[string]string{
		"arn": "arn:aws:s3:::local-000000000000-sales", "id": "local-000000000000-sales", "region": "eu-west-1",
		"bucketDomainName": "local-000000000000-sales.s3.amazonaws.com",
	} {
		if got := m.observed(field); got != want {
			t.Errorf("status.atProvider.%s is %v, want %s", field, got, want)
		}
	}
	b.put("a")
	b.delete(m)
	m = b.settle(s3API, "Bucket", "sales")
	if m == nil || b.buckets() != 1 {
		t.Fatal("a bucket with objects was deleted")
	}
	if said := b.condition(m, xpv2.TypeSynced, "False", xpv2.ReasonReconcileError); !strings.Contains(said, "delete bucket local-000000000000-sales: BucketNotEmpty") {
		t.Errorf("it says %s", said)
	}
	b.edit(m, set("forceDestroy", true))
	if left := b.settle(s3API, "Bucket", "sales"); left != nil || b.buckets() != 0 {
		t.Errorf("left: object %v, %d buckets", left, b.buckets())
	}
}

func TestLostBucketIsCreatedAgain(t *testing.T) {
	b := newBench(t, salesBucket)
	b.settle(s3API, "Bucket", "sales")
	_, err := b.s3.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: aws.String("local-000000000000-sales")})
	b.ok(err)
	b.condition(b.settle(s3API, "Bucket", "sales"), xpv2.TypeReady, "True", xpv2.ReasonAvailable)
	b.put("a")
}
