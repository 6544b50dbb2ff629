package sqs

import (
	"slices"

	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// SDKVariables is rule SQS009.
var SDKVariables = rule.Rule{
	ID: "SQS009", Severity: findings.Error, Title: "misspelt variable of the AWS SDK",
	Why: "The AWS SDK reads its own variables and ignores others: with a misspelt region or endpoint the program calls another " +
		"place, or none (https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html). The rule judges the " +
		"programs that the configuration lists under workloads.",
	Example: "env:\n  - name: AWS_REGOIN\n    value: eu-west-1",
	Fix:     "Correct the name.",
	Check:   checkSDKVariables,
}

// sdkVariables are the SDK's variables that such programs usually have:
// https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
var sdkVariables = []string{
	"AWS_ACCESS_KEY_ID", "AWS_CA_BUNDLE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS",
	"AWS_ENDPOINT_URL_STS", "AWS_MAX_ATTEMPTS", "AWS_PROFILE", "AWS_REGION", "AWS_REQUEST_CHECKSUM_CALCULATION",
	"AWS_RESPONSE_CHECKSUM_VALIDATION", "AWS_RETRY_MODE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_SECRET_ACCESS_KEY",
	"AWS_SESSION_TOKEN", "AWS_STS_REGIONAL_ENDPOINTS", "AWS_USE_FIPS_ENDPOINT", "AWS_WEB_IDENTITY_TOKEN_FILE",
}

// misspeltSDKVariable returns the SDK's variable that a misspelt name means; empty for
// none.
func misspeltSDKVariable(name string) string {
	if slices.Contains(sdkVariables, name) {
		return ""
	}
	return nearest(name, sdkVariables)
}

func checkSDKVariables(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		program, known := r.Program(w)
		if !known || program.Read == nil {
			continue
		}
		for i, env := range w.Template.Spec.Containers[0].Env {
			if meant := misspeltSDKVariable(env.Name); meant != "" {
				r.Report(w.At("containers", 0, "env", i, "name"), "%s sets %s, which the AWS SDK does not read", w.Key(), env.Name).
					Fix("did you mean " + meant + "?")
			}
		}
	}
}
