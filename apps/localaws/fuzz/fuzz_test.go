// Package fuzz_test sends any request to the local AWS and to its services. Nothing
// crashes or hangs, and each error has the shape that AWS gives it. The go command
// instruments all packages that a fuzz test links. So these targets are apart from the
// tests with the SDK, whose EC2 package alone compiles for minutes.
package fuzz_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/cloudwatch"
	"github.com/mystique-unicorn/sales-events/apps/localaws/ec2"
	"github.com/mystique-unicorn/sales-events/apps/localaws/eks"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/iam"
	"github.com/mystique-unicorn/sales-events/apps/localaws/logs"
	"github.com/mystique-unicorn/sales-events/apps/localaws/s3"
	"github.com/mystique-unicorn/sales-events/apps/localaws/sns"
	"github.com/mystique-unicorn/sales-events/apps/localaws/sts"
)

const (
	region  = "eu-west-1"
	account = "111122223333"
	bucket  = "events"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// send sends a request of arbitrary parts. It sets them after httptest.NewRequest, which
// would panic at an invalid method or path.
func send(to http.Handler, method, path, query string, body []byte, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Method, r.URL.Path, r.URL.RawQuery = method, path, query
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	to.ServeHTTP(w, r)
	return w
}

// signed adds a caller to every request.
func signed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(access.NewContext(r.Context(), access.Call{Caller: &access.Caller{}})))
	})
}

func post(to http.Handler, form string) *httptest.ResponseRecorder {
	return send(to, http.MethodPost, "/", "", []byte(form), "Content-Type", "application/x-www-form-urlencoded")
}

// FuzzServer calls the whole server, which verifies signatures: every call is refused.
func FuzzServer(f *testing.F) {
	f.Add("POST", "/", "AmazonSQS.SendMessage", "application/x-amz-json-1.0",
		"AWS4-HMAC-SHA256 Credential=a/20260101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0", "{}")
	f.Add("POST", "/", "", "application/x-www-form-urlencoded", "", "Action=AssumeRoleWithWebIdentity")
	f.Add("PUT", "/events/k?acl&policy", "", "", "AWS4-HMAC-SHA256 ", "x")
	server, err := localaws.New(localaws.Config{
		Region: region, AccountID: account, Buckets: []string{bucket}, Enforce: true, Keys: []localaws.Key{{ID: "AKIA", Secret: "s"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, path, target, kind, authorization, body string) {
		path, query, _ := strings.Cut(path, "?")
		w := send(server, method, path, query, []byte(body), "X-Amz-Target", target, "Content-Type", kind, "Authorization", authorization)
		text := w.Body.String()
		shaped := strings.Contains(text, "<Code>") || strings.Contains(text, `"__type"`) || w.Header().Get("X-Amzn-ErrorType") != ""
		refused := w.Code >= 400 && w.Code < 500 || w.Code == http.StatusNotImplemented
		isHealth := method == http.MethodGet && path == "/healthz"
		if !isHealth && (!refused || !shaped && method != http.MethodHead) {
			t.Errorf("%s %s: %d %s", method, path, w.Code, text)
		}
	})
}

// FuzzQuery sends a form to the services of the query protocol.
func FuzzQuery(f *testing.F) {
	for _, form := range []string{
		"Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument={}",
		"Action=ListRoles&MaxItems=1&Marker=AA",
		"Action=CreateOpenIDConnectProvider&Url=https://%00&ClientIDList.member.1=x",
		"Action=TagRole&RoleName=r&Tags.member.1.Key=k&Tags.member.999999999.Key=l",
		"Action=AssumeRole&Version=2011-06-15&RoleArn=x&RoleSessionName=yy",
		"Action=AssumeRoleWithWebIdentity&RoleArn=arn:aws:iam::000000000000:role/r&RoleSessionName=pod&WebIdentityToken=a.b.c",
		"Action=GetCallerIdentity&%zz",
		"Action=CreateTopic&Name=t&Attributes.entry.1.key=Policy&Attributes.entry.1.value={",
		"Action=Subscribe&TopicArn=arn:aws:sns:eu-west-1:111122223333:t&Protocol=email&Endpoint=x",
		"Action=PutMetricAlarm&AlarmName=a&Dimensions.member.1.Name=QueueName&EvaluationPeriods=-1&Threshold=NaN",
		"Action=DescribeAlarms&MaxRecords=1&NextToken=_",
	} {
		f.Add(form)
	}
	now, faults := clock.NewFake(start), &fault.Faults{}
	directory, err := iam.NewAccount(account, iam.Config{}, now)
	sessions, sessionsErr := sts.NewSessions("")
	if err := errors.Join(err, sessionsErr); err != nil {
		f.Fatal(err)
	}
	anyone := access.Anyone{}
	services := map[string]http.Handler{
		"iam": iam.New(iam.Options{Account: directory, Guard: anyone, Clock: now, Faults: faults}),
		"sts": sts.New(sts.Options{
			AccountID: account, Directory: directory, Sessions: sessions, Guard: anyone, Clock: now, Faults: faults,
		}),
		"sns":        sns.New(sns.Options{Region: region, AccountID: account, Guard: anyone, Clock: now, Faults: faults}),
		"cloudwatch": cloudwatch.New(cloudwatch.Options{Region: region, AccountID: account, Guard: anyone, Clock: now, Faults: faults}),
	}
	f.Fuzz(func(t *testing.T, form string) {
		for name, service := range services {
			w := post(signed(service), form)
			text := w.Body.String()
			failed, done := strings.Contains(text, "<ErrorResponse"), strings.Contains(text, "<ResponseMetadata>")
			if w.Code >= 500 || failed != (w.Code >= 400) || done != (w.Code < 400) {
				t.Errorf("%s: %s: %d %s", name, form, w.Code, text)
			}
		}
	})
}

// FuzzEC2 sends a form to an account with a VPC. The form refers to it as VPC.
func FuzzEC2(f *testing.F) {
	for _, action := range strings.Fields(ec2Actions) {
		f.Add("Action=" + action + "&Version=" + ec2.Version)
	}
	f.Add("Action=CreateSubnet&VpcId=VPC&CidrBlock=10.16.0.0/24")
	f.Add("Action=CreateVpc&CidrBlock=10.0.0.0/16&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=k")
	f.Add("Action=AuthorizeSecurityGroupIngress&GroupId=sg-1&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.Groups.1.GroupId=x")
	f.Add("Action=DescribeRouteTables&Filter.1.Name=tag:[&Filter.1.Value.1=[a-&MaxResults=5&NextToken=_")
	f.Add("Action=CreateLaunchTemplate&LaunchTemplateName=abc&LaunchTemplateData.BlockDeviceMapping.1.Ebs.VolumeSize=1")
	f.Fuzz(func(t *testing.T, form string) {
		s := ec2.New(ec2.Options{Region: region, AccountID: account, Clock: clock.NewFake(start), Faults: &fault.Faults{}})
		vpc := made(s, "Action=CreateVpc&CidrBlock=10.16.0.0/16", "vpcId")
		w := post(s, strings.ReplaceAll(form, "VPC", vpc))
		var answer struct{ XMLName xml.Name }
		if err := xml.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		if failed := answer.XMLName.Local == "Response"; failed != (w.Code >= 400) || w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// ec2Actions are the actions that read the most parameters.
const ec2Actions = `
	AllocateAddress AssociateRouteTable AttachInternetGateway AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress
	CreateFlowLogs CreateInternetGateway CreateLaunchTemplate CreateLaunchTemplateVersion CreateNatGateway CreateRoute
	CreateRouteTable CreateSecurityGroup CreateSubnet CreateTags CreateVpc CreateVpcEndpoint DeleteTags DeleteVpc
	DescribeLaunchTemplateVersions DescribeNetworkInterfaces DescribePrefixLists DescribeSecurityGroupRules DescribeSecurityGroups
	DescribeVpcAttribute DescribeVpcs ModifyLaunchTemplate ModifySecurityGroupRules ModifySubnetAttribute ModifyVpcAttribute
	ModifyVpcEndpoint ReplaceRoute ReplaceRouteTableAssociation RevokeSecurityGroupEgress RevokeSecurityGroupIngress`

// made sends a form that creates a resource and returns the id in an element of the
// answer.
func made(s http.Handler, form, element string) string {
	_, rest, _ := strings.Cut(post(s, form).Body.String(), "<"+element+">")
	id, _, _ := strings.Cut(rest, "<")
	return id
}

// FuzzEKS calls an account with a cluster. The body refers to its subnets as SUBNETA and
// SUBNETB.
func FuzzEKS(f *testing.F) {
	for _, seed := range [][3]string{
		{"GET", "/clusters", ""},
		{"GET", "/clusters/staging/updates/u", ""},
		{"GET", "/access-policies", ""},
		{"DELETE", "/clusters/staging/access-entries/a/access-policies/b", ""},
		{"DELETE", "/clusters/staging", ""},
		{"POST", "/tags/arn:aws:eks:eu-west-1:111122223333:cluster%2Fstaging", `{"tags":{"a":"b"}}`},
		{"POST", "/clusters/staging/node-groups/n/update-config", `{"scalingConfig":{"minSize":1}}`},
		{"POST", "/clusters/staging/updates", `{"version":"1.35"}`},
		{"POST", "/clusters/staging/update-config", `{"resourcesVpcConfig":{}}`},
		{"POST", "/clusters/staging/addons", `{"addonName":"coredns","configurationValues":"{"}`},
		{"POST", "/clusters/staging/addons/coredns/update", `{}`},
		{"POST", "/clusters", `{"name":"b","roleArn":"r","resourcesVpcConfig":{"subnetIds":["SUBNETA","SUBNETB"]},` +
			`"accessConfig":{"authenticationMode":"API"}}`},
		{"POST", "/clusters/staging/node-groups", `{"nodegroupName":"n","nodeRole":"arn:aws:iam::111122223333:role/n",` +
			`"subnets":["SUBNETA"],"scalingConfig":{"desiredSize":2}}`},
		{"POST", "/clusters/staging/access-entries", `{"principalArn":"arn:aws:iam::111122223333:role/n","kubernetesGroups":["a"]}`},
	} {
		f.Add(seed[0], seed[1], []byte(seed[2]))
	}
	f.Fuzz(func(t *testing.T, method, path string, body []byte) {
		s, subnets := cluster(t)
		for name, id := range subnets {
			body = bytes.ReplaceAll(body, []byte(name), []byte(id))
		}
		if w := send(s, method, path, "", body); !json.Valid(w.Body.Bytes()) || w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}

// cluster returns EKS with a cluster, and the subnets of the cluster.
func cluster(t *testing.T) (s *eks.Service, subnets map[string]string) {
	now, faults := clock.NewFake(start), &fault.Faults{}
	network := ec2.New(ec2.Options{Region: region, AccountID: account, Clock: now, Faults: faults})
	vpc := made(network, "Action=CreateVpc&CidrBlock=10.16.0.0/20", "vpcId")
	a := made(network, "Action=CreateSubnet&CidrBlock=10.16.0.0/22&AvailabilityZone=eu-west-1a&VpcId="+vpc, "subnetId")
	b := made(network, "Action=CreateSubnet&CidrBlock=10.16.4.0/22&AvailabilityZone=eu-west-1b&VpcId="+vpc, "subnetId")
	s = eks.New(eks.Options{Region: region, AccountID: account, Clock: now, Faults: faults, Network: network})
	created := send(s, http.MethodPost, "/clusters", "", []byte(`{"name":"staging","roleArn":"r","resourcesVpcConfig":{"subnetIds":["`+
		a+`","`+b+`"]},"accessConfig":{"authenticationMode":"API"}}`))
	if created.Code != http.StatusOK {
		t.Fatal(created.Body)
	}
	now.Advance(time.Hour)
	return s, map[string]string{"SUBNETA": a, "SUBNETB": b}
}

// FuzzS3 sends requests for a bucket to S3.
func FuzzS3(f *testing.F) {
	f.Add("PUT", "versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
	f.Add("PUT", "tagging", "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>")
	f.Add("PUT", "policy", `{"Version":"2012-10-17","Statement":[]}`)
	f.Add("POST", "delete", "<Delete><Object><Key>a</Key></Object></Delete>")
	f.Fuzz(func(t *testing.T, method, query, body string) {
		s, err := s3.New(s3.Options{Region: region, Buckets: []string{bucket}, Clock: clock.NewFake(start), Faults: &fault.Faults{}})
		if err != nil {
			t.Fatal(err)
		}
		w := send(s, method, "/"+bucket, query, []byte(body))
		if w.Code >= 400 && w.Code != http.StatusNotFound && method != http.MethodHead && !strings.Contains(w.Body.String(), "<Code>") {
			t.Errorf("%s %s: %d %s", method, query, w.Code, w.Body)
		}
	})
}

// FuzzLogs calls CloudWatch Logs.
func FuzzLogs(f *testing.F) {
	f.Add("CreateLogGroup", `{"logGroupName":"g","tags":{"":""}}`)
	f.Add("DescribeLogGroups", `{"limit":"x"}`)
	f.Add("PutRetentionPolicy", `{"logGroupName":"g","retentionInDays":31}`)
	s := signed(logs.New(logs.Options{
		Region: region, AccountID: account, Guard: access.Anyone{}, Clock: clock.NewFake(start), Faults: &fault.Faults{},
	}))
	f.Fuzz(func(t *testing.T, action, body string) {
		w := send(s, http.MethodPost, "/", "", []byte(body), "X-Amz-Target", "Logs_20140328."+action)
		if w.Code != http.StatusOK && (w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"__type"`)) {
			t.Errorf("%s %s: %d %s", action, body, w.Code, w.Body)
		}
	})
}
