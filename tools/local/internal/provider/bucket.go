package provider

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/crossplane/crossplane-runtime/v2/pkg/meta"
	"github.com/crossplane/crossplane-runtime/v2/pkg/reconciler/managed"
	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
)

// buckets realises s3.aws.m.upbound.io Bucket, whose name is the external name.
// There is nothing of a bucket to change: the local AWS keeps no tags of it,
// and what configures a bucket is other kinds, which are simulated.
type buckets struct{ s3 *s3.Client }

// Observe is managed.TypedExternalClient's.
func (b buckets) Observe(ctx context.Context, m *managedResource) (managed.ExternalObservation, error) {
	name := meta.GetExternalName(m)
	_, err := b.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name})
	if isCode(err, "NotFound", "NoSuchBucket") {
		return managed.ExternalObservation{}, nil
	}
	if err != nil {
		return managed.ExternalObservation{}, explain("look at bucket", name, err)
	}
	m.SetConditions(xpv2.Available())
	region := m.text("region")
	return managed.ExternalObservation{ResourceExists: true, ResourceUpToDate: true}, m.observe(map[string]any{
		"arn": "arn:aws:s3:::" + name, "id": name, "region": region, "bucketRegion": region,
		"bucketDomainName":         name + ".s3.amazonaws.com",
		"bucketRegionalDomainName": fmt.Sprintf("%s.s3.%s.amazonaws.com", name, region),
		"forceDestroy":             forceDestroy(m),
	})
}

// Create is managed.TypedExternalClient's.
func (b buckets) Create(ctx context.Context, m *managedResource) (managed.ExternalCreation, error) {
	name, in := meta.GetExternalName(m), &s3.CreateBucketInput{}
	in.Bucket = &name
	// The first of the regions is the one that must not be named.
	if region := m.text("region"); region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
	}
	if _, err := b.s3.CreateBucket(ctx, in); err != nil {
		return managed.ExternalCreation{}, explain("create bucket", name, err)
	}
	return managed.ExternalCreation{}, nil
}

// Update is managed.TypedExternalClient's.
func (buckets) Update(context.Context, *managedResource) (managed.ExternalUpdate, error) {
	return managed.ExternalUpdate{}, nil
}

// Delete is managed.TypedExternalClient's. Objects are deleted only where
// forceDestroy says so; AWS refuses to delete a bucket that has some.
func (b buckets) Delete(ctx context.Context, m *managedResource) (managed.ExternalDelete, error) {
	name := meta.GetExternalName(m)
	if forceDestroy(m) {
		if err := b.empty(ctx, name); err != nil {
			return managed.ExternalDelete{}, explain("empty bucket", name, err)
		}
	}
	if _, err := b.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name}); err != nil {
		return managed.ExternalDelete{}, explain("delete bucket", name, err)
	}
	return managed.ExternalDelete{}, nil
}

func (b buckets) empty(ctx context.Context, name string) error {
	pages := s3.NewListObjectsV2Paginator(b.s3, &s3.ListObjectsV2Input{Bucket: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, object := range page.Contents {
			if _, err := b.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(name), Key: object.Key}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Disconnect is managed.TypedExternalClient's.
func (buckets) Disconnect(context.Context) error { return nil }

func forceDestroy(m *managedResource) bool {
	force, _ := m.forProvider()["forceDestroy"].(bool)
	return force
}
