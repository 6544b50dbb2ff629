//go:build linux

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// memory is a process's largest resident memory, in bytes, and the part of it that is
// pages of its program's file. Those are in the page cache once for all processes.
type memory struct{ most, file int64 }

func (m memory) String() string {
	return fmt.Sprintf("%.1f MB\t%.1f MB", float64(m.most)/1e6, float64(m.file)/1e6)
}

// watch observes a process until it ends, and then sends the result. The kernel's own
// figure, in getrusage, starts with the memory of the process that forked.
func watch(pid int) <-chan memory {
	seen := make(chan memory, 1)
	go func() {
		var m memory
		for m.look(pid) {
			time.Sleep(10 * time.Millisecond)
		}
		seen <- m
	}()
	return seen
}

// look reports whether the process still has memory.
func (m *memory) look(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	alive := false
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "VmHWM":
			m.most, alive = kilobytes*1024, true
		case "RssFile":
			m.file = max(m.file, kilobytes*1024)
		}
	}
	return alive
}
