package function

import (
	"encoding/json"
	"fmt"
)

// policy is an IAM policy document, as far as we write them:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type policy struct {
	Version   string      `json:"Version"`
	Statement []statement `json:"Statement"`
}

type statement struct {
	Sid       string    `json:"Sid,omitempty"`
	Effect    string    `json:"Effect"`
	Principal any       `json:"Principal,omitempty"` // "*", or a map of a kind of principal to its name
	Action    []string  `json:"Action"`
	Resource  []string  `json:"Resource,omitempty"`
	Condition condition `json:"Condition,omitempty"`
}

// condition maps an operator to a condition key to its value.
type condition map[string]map[string]string

// document is a policy's JSON. The provider compares policies by meaning, so
// that only our own tests depend on the order.
func document(statements ...statement) string {
	return jsonOf(policy{Version: "2012-10-17", Statement: statements})
}

// denyPlainText refuses every request that does not come over TLS.
func denyPlainText(action string, resources ...string) statement {
	return statement{
		Sid:       "OnlyTLS",
		Effect:    "Deny",
		Principal: "*",
		Action:    []string{action},
		Resource:  resources,
		Condition: condition{"Bool": {"aws:SecureTransport": "false"}},
	}
}

// jsonOf is the JSON of one of our own types, which cannot fail.
func jsonOf(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("JSON of %T: %v", value, err))
	}
	return string(data)
}
