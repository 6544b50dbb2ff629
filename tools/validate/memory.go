package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// limitMemory makes the collector run before the heap takes more than a limit, or
// than twice what is in use where that is more: below that the program would do
// little else than collect.
func limitMemory(limit int64) {
	debug.SetMemoryLimit(limit)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	afterCollection(func() {
		metrics.Read(live)
		debug.SetMemoryLimit(max(limit, 2*int64(live[0].Value.Uint64()))) //nolint:gosec // no heap has 2^62 bytes
	})
}

// afterCollection calls a function after each garbage collection: when an object that
// nobody holds is gone.
func afterCollection(do func()) {
	garbage := &struct{ _ *byte }{}
	runtime.AddCleanup(garbage, func(do func()) {
		do()
		afterCollection(do)
	}, do)
}
