package protocol

import (
	"fmt"
	"testing"
)

func TestTokens(t *testing.T) {
	var tokens Tokens
	tokens.Remember("CreateVpc", "", "body", "none")
	tokens.Remember("CreateVpc", "once", "body", "vpc-1")
	for _, test := range []struct {
		action, token, body, id string
		differs                 bool
	}{
		{"CreateVpc", "once", "body", "vpc-1", false},
		{"CreateVpc", "once", "other", "vpc-1", true},
		{"CreateSubnet", "once", "body", "", false},
		{"CreateVpc", "", "body", "", false},
	} {
		if id, differs := tokens.Made(test.action, test.token, test.body); id != test.id || differs != test.differs {
			t.Errorf("%+v: %s, %t", test, id, differs)
		}
	}
	for i := range maxTokens {
		tokens.Remember("CreateVpc", fmt.Sprint(i), "body", "vpc-2")
	}
	if id, _ := tokens.Made("CreateVpc", "once", "body"); id != "" || len(tokens.made) != maxTokens {
		t.Errorf("%d tokens are remembered, the oldest as %q", len(tokens.made), id)
	}
}
