package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// host is a node's filesystem, as it is mounted into the pod.
type host struct{ root string }

// path returns the path in the pod of a path on the node.
func (h host) path(name string) string { return filepath.Join(h.root, name) }

type state string

const (
	running state = "running"
	present state = "present"
	missing state = "missing"
)

// agent describes the SSM agent on the node: its program unless it is missing, and its
// process if it runs.
type agent struct {
	state state
	path  string
	pid   int
}

const (
	agentProgram = "amazon-ssm-agent"
	packagePath  = "/usr/bin/" + agentProgram
	snapPath     = "/snap/" + agentProgram + "/current/" + agentProgram
)

// unit returns the name of the agent's systemd unit.
func (a agent) unit() string {
	if a.path == snapPath {
		return "snap." + agentProgram + "." + agentProgram + ".service"
	}
	return agentProgram + ".service"
}

// agent looks for the agent's process and then for its program.
func (h host) agent() (agent, error) {
	p, found, err := h.process(agentProgram)
	if err != nil {
		return agent{}, err
	}
	if found {
		return agent{running, p.path, p.pid}, nil
	}
	for _, name := range []string{packagePath, snapPath} {
		switch _, err := os.Stat(h.path(name)); {
		case err == nil:
			return agent{present, name, 0}, nil
		case !errors.Is(err, fs.ErrNotExist):
			return agent{}, fmt.Errorf("look for the agent: %w: mount that folder of the node readable", err)
		}
	}
	return agent{state: missing}, nil
}

// bootID returns the id of the node's current boot; each boot has another one.
func (h host) bootID() (string, error) {
	text, err := os.ReadFile(h.path("/proc/sys/kernel/random/boot_id"))
	if err != nil {
		return "", fmt.Errorf("read the node's boot: %w: mount the node's /proc", err)
	}
	// It is checked, because it becomes part of a command that root runs.
	id, err := uuid.Parse(strings.TrimSpace(string(text)))
	if err != nil {
		return "", fmt.Errorf("read the node's boot: %w: mount the node's own /proc", err)
	}
	return id.String(), nil
}

// lacks returns the programs that the node's /usr/bin does not have.
func (h host) lacks(programs ...string) []string {
	return slices.DeleteFunc(programs, func(name string) bool {
		_, err := os.Stat(h.path("/usr/bin/" + name))
		return err == nil
	})
}

type process struct {
	pid  int
	path string // as the process was started
}

// process finds a process of the node that was started under one of the names.
func (h host) process(names ...string) (process, bool, error) {
	entries, err := os.ReadDir(h.path("/proc"))
	if err != nil {
		return process{}, false, fmt.Errorf("read the node's processes: %w: mount the node's /proc", err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		started := h.commandPath(pid)
		if slices.Contains(names, path.Base(started)) && h.inHostNamespace(pid) {
			return process{pid, started}, true, nil
		}
	}
	return process{}, false, nil
}

// commandPath returns the path with which a process was started; empty for one that has
// just ended and for the kernel's threads. The link exe would be more reliable, but only
// a process that may trace another can read it. comm is cut off after 15 characters.
func (h host) commandPath(pid int) string {
	text, err := os.ReadFile(h.procFile(pid, "cmdline"))
	if err != nil {
		return ""
	}
	command, _, _ := strings.Cut(string(text), "\x00")
	return command
}

// inHostNamespace reports whether a process is in the node's own PID namespace. A
// container's process also has a number in the container's namespace.
func (h host) inHostNamespace(pid int) bool {
	text, err := os.ReadFile(h.procFile(pid, "status"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
			return len(strings.Fields(numbers)) == 1
		}
	}
	return false
}

func (h host) procFile(pid int, name string) string {
	return h.path(filepath.Join("/proc", strconv.Itoa(pid), name))
}
