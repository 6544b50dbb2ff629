package function

import (
	"fmt"

	"github.com/crossplane/function-sdk-go/resource"

	"github.com/mystique-unicorn/sales-events/crossplane/names"
)

// eventBucket is the spec of an EventBucket: see its definition.
type eventBucket struct {
	placement

	Versioning                      bool  `json:"versioning"`
	NoncurrentVersionExpirationDays int64 `json:"noncurrentVersionExpirationDays"`
	ExpirationDays                  int64 `json:"expirationDays"`
	DeletionProtection              bool  `json:"deletionProtection"`
}

// composeEventBucket composes a bucket and, once it exists, its configuration.
func composeEventBucket(c *composition) error {
	var spec eventBucket
	if err := c.spec(&spec); err != nil {
		return err
	}
	name, err := names.ForBucket(spec.ClusterName, spec.AccountID, c.xr.GetName())
	if err != nil {
		return named(err)
	}
	if err := c.add("bucket", name, name, spec.ProviderConfigName, bucket{Region: spec.Region, Tags: spec.tags()}); err != nil {
		return err
	}
	of := ofBucket{Region: spec.Region, Bucket: name}
	for _, configuration := range []struct {
		id          resource.Name
		forProvider managed
	}{
		{"versioning", bucketVersioning{of, versioningConfiguration{Status: versioningStatus(spec.Versioning)}}},
		{"encryption", bucketEncryption{of, []encryptionRule{{encryptionDefault{SSEAlgorithm: "AES256"}}}}},
		{"public-access-block", bucketPublicAccessBlock{of, true, true, true, true}},
		{"ownership", bucketOwnership{of, ownershipRule{ObjectOwnership: "BucketOwnerEnforced"}}},
		{"policy", bucketPolicy{of, document(
			denyPlainText("s3:*", bucketARN(name), bucketARN(name)+"/*"),
			delegateToAccessPoints(spec.AccountID, name),
		)}},
		{"lifecycle", bucketLifecycle{of, []lifecycleRule{lifecycle(spec)}}},
	} {
		if !c.after("bucket", configuration.id) {
			continue
		}
		// Their external names are the bucket's.
		if err := c.add(configuration.id, name, "", spec.ProviderConfigName, configuration.forProvider); err != nil {
			return err
		}
	}
	if spec.DeletionProtection {
		c.protect("its bucket holds the stored events; set spec.deletionProtection to false first")
	}
	c.report("bucketName", "bucket", "status.atProvider.id")
	c.report("bucketARN", "bucket", "status.atProvider.arn")
	return nil
}

func versioningStatus(on bool) string {
	if on {
		return "Enabled"
	}
	return "Suspended"
}

// delegateToAccessPoints lets the access points of the bucket's own account decide
// who reads and writes through them:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-policies.html#access-points-delegating-control
func delegateToAccessPoints(account, bucket string) statement {
	return statement{
		Sid:       "AccessPoints",
		Effect:    "Allow",
		Principal: map[string]string{"AWS": fmt.Sprintf("arn:aws:iam::%s:root", account)},
		Action:    []string{"s3:GetObject", "s3:PutObject", "s3:ListBucket"},
		Resource:  []string{bucketARN(bucket), bucketARN(bucket) + "/*"},
		Condition: condition{"StringEquals": {"s3:DataAccessPointAccount": account}},
	}
}

// lifecycle expires old versions, and events if the spec says so. Incomplete uploads are
// deleted, because they cost money and no list shows them.
func lifecycle(spec eventBucket) lifecycleRule {
	rule := lifecycleRule{
		ID:                             "events",
		Status:                         "Enabled",
		Filter:                         []lifecycleFilter{{Prefix: ""}},
		NoncurrentVersionExpiration:    []noncurrentExpiration{{spec.NoncurrentVersionExpirationDays}},
		AbortIncompleteMultipartUpload: []abortIncompleteUpload{{DaysAfterInitiation: 7}},
	}
	if spec.ExpirationDays > 0 {
		rule.Expiration = []expiration{{spec.ExpirationDays}}
	}
	return rule
}
