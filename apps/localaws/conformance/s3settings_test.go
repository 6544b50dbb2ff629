package conformance

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

var s3SettingCases = []conformanceCase{
	{"GetBucketEncryption", "a new bucket is encrypted with AES256", func(c *check) {
		out, err := c.s3.GetBucketEncryption(c.ctx, &s3.GetBucketEncryptionInput{Bucket: c.bucket()})
		c.ok(err)
		equal(c, "algorithm", out.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm, types.ServerSideEncryptionAes256)
	}},
	{"GetPublicAccessBlock", "a new bucket blocks public access; without the setting it is an error", func(c *check) {
		b := c.bucket()
		out, err := c.s3.GetPublicAccessBlock(c.ctx, &s3.GetPublicAccessBlockInput{Bucket: b})
		c.ok(err)
		equal(c, "BlockPublicPolicy", *out.PublicAccessBlockConfiguration.BlockPublicPolicy, true)
		_, err = c.s3.DeletePublicAccessBlock(c.ctx, &s3.DeletePublicAccessBlockInput{Bucket: b})
		c.ok(err)
		_, err = c.s3.GetPublicAccessBlock(c.ctx, &s3.GetPublicAccessBlockInput{Bucket: b})
		c.code(err, "NoSuchPublicAccessBlockConfiguration")
	}},
	{"GetBucketOwnershipControls", "a new bucket has BucketOwnerEnforced", func(c *check) {
		out, err := c.s3.GetBucketOwnershipControls(c.ctx, &s3.GetBucketOwnershipControlsInput{Bucket: c.bucket()})
		c.ok(err)
		equal(c, "ownership", out.OwnershipControls.Rules[0].ObjectOwnership, types.ObjectOwnershipBucketOwnerEnforced)
	}},
	{"PutBucketPolicy", "a policy is stored and deleted; without one it is an error; an invalid policy is refused", func(c *check) {
		b := c.bucket()
		_, err := c.s3.GetBucketPolicy(c.ctx, &s3.GetBucketPolicyInput{Bucket: b})
		c.code(err, "NoSuchBucketPolicy")
		policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:PutObjectAcl","Resource":"arn:aws:s3:::` + *b + `/*"}]}`
		_, err = c.s3.PutBucketPolicy(c.ctx, &s3.PutBucketPolicyInput{Bucket: b, Policy: &policy})
		c.ok(err)
		got, err := c.s3.GetBucketPolicy(c.ctx, &s3.GetBucketPolicyInput{Bucket: b})
		c.ok(err)
		equal(c, "policy", *got.Policy, policy)
		_, err = c.s3.PutBucketPolicy(c.ctx, &s3.PutBucketPolicyInput{Bucket: b, Policy: aws.String(`{"Version":"2012-10-17"}`)})
		c.code(err, "MalformedPolicy")
		_, err = c.s3.DeleteBucketPolicy(c.ctx, &s3.DeleteBucketPolicyInput{Bucket: b})
		c.ok(err)
	}},
	{"PutBucketPolicy", "refuses a public policy while public policies are blocked", func(c *check) {
		b := c.bucket()
		open := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + *b + `/*"}]}`
		_, err := c.s3.PutBucketPolicy(c.ctx, &s3.PutBucketPolicyInput{Bucket: b, Policy: &open})
		c.code(err, "AccessDenied")
	}},
	{"PutBucketVersioning", "versioning is off at first, and can be enabled and suspended", func(c *check) {
		b := c.bucket()
		status := func() string {
			out, err := c.s3.GetBucketVersioning(c.ctx, &s3.GetBucketVersioningInput{Bucket: b})
			c.ok(err)
			return string(out.Status)
		}
		equal(c, "versioning", status(), "")
		for _, wanted := range []types.BucketVersioningStatus{types.BucketVersioningStatusEnabled, types.BucketVersioningStatusSuspended} {
			_, err := c.s3.PutBucketVersioning(c.ctx, &s3.PutBucketVersioningInput{Bucket: b, VersioningConfiguration: &types.VersioningConfiguration{Status: wanted}})
			c.ok(err)
			c.eventually(string(wanted), status)
		}
	}},
	{"PutBucketLifecycleConfiguration", "rules are stored; without any it is an error", func(c *check) {
		b := c.bucket()
		_, err := c.s3.GetBucketLifecycleConfiguration(c.ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: b})
		c.code(err, "NoSuchLifecycleConfiguration")
		_, err = c.s3.PutBucketLifecycleConfiguration(c.ctx, &s3.PutBucketLifecycleConfigurationInput{
			Bucket: b, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
				ID: aws.String("old"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("a/")},
				Expiration: &types.LifecycleExpiration{Days: aws.Int32(30)},
			}}},
		})
		c.ok(err)
		got, err := c.s3.GetBucketLifecycleConfiguration(c.ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: b})
		c.ok(err)
		equal(c, "rules", len(got.Rules), 1)
		equal(c, "days", *got.Rules[0].Expiration.Days, 30)
	}},
	{"PutBucketTagging", "replaces the tags; without any it is an error", func(c *check) {
		b := c.bucket()
		_, err := c.s3.GetBucketTagging(c.ctx, &s3.GetBucketTaggingInput{Bucket: b})
		c.code(err, "NoSuchTagSet")
		for _, key := range []string{"a", "b"} {
			tags := &types.Tagging{TagSet: []types.Tag{{Key: &key, Value: aws.String("v")}}}
			_, err = c.s3.PutBucketTagging(c.ctx, &s3.PutBucketTaggingInput{Bucket: b, Tagging: tags})
			c.ok(err)
		}
		got, err := c.s3.GetBucketTagging(c.ctx, &s3.GetBucketTaggingInput{Bucket: b})
		c.ok(err)
		equal(c, "tags", len(got.TagSet), 1)
		equal(c, "tag", *got.TagSet[0].Key, "b")
	}},
}
