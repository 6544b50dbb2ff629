package iam

import (
	"fmt"

	"github.com/mystique-unicorn/sales-events/internal/iam"
)

// Trusts returns nil if a service of AWS, such as eks.amazonaws.com, may assume a
// role. The error says why not, but not in AWS's words: each service has its own.
func (a *Account) Trusts(roleARN, service string) error {
	role, ok := a.Role(roleARN)
	if !ok {
		return fmt.Errorf("the role %s does not exist", roleARN)
	}
	decision := iam.Policies{Resource: role.Trust}.Evaluate(iam.Request{
		Principal: iam.Principal{Kind: iam.Service, ID: service}, Action: "sts:AssumeRole", Resource: roleARN,
		Context: map[string][]string{"aws:SourceAccount": {a.id}},
	})
	if !decision.Allowed() {
		return fmt.Errorf("the role %s does not trust %s: %s", roleARN, service, decision.Reason)
	}
	return nil
}
