package s3

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// target is the bucket, object or sub-resource that a request is about.
type target struct {
	bucket, key string
	// sub is the sub-resource, such as versioning.
	sub string
	// version means that the request is about one version of an object.
	version bool
}

// verbs are the IAM actions of a sub-resource, by the kind of access. The server does not
// serve an access without one:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
type verbs struct{ get, put, post, del string }

var ofBucket = map[string]verbs{
	"accelerate":        {get: "GetAccelerateConfiguration"},
	"acl":               {get: "GetBucketAcl"},
	"cors":              {get: "GetBucketCORS"},
	"delete":            {post: "DeleteObject"},
	"encryption":        {get: "GetEncryptionConfiguration", put: "PutEncryptionConfiguration", del: "PutEncryptionConfiguration"},
	"lifecycle":         {get: "GetLifecycleConfiguration", put: "PutLifecycleConfiguration", del: "PutLifecycleConfiguration"},
	"location":          {get: "GetBucketLocation"},
	"logging":           {get: "GetBucketLogging"},
	"notification":      {get: "GetBucketNotification"},
	"object-lock":       {get: "GetBucketObjectLockConfiguration"},
	"ownershipControls": {get: "GetBucketOwnershipControls", put: "PutBucketOwnershipControls", del: "PutBucketOwnershipControls"},
	"policy":            {get: "GetBucketPolicy", put: "PutBucketPolicy", del: "DeleteBucketPolicy"},
	"publicAccessBlock": {get: "GetBucketPublicAccessBlock", put: "PutBucketPublicAccessBlock", del: "PutBucketPublicAccessBlock"},
	"replication":       {get: "GetReplicationConfiguration"},
	"requestPayment":    {get: "GetBucketRequestPayment"},
	"tagging":           {get: "GetBucketTagging", put: "PutBucketTagging", del: "PutBucketTagging"},
	"uploads":           {get: "ListBucketMultipartUploads"},
	"versioning":        {get: "GetBucketVersioning", put: "PutBucketVersioning"},
	"versions":          {get: "ListBucketVersions"},
	"website":           {get: "GetBucketWebsite"},
	"":                  {get: "ListBucket", put: "CreateBucket", del: "DeleteBucket"},
}

var ofObject = map[string]verbs{
	"uploads":  {post: "PutObject"},
	"uploadId": {get: "ListMultipartUploadParts", put: "PutObject", post: "PutObject", del: "AbortMultipartUpload"},
	"":         {get: "GetObject", put: "PutObject", del: "DeleteObject"},
}

// unserved are sub-resources that the server does not have.
var unserved = []string{
	"analytics", "attributes", "intelligent-tiering", "inventory", "legal-hold", "metadataTable", "metrics", "policyStatus", "renameObject",
	"restore", "retention", "select", "session", "torrent",
}

// parseTarget interprets a request as gofakes3 does, because the guard must decide about
// the target on which gofakes3 then acts. S3 has no request with two sub-resources.
func parseTarget(path string, query url.Values) (target, *protocol.Error) {
	t := target{}
	t.bucket, t.key, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	for name, values := range query {
		_, bucket := ofBucket[name]
		_, object := ofObject[name]
		switch {
		case name == "" || name == "uploadId" && values[0] == "":
		case name == "versionId":
			t.version = values[0] != "" && values[0] != "null"
		case bucket || object || slices.Contains(unserved, name):
			if t.sub != "" {
				return t, &protocol.Error{Code: "InvalidArgument", Message: "Conflicting query parameters: " + t.sub + " and " + name}
			}
			t.sub = name
		}
	}
	return t, nil
}

// action returns the IAM action of a request without its service; empty if the server
// does not have it.
func (t target) action(method string) string {
	if t.bucket == "" {
		return map[string]string{http.MethodGet: "ListAllMyBuckets"}[method]
	}
	known := ofBucket
	if t.key != "" {
		known = ofObject
	}
	v := known[t.sub]
	name := map[string]string{
		http.MethodGet: v.get, http.MethodHead: v.get, http.MethodPut: v.put, http.MethodPost: v.post, http.MethodDelete: v.del,
	}[method]
	if t.version && t.sub == "" && (name == "GetObject" || name == "DeleteObject") {
		return name + "Version"
	}
	return name
}

// arn returns the ARN of the request's resource.
func (t target) arn() string {
	switch {
	case t.bucket == "":
		return "*"
	case t.key == "":
		return bucketARN + t.bucket
	}
	return bucketARN + t.bucket + "/" + t.key
}

const bucketARN = "arn:aws:s3:::"
