//go:build !linux

package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Fprintf(os.Stderr, "error: the local cluster needs Linux, this is %s: use a Linux virtual machine\n", runtime.GOOS)
	os.Exit(2)
}
