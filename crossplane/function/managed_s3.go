package function

import "k8s.io/apimachinery/pkg/runtime/schema"

func s3(kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "s3.aws.m.upbound.io", Version: "v1beta1", Kind: kind}
}

// bucket is an S3 bucket; its name is the external name. The managed resources
// below configure it and name it, too.
type bucket struct {
	Region       string            `json:"region"`
	ForceDestroy bool              `json:"forceDestroy"`
	Tags         map[string]string `json:"tags"`
}

func (bucket) kind() schema.GroupVersionKind { return s3("Bucket") }

// ofBucket is the bucket that a managed resource configures.
type ofBucket struct {
	Region string `json:"region"`
	Bucket string `json:"bucket"`
}

type bucketVersioning struct {
	ofBucket

	VersioningConfiguration versioningConfiguration `json:"versioningConfiguration"`
}

type versioningConfiguration struct {
	Status string `json:"status"` // Enabled, or Suspended
}

func (bucketVersioning) kind() schema.GroupVersionKind { return s3("BucketVersioning") }

type bucketEncryption struct {
	ofBucket

	Rule []encryptionRule `json:"rule"`
}

type encryptionRule struct {
	ApplyServerSideEncryptionByDefault encryptionDefault `json:"applyServerSideEncryptionByDefault"`
}

type encryptionDefault struct {
	SSEAlgorithm string `json:"sseAlgorithm"`
}

func (bucketEncryption) kind() schema.GroupVersionKind {
	return s3("BucketServerSideEncryptionConfiguration")
}

type bucketPublicAccessBlock struct {
	ofBucket

	BlockPublicACLs       bool `json:"blockPublicAcls"`
	BlockPublicPolicy     bool `json:"blockPublicPolicy"`
	IgnorePublicACLs      bool `json:"ignorePublicAcls"`
	RestrictPublicBuckets bool `json:"restrictPublicBuckets"`
}

func (bucketPublicAccessBlock) kind() schema.GroupVersionKind { return s3("BucketPublicAccessBlock") }

type bucketOwnership struct {
	ofBucket

	Rule ownershipRule `json:"rule"`
}

type ownershipRule struct {
	ObjectOwnership string `json:"objectOwnership"`
}

func (bucketOwnership) kind() schema.GroupVersionKind { return s3("BucketOwnershipControls") }

type bucketPolicy struct {
	ofBucket

	Policy string `json:"policy"`
}

func (bucketPolicy) kind() schema.GroupVersionKind { return s3("BucketPolicy") }

type bucketLifecycle struct {
	ofBucket

	Rule []lifecycleRule `json:"rule"`
}

// lifecycleRule has lists of one where the provider has them.
type lifecycleRule struct {
	ID                             string                  `json:"id"`
	Status                         string                  `json:"status"`
	Filter                         []lifecycleFilter       `json:"filter"`
	Expiration                     []expiration            `json:"expiration,omitempty"`
	NoncurrentVersionExpiration    []noncurrentExpiration  `json:"noncurrentVersionExpiration,omitempty"`
	AbortIncompleteMultipartUpload []abortIncompleteUpload `json:"abortIncompleteMultipartUpload,omitempty"`
}

type lifecycleFilter struct {
	Prefix string `json:"prefix"`
}

type expiration struct {
	Days int64 `json:"days"`
}

type noncurrentExpiration struct {
	NoncurrentDays int64 `json:"noncurrentDays"`
}

type abortIncompleteUpload struct {
	DaysAfterInitiation int64 `json:"daysAfterInitiation"`
}

func (bucketLifecycle) kind() schema.GroupVersionKind { return s3("BucketLifecycleConfiguration") }
