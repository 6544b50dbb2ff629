// Package toolchain is the environment in which this repository runs the go
// command: no setting of this machine changes what is built. Where sources come
// from and caches are remains the machine's affair, and so is the C compiler.
//
// The package knows nothing of what is built.
package toolchain

import (
	"os"
	"slices"
)

// Flags are those of every go command here. Nothing asks git, which refuses root a
// checkout of another user. No program is linked with debugging information, so the
// compiler need not write any, which is a sixth of its time. What is compiled with
// the same flags is compiled once: the Makefile has them, too.
const Flags = "-mod=readonly -buildvcs=false -trimpath -gcflags=all=-dwarf=false"

// pinned has no empty value: the go command takes that for unset and goes on to
// what `go env -w` wrote.
var pinned = []string{
	"GOWORK=off",
	"GOFLAGS=" + Flags,
	"GOEXPERIMENT=,", // a list of none
	"GOFIPS140=off",
	"GOAMD64=v1", "GOARM=7", "GOARM64=v8.0",
}

// Environ is this process's environment for the go command. What more sets
// counts over everything else, as the last value of a variable does in os/exec.
func Environ(more ...string) []string {
	return slices.Concat(os.Environ(), pinned, more)
}
