package eks

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

// send sends a request to the service and returns the answer.
func (s *Service) send(method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

// Every action refuses a caller without permissions, even if a parameter is missing.
func TestEveryActionAsks(t *testing.T) {
	b := newBench(t)
	b.cluster()
	b.guard.Denies = "*"
	for _, route := range routes {
		method, path, _ := strings.Cut(strings.Replace(route.is, "{}", staging, 1), " ")
		w := b.service.send(method, strings.ReplaceAll(path, "{}", "x"), "{}")
		if w.Code != http.StatusForbidden || w.Header().Get("X-Amzn-ErrorType") != "AccessDeniedException" ||
			!strings.Contains(w.Body.String(), "eks:"+route.name) {
			t.Errorf("%s: %d %s", route.name, w.Code, w.Body)
		}
	}
	b.equal("clusters", len(b.service.clusters), 1)
}

// Calls ask for permission for what EKS does in the caller's name: it assumes a role,
// creates its service-linked role once, and tags resources.
func TestWhatCallsAsk(t *testing.T) {
	b := newBench(t)
	arn := *b.cluster().Arn
	b.list("CreateCluster", b.guard.Asked("iam:PassedToService", "aws:RequestTag/cluster", "aws:ResourceTag/cluster", "eks:authenticationMode"),
		"eks:CreateCluster "+arn+" aws:RequestTag/cluster=staging eks:authenticationMode=API",
		"iam:PassRole "+clusterRole+" iam:PassedToService=eks.amazonaws.com",
		"iam:GetRole "+clusterRole,
		"iam:CreateServiceLinkedRole arn:aws:iam::111122223333:role/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS",
		"eks:TagResource "+arn+" aws:RequestTag/cluster=staging",
		"eks:DescribeCluster "+arn+" aws:ResourceTag/cluster=staging")
	out, err := b.eks.CreateNodegroup(t.Context(), b.nodegroupInput())
	b.ok(err)
	b.list("CreateNodegroup", b.guard.Asked("iam:PassedToService", "aws:ResourceTag/cluster"),
		"eks:CreateNodegroup "+arn+" aws:ResourceTag/cluster=staging",
		"iam:PassRole "+nodeRole+" iam:PassedToService=ec2.amazonaws.com",
		"iam:GetRole "+nodeRole, "iam:ListAttachedRolePolicies "+nodeRole, "ec2:DescribeSubnets *",
		"iam:CreateServiceLinkedRole arn:aws:iam::111122223333:role/aws-service-role/eks-nodegroup.amazonaws.com/AWSServiceRoleForAmazonEKSNodegroup",
		"eks:TagResource "+*out.Nodegroup.NodegroupArn)
	in := b.clusterInput()
	in.Name = aws.String("second")
	b.guard.Denies = "iam:CreateServiceLinkedRole" // the role exists by now
	_, err = b.eks.CreateCluster(t.Context(), in)
	b.ok(err)
	b.guard.Denies = "iam:PassRole"
	in.Name = aws.String("third")
	_, err = b.eks.CreateCluster(t.Context(), in)
	servicetest.Code(b, err, "AccessDeniedException")
	b.guard.Asked()
	_, err = b.eks.AssociateAccessPolicy(t.Context(), &eks.AssociateAccessPolicyInput{
		ClusterName:  aws.String(staging),
		PrincipalArn: aws.String(hubRole), PolicyArn: aws.String("p"), AccessScope: &types.AccessScope{},
	})
	servicetest.Code(b, err, "ResourceNotFoundException")
}

func TestInjectedErrors(t *testing.T) {
	b := newBench(t)
	b.faults.Add(fault.Fault{Action: "eks:*", Times: 1, Code: "ThrottlingException"})
	_, err := b.eks.ListClusters(t.Context(), &eks.ListClustersInput{})
	servicetest.Code(b, err, "ThrottlingException")
	_, err = b.eks.ListClusters(t.Context(), &eks.ListClustersInput{})
	b.ok(err)
}

// A second call with the same client token creates nothing.
func TestClientTokens(t *testing.T) {
	b := newBench(t)
	in := b.clusterInput()
	in.ClientRequestToken = aws.String("once")
	for range 2 {
		_, err := b.eks.CreateCluster(t.Context(), in)
		b.ok(err)
	}
	b.equal("clusters", len(b.service.clusters), 1)
	in.Name = aws.String("other")
	_, err := b.eks.CreateCluster(t.Context(), in)
	servicetest.Code(b, err, "InvalidParameterException")
}

func TestNonsense(t *testing.T) {
	b := newBench(t)
	for request, want := range map[string]string{
		"POST /clusters {":                      "InvalidParameterException",
		"POST /clusters {}{}":                   "InvalidParameterException",
		`POST /clusters {"name":1}`:             "InvalidParameterException",
		`POST /clusters {"name":"x"}`:           "InvalidParameterException",
		"POST /clusters []":                     "InvalidParameterException",
		"PATCH /clusters ":                      "UnknownOperationException",
		"GET /clusters//x ":                     "UnknownOperationException",
		"GET /nodes ":                           "UnknownOperationException",
		"GET /clusters/x ":                      "ResourceNotFoundException",
		"GET /clusters?maxResults=101 ":         "InvalidParameterException",
		"GET /clusters?nextToken=%25 ":          "InvalidParameterException",
		"GET /tags/arn%3Aaws%3Aeks%3Ax ":        "NotFoundException",
		"POST /clusters/x/node-groups {}":       "ResourceNotFoundException",
		"POST /clusters/x/access-entries ":      "ResourceNotFoundException",
		"POST /clusters/x/updates null":         "ResourceNotFoundException",
		"DELETE /clusters/x/addons/coredns {1}": "InvalidParameterException",
	} {
		parts := strings.SplitN(request, " ", 3)
		w := b.service.send(parts[0], parts[1], parts[2])
		var answer struct{ Message string }
		if w.Code < 400 || w.Code > 499 || w.Header().Get("X-Amzn-ErrorType") != want || json.Unmarshal(w.Body.Bytes(), &answer) != nil ||
			answer.Message == "" {
			t.Errorf("%s: %d %s %s, want %s", request, w.Code, w.Header().Get("X-Amzn-ErrorType"), w.Body, want)
		}
	}
	if w := b.service.send(http.MethodPost, "/clusters", `"`+strings.Repeat("x", maxRequest)); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a request without end: %d", w.Code)
	}
}
