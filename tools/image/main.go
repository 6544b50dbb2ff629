// Command image builds OCI images of Go main packages without Docker: a static
// binary on an empty base, for one platform or several, in a registry, an image
// layout or a tarball.
package main

import (
	"os"

	"github.com/mystique-unicorn/sales-events/tools/image/internal/command"
)

func main() {
	os.Exit(command.Execute(os.Args[1:], os.Stdout, os.Stderr))
}
