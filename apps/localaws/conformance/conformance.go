// Package conformance holds an endpoint against what AWS documents of SQS, S3,
// IAM and STS, as far as this system uses them. Its tests are the suite:
//
//	go test ./apps/localaws/conformance                                  the local AWS, in process
//	go test ./apps/localaws/conformance -endpoint=http://localhost:4566  any emulator
//	go test ./apps/localaws/conformance -endpoint=aws                    AWS, as the SDK's configuration has it
//
// Each case makes queues, buckets, roles, policies and providers of its own, with
// names that begin with conformance-, and deletes them. With -report=FILE the results are written as
// a table, the one of docs/localaws.md.
package conformance

import "fmt"

// Result is what became of a case.
type Result struct {
	Action, Says string
	Failed       bool
}

// String is a row of the report.
func (r Result) String() string {
	verdict := "yes"
	if r.Failed {
		verdict = "**no**"
	}
	return fmt.Sprintf("| %s | %s | %s |", r.Action, r.Says, verdict)
}
