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

// pinned has no empty value: the go command takes that for unset and goes on to
// what `go env -w` wrote.
var pinned = []string{
	"GOWORK=off",
	// Its default; and nothing asks git, which refuses root a checkout of another user.
	"GOFLAGS=-mod=readonly -buildvcs=false",
	"GOEXPERIMENT=,", // a list of none
	"GOFIPS140=off",
	"GOAMD64=v1", "GOARM=7", "GOARM64=v8.0",
}

// Environ is this process's environment for the go command. What more sets
// counts over everything else, as the last value of a variable does in os/exec.
func Environ(more ...string) []string {
	return slices.Concat(os.Environ(), pinned, more)
}

// BuildFlags are those of every `go build` here. Programs are linked without
// debugging information, so the compiler need not write it either, which takes it
// a sixth of its time.
func BuildFlags() []string {
	return []string{"-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false"}
}
