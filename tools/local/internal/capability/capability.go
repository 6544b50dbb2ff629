// Package capability reads the capabilities of this process: a container or sandbox may
// give root without all of them. It must not know what needs them.
package capability

import "golang.org/x/sys/unix"

// Set is a set of capabilities, one bit each; see capabilities(7).
type Set uint64

// Effective returns the set that the kernel checks.
func Effective() (Set, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	return Set(data[1].Effective)<<32 | Set(data[0].Effective), err
}

// Has reports whether a capability such as unix.CAP_SYS_ADMIN is in the set.
func (s Set) Has(capability uint) bool { return s&(1<<capability) != 0 }
