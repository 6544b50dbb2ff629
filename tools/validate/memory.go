package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// limitMemory makes the garbage collector run before the heap exceeds a limit. If twice
// the memory in use is more than the limit, that counts instead, or the program would
// hardly do anything but collect.
func limitMemory(limit int64) {
	debug.SetMemoryLimit(limit)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	afterCollection(func() {
		metrics.Read(live)
		debug.SetMemoryLimit(max(limit, 2*int64(live[0].Value.Uint64()))) //nolint:gosec // no heap has 2^62 bytes
	})
}

// afterCollection calls a function after each garbage collection, by the finalizer of an
// object that nothing refers to.
func afterCollection(do func()) {
	garbage := &struct{ _ *byte }{}
	runtime.AddCleanup(garbage, func(do func()) {
		do()
		afterCollection(do)
	}, do)
}
