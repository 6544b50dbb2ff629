package s3

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

// A new bucket has AWS's defaults. For a setting that it lacks it returns AWS's error.
func TestNewBucketSettings(t *testing.T) {
	b := newBench(t)
	bucket := aws.String(testBucket)
	encryption, err := b.s3.GetBucketEncryption(t.Context(), &s3.GetBucketEncryptionInput{Bucket: bucket})
	b.ok(err)
	if got := encryption.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm; got != types.ServerSideEncryptionAes256 {
		t.Errorf("encryption %s", got)
	}
	ownership, err := b.s3.GetBucketOwnershipControls(t.Context(), &s3.GetBucketOwnershipControlsInput{Bucket: bucket})
	b.ok(err)
	if got := ownership.OwnershipControls.Rules[0].ObjectOwnership; got != types.ObjectOwnershipBucketOwnerEnforced {
		t.Errorf("ownership %s", got)
	}
	block, err := b.s3.GetPublicAccessBlock(t.Context(), &s3.GetPublicAccessBlockInput{Bucket: bucket})
	b.ok(err)
	if !*block.PublicAccessBlockConfiguration.BlockPublicPolicy {
		t.Error("public policies are not blocked")
	}
	versioning, err := b.s3.GetBucketVersioning(t.Context(), &s3.GetBucketVersioningInput{Bucket: bucket})
	b.ok(err)
	if versioning.Status != "" {
		t.Errorf("versioning %s", versioning.Status)
	}
	location, err := b.s3.GetBucketLocation(t.Context(), &s3.GetBucketLocationInput{Bucket: bucket})
	b.ok(err)
	if string(location.LocationConstraint) != testRegion {
		t.Errorf("location %s", location.LocationConstraint)
	}
	acl, err := b.s3.GetBucketAcl(t.Context(), &s3.GetBucketAclInput{Bucket: bucket})
	b.ok(err)
	if len(acl.Grants) != 1 || acl.Grants[0].Permission != types.PermissionFullControl || *acl.Grants[0].Grantee.ID != *acl.Owner.ID {
		t.Errorf("ACL %+v", acl)
	}
	for sub, code := range map[string]string{
		"policy": "NoSuchBucketPolicy", "lifecycle": "NoSuchLifecycleConfiguration", "tagging": "NoSuchTagSet", "cors": "NoSuchCORSConfiguration",
		"website": "NoSuchWebsiteConfiguration", "replication": "ReplicationConfigurationNotFoundError", "object-lock": "ObjectLockConfigurationNotFoundError",
	} {
		if status, text := b.raw(http.MethodGet, "/"+testBucket+"?"+sub, ""); status != 404 || !strings.Contains(text, "<Code>"+code+"</Code>") {
			t.Errorf("%s: %d %s", sub, status, text)
		}
	}
	for sub, root := range map[string]string{"accelerate": "AccelerateConfiguration", "logging": "BucketLoggingStatus", "requestPayment": "RequestPaymentConfiguration"} {
		if status, text := b.raw(http.MethodGet, "/"+testBucket+"?"+sub, ""); status != 200 || !strings.Contains(text, "<"+root+" ") {
			t.Errorf("%s: %d %s", sub, status, text)
		}
	}
}

func (b *bench) raw(method, target, body string) (status int, text string) {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	w := httptest.NewRecorder()
	b.service.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestSettingsAreKept(t *testing.T) {
	b := newBench(t)
	for sub, test := range map[string]struct {
		document string
		after    int // the status of GET after DELETE
	}{
		"encryption":        {"<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>", 200},
		"ownershipControls": {"<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>", 404},
		"publicAccessBlock": {"<PublicAccessBlockConfiguration><BlockPublicAcls>false</BlockPublicAcls></PublicAccessBlockConfiguration>", 404},
		"lifecycle":         {"<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status></Rule></LifecycleConfiguration>", 404},
		"versioning":        {"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>", 0},
	} {
		target := "/" + testBucket + "?" + sub
		if status, text := b.raw(http.MethodPut, target, test.document); status != 200 {
			t.Errorf("%s: PUT: %d %s", sub, status, text)
		}
		if status, text := b.raw(http.MethodGet, target, ""); status != 200 || !strings.HasSuffix(text, test.document) {
			t.Errorf("%s: GET: %d %s", sub, status, text)
		}
		for _, wrong := range []string{"", "<Other/>", test.document + "x<", "<a>" + test.document + "</a>", test.document + test.document} {
			if status, text := b.raw(http.MethodPut, target, wrong); status != 400 || !strings.Contains(text, "MalformedXML") {
				t.Errorf("%s: PUT of %s: %d %s", sub, wrong, status, text)
			}
		}
		status, _ := b.raw(http.MethodDelete, target, "")
		if test.after == 0 {
			if status != 501 {
				t.Errorf("%s: DELETE: %d", sub, status)
			}
			continue
		}
		if after, text := b.raw(http.MethodGet, target, ""); status != 204 || after != test.after || strings.HasSuffix(text, test.document) {
			t.Errorf("%s: DELETE: %d, then %d %s", sub, status, after, text)
		}
	}
	if status, _ := b.raw(http.MethodGet, "/absent?policy", ""); status != 404 {
		t.Errorf("of no bucket: %d", status)
	}
}

func TestBucketPolicyAndTags(t *testing.T) {
	b := newBench(t)
	bucket := aws.String(testBucket)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
	_, err := b.s3.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &policy})
	b.ok(err)
	got, err := b.s3.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: bucket})
	b.ok(err)
	if *got.Policy != policy || b.service.backend.policy(testBucket) == nil {
		t.Errorf("policy %s", *got.Policy)
	}
	_, err = b.s3.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(`{}`)})
	servicetest.Code(t, err, "MalformedPolicy")
	open := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}]}`
	_, err = b.s3.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &open})
	servicetest.Code(t, err, "AccessDenied")
	_, err = b.s3.DeletePublicAccessBlock(t.Context(), &s3.DeletePublicAccessBlockInput{Bucket: bucket})
	b.ok(err)
	_, err = b.s3.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &open})
	b.ok(err)
	_, err = b.s3.DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: bucket})
	b.ok(err)
	_, err = b.s3.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: bucket})
	servicetest.Code(t, err, "NoSuchBucketPolicy")

	_, err = b.s3.PutBucketTagging(t.Context(), &s3.PutBucketTaggingInput{Bucket: bucket, Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("cluster"), Value: aws.String("local")}}}})
	b.ok(err)
	control := controlTags + url.PathEscape(bucketARN+testBucket)
	if status, text := b.raw(http.MethodPost, control, "<TagResourceRequest><Tags><Tag><Key>k</Key><Value>v</Value></Tag></Tags></TagResourceRequest>"); status != 204 {
		t.Errorf("TagResource: %d %s", status, text)
	}
	tags, err := b.s3.GetBucketTagging(t.Context(), &s3.GetBucketTaggingInput{Bucket: bucket})
	b.ok(err)
	if len(tags.TagSet) != 2 || *tags.TagSet[0].Value != "local" || *tags.TagSet[1].Key != "k" {
		t.Errorf("tags %+v", tags.TagSet)
	}
	if status, text := b.raw(http.MethodGet, control, ""); status != 200 || !strings.Contains(text, "<Tag><Key>k</Key><Value>v</Value></Tag>") {
		t.Errorf("ListTagsForResource: %d %s", status, text)
	}
	if status, _ := b.raw(http.MethodDelete, control+"?tagKeys=k", ""); status != 204 {
		t.Errorf("UntagResource: %d", status)
	}
	_, err = b.s3.DeleteBucketTagging(t.Context(), &s3.DeleteBucketTaggingInput{Bucket: bucket})
	b.ok(err)
	_, err = b.s3.GetBucketTagging(t.Context(), &s3.GetBucketTaggingInput{Bucket: bucket})
	servicetest.Code(t, err, "NoSuchTagSet")
}

// Every request checks the permission for its actions on its resources before it does
// anything.
func TestWhatIsAsked(t *testing.T) {
	for request, test := range map[string]struct{ body, copySource, want string }{
		"GET /":                                    {want: "s3:ListAllMyBuckets *"},
		"PUT /new":                                 {want: "s3:CreateBucket arn:aws:s3:::new"},
		"HEAD /events":                             {want: "s3:ListBucket arn:aws:s3:::events"},
		"GET /events/?list-type=2&prefix=a":        {want: "s3:ListBucket arn:aws:s3:::events"},
		"DELETE /events":                           {want: "s3:DeleteBucket arn:aws:s3:::events"},
		"GET /events?versions":                     {want: "s3:ListBucketVersions arn:aws:s3:::events"},
		"PUT /events?versioning":                   {want: "s3:PutBucketVersioning arn:aws:s3:::events"},
		"DELETE /events?encryption":                {want: "s3:PutEncryptionConfiguration arn:aws:s3:::events"},
		"DELETE /events?policy":                    {want: "s3:DeleteBucketPolicy arn:aws:s3:::events"},
		"PUT /events/a/b?x-id=PutObject":           {want: "s3:PutObject arn:aws:s3:::events/a/b"},
		"HEAD /events/a":                           {want: "s3:GetObject arn:aws:s3:::events/a"},
		"GET /events/a?versionId=1":                {want: "s3:GetObjectVersion arn:aws:s3:::events/a"},
		"GET /events/a?uploadId=":                  {want: "s3:GetObject arn:aws:s3:::events/a"},
		"GET /events/a?uploadId=1":                 {want: "s3:ListMultipartUploadParts arn:aws:s3:::events/a"},
		"DELETE /events/a?uploadId=1":              {want: "s3:AbortMultipartUpload arn:aws:s3:::events/a"},
		"POST /events/a?uploads":                   {want: "s3:PutObject arn:aws:s3:::events/a"},
		"DELETE /events/a":                         {want: "s3:DeleteObject arn:aws:s3:::events/a"},
		"PUT /events/b":                            {copySource: "other/k%20?versionId=1", want: "s3:PutObject arn:aws:s3:::events/b, s3:GetObject arn:aws:s3:::other/k "},
		"POST /events?delete":                      {body: "<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>", want: "s3:DeleteObject arn:aws:s3:::events/a, s3:DeleteObject arn:aws:s3:::events/b"},
		"GET /v20180820/tags/arn:aws:s3:::events":  {want: "s3:ListTagsForResource arn:aws:s3:::events"},
		"POST /v20180820/tags/arn:aws:s3:::events": {want: "s3:TagResource arn:aws:s3:::events"},
	} {
		guard := &servicetest.Guard{Denies: "*"}
		s, err := New(Options{Buckets: []string{testBucket}, Guard: guard, Clock: clock.System{}, Faults: &fault.Faults{}})
		if err != nil {
			t.Fatal(err)
		}
		method, target, _ := strings.Cut(request, " ")
		r := httptest.NewRequest(method, target, strings.NewReader(test.body))
		if test.copySource != "" {
			r.Header.Set("X-Amz-Copy-Source", test.copySource)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if got := strings.Join(guard.Asked(), ", "); got != test.want || w.Code != http.StatusForbidden {
			t.Errorf("%s: %d, asked %s, want %s", request, w.Code, got, test.want)
		}
		if method != http.MethodHead && !strings.Contains(w.Body.String(), "<Code>AccessDenied</Code>") {
			t.Errorf("%s: %s", request, w.Body)
		}
	}
}

// A setting that the server does not have is refused by name. It never counts as another
// request.
func TestUnservedSubresources(t *testing.T) {
	b := newBench(t)
	for _, request := range []string{
		"PUT /events?acl", "PUT /events?cors", "POST /events", "GET /events/a?tagging", "PUT /events/a?acl", "GET /events/a?torrent", "GET /events?inventory",
		"DELETE /events/a?versions", "PATCH /events/a",
	} {
		method, target, _ := strings.Cut(request, " ")
		if status, text := b.raw(method, target, ""); status != http.StatusNotImplemented {
			t.Errorf("%s: %d %s", request, status, text)
		}
	}
	if status, text := b.raw(http.MethodGet, "/events/a?uploadId=1&acl", ""); status != http.StatusBadRequest {
		t.Errorf("two sub-resources: %d %s", status, text)
	}
}
