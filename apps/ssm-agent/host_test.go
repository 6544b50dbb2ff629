package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestAgent(t *testing.T) {
	for _, tc := range []struct {
		name string
		node func(*fakeNode)
		want agent
		unit string
	}{
		{"missing", func(*fakeNode) {}, agent{state: missing}, "amazon-ssm-agent.service"},
		{
			"present and running", func(n *fakeNode) {
				n.write(packagePath, "")
				n.process(731, packagePath, "731")
			},
			agent{running, packagePath, 731},
			"amazon-ssm-agent.service",
		},
		{
			"present and stopped", func(n *fakeNode) { n.write(packagePath, "") },
			agent{present, packagePath, 0},
			"amazon-ssm-agent.service",
		},
		{
			"a snap, stopped", func(n *fakeNode) { n.write(snapPath, "") },
			agent{present, snapPath, 0},
			"snap.amazon-ssm-agent.amazon-ssm-agent.service",
		},
		{
			"a snap, running", func(n *fakeNode) { n.process(9, snapPath, "9") },
			agent{running, snapPath, 9},
			"snap.amazon-ssm-agent.amazon-ssm-agent.service",
		},
		{
			"one in a container", func(n *fakeNode) { n.process(731, packagePath, "731\t1") },
			agent{state: missing},
			"amazon-ssm-agent.service",
		},
		{
			"its worker alone", func(n *fakeNode) { n.process(732, "/usr/bin/ssm-agent-worker", "732") },
			agent{state: missing},
			"amazon-ssm-agent.service",
		},
		{
			"named as an argument", func(n *fakeNode) {
				n.process(733, "tail", "733")
				n.write("/proc/733/cmdline", "tail\x00/var/log/amazon-ssm-agent\x00")
			},
			agent{state: missing},
			"amazon-ssm-agent.service",
		},
		{
			"just ended", func(n *fakeNode) {
				n.process(734, packagePath, "734")
				n.must(os.Remove(n.path("/proc/734/status")))
			},
			agent{state: missing},
			"amazon-ssm-agent.service",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNode(t)
			tc.node(n)
			got, err := n.agent()
			if err != nil || got != tc.want || got.unit() != tc.unit {
				t.Errorf("got %+v, unit %s, error %v; want %+v, unit %s", got, got.unit(), err, tc.want, tc.unit)
			}
		})
	}
}

func TestAgentWithoutMounts(t *testing.T) {
	_, err := host{root: t.TempDir()}.agent()
	if err == nil || !strings.Contains(err.Error(), "mount the node's /proc") {
		t.Errorf("got %v, want what to mount", err)
	}
}

func TestLacks(t *testing.T) {
	n := newNode(t)
	if got := n.lacks("bash", "dnf", "rpm", "snap"); !slices.Equal(got, []string{"dnf", "snap"}) {
		t.Errorf("got %q", got)
	}
}
