package iam

import (
	_ "embed" // managed.yaml
	"fmt"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/internal/iam"
)

//go:embed managed.yaml
var managedYAML []byte

// administrator is the policy of users, and of the root user.
const administrator = awsOwned + "AdministratorAccess"

// managedSince is the creation date that the server gives for AWS's policies.
var managedSince = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// awsManaged are AWS's policies that this system attaches, by ARN.
var awsManaged = mustRead(managedYAML)

// mustRead panics if the embedded file is wrong, which a test would show.
func mustRead(data []byte) map[string]document {
	var file map[string]any
	if err := yaml.Unmarshal(data, &file); err != nil {
		panic(fmt.Sprintf("managed.yaml: %v", err))
	}
	all := map[string]document{}
	for name, statements := range file {
		text, err := jsonOf(map[string]any{"Version": "2012-10-17", "Statement": statements})
		if err != nil {
			panic(fmt.Sprintf("managed.yaml: %s: %v", name, err))
		}
		arn := awsOwned + name
		parsed, err := iam.Parse(arn, iam.IdentityPolicy, []byte(text))
		if err != nil {
			panic(fmt.Sprintf("managed.yaml: %v", err))
		}
		all[arn] = document{text, parsed}
	}
	return all
}
