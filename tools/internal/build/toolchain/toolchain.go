// Package toolchain defines the environment of every go command that this repository
// runs, so that no setting of the machine changes what is built. The machine still
// decides where sources come from, where caches are, and which C compiler is used.
//
// The package must not know what is built.
package toolchain

import (
	"os"
	"slices"
)

// Flags are the flags of every go command. Git is not asked for the version, because it
// refuses another user's checkout to root. No program is linked with debugging
// information, so the compiler does not write any, which saves a sixth of its time. The
// Makefile has the same flags, because only packages with the same flags are compiled
// once.
const Flags = "-mod=readonly -buildvcs=false -trimpath -gcflags=all=-dwarf=false"

// pinned has no empty value: the go command treats an empty variable as unset, and uses
// the value of `go env -w`.
var pinned = []string{
	"GOWORK=off",
	"GOFLAGS=" + Flags,
	"GOEXPERIMENT=,", // an empty list
	"GOFIPS140=off",
	"GOAMD64=v1", "GOARM=7", "GOARM64=v8.0",
}

// Environ returns this process's environment for the go command. The values in more
// override all others, because os/exec uses the last value of a variable.
func Environ(more ...string) []string {
	return slices.Concat(os.Environ(), pinned, more)
}
