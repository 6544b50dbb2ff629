// Command function serves the composition function to Crossplane over gRPC,
// with the certificates that Crossplane mounts.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	functionsdk "github.com/crossplane/function-sdk-go"

	"github.com/mystique-unicorn/sales-events/crossplane/function"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

// run returns the exit code: 2 for wrong flags, 1 if the server failed.
func run(args []string) int {
	flags := flag.NewFlagSet("function", flag.ContinueOnError)
	address := flags.String("address", functionsdk.DefaultAddress, "`address` to listen on")
	certificates := flags.String("tls-certs-dir", os.Getenv("TLS_SERVER_CERTS_DIR"),
		"`folder` of tls.crt, tls.key and ca.crt; Crossplane sets TLS_SERVER_CERTS_DIR")
	insecure := flags.Bool("insecure", false, "serve without TLS, for a debugger on this machine")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	err := functionsdk.Serve(function.Function{},
		functionsdk.Listen(functionsdk.DefaultNetwork, *address),
		functionsdk.MTLSCertificates(*certificates),
		functionsdk.Insecure(*insecure),
	)
	if err != nil {
		fmt.Fprintf(os.Stderr, "function: %v\n", err)
		return 1
	}
	return 0
}
