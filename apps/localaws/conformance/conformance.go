// Package conformance checks that an endpoint does what AWS documents of SQS, S3,
// IAM, STS, EC2, EKS, CloudWatch, SNS and CloudWatch Logs, as far as this system uses
// them. Its tests are the suite:
//
//	go test ./apps/localaws/conformance                                  the local AWS, in process
//	go test ./apps/localaws/conformance -endpoint=http://localhost:4566  any emulator
//	go test ./apps/localaws/conformance -endpoint=aws                    AWS, as the SDK's configuration has it
//
// Each case makes queues, buckets, roles, networks, clusters, alarms, topics and log groups of its own, with
// names that begin with conformance-, and deletes them; on AWS what costs money is
// left out without -costly. With -report=FILE the results are written as a table,
// the one of docs/localaws.md.
package conformance

import "fmt"

// Result is the outcome of a case.
type Result struct {
	Action, Says string
	Failed       bool
	// Skipped means that the flags left the case out.
	Skipped bool
}

// String returns a row of the report.
func (r Result) String() string {
	verdict := "yes"
	switch {
	case r.Failed:
		verdict = "**no**"
	case r.Skipped:
		verdict = "not run"
	}
	return fmt.Sprintf("| %s | %s | %s |", r.Action, r.Says, verdict)
}
