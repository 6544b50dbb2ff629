package names_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mystique-unicorn/sales-events/crossplane/names"
)

func TestNames(t *testing.T) {
	queue, err := names.ForQueue("staging", "reliable-q")
	want := names.QueueNames{
		Source: "staging-reliable-q", DeadLetters: "staging-reliable-q-dlq", Topic: "staging-reliable-q-alarms",
		DeadLetterAlarm: "staging-reliable-q-dead-letters", AgeAlarm: "staging-reliable-q-oldest-message",
	}
	if err != nil || queue != want {
		t.Errorf("ForQueue = %+v, %v; want %+v", queue, err, want)
	}
	for _, c := range []struct {
		got  func() (string, error)
		want string
	}{
		{func() (string, error) { return names.ForBucket("staging", "111122223333", "sales-events") }, "staging-111122223333-sales-events"},
		{func() (string, error) { return names.ForRole("staging", "consumer") }, "staging-consumer"},
	} {
		if got, err := c.got(); err != nil || got != c.want {
			t.Errorf("got %q, %v; want %q", got, err, c.want)
		}
	}
	cluster, err := names.ForCluster("staging")
	if err != nil || cluster != "staging" {
		t.Errorf("ForCluster = %q, %v; want staging", cluster, err)
	}
	if got, want := cluster.EKS("nodes"), "staging-eks-nodes"; got != want {
		t.Errorf("EKS = %q, want %q", got, want)
	}
	if got, want := cluster.Network("vpc"), "staging-vpc"; got != want {
		t.Errorf("Network = %q, want %q", got, want)
	}
}

func TestRefused(t *testing.T) {
	queue := func(cluster, queue string) error { _, err := names.ForQueue(cluster, queue); return err }
	bucket := func(cluster, account, bucket string) error {
		_, err := names.ForBucket(cluster, account, bucket)
		return err
	}
	role := func(cluster, workload string) error { _, err := names.ForRole(cluster, workload); return err }
	for _, c := range []struct {
		name, part string
		err        error
	}{
		{"a hyphen in the cluster", names.Cluster, queue("eu-staging", "q")},
		{"an empty cluster", names.Cluster, role("", "consumer")},
		{"an upper-case cluster", names.Cluster, role("Staging", "consumer")},
		{"a long cluster", names.Cluster, role(strings.Repeat("a", 21), "consumer")},
		{"a queue like a dead-letter queue", names.Queue, queue("staging", "orders-dlq")},
		{"a long queue", names.Queue, queue("staging", strings.Repeat("q", 69))},
		{"a queue that ends in a hyphen", names.Queue, queue("staging", "q-")},
		{"a short account", names.Account, bucket("staging", "1111", "b")},
		{"a long bucket", names.Bucket, bucket("staging", "111122223333", strings.Repeat("b", 43))},
		{"a bucket with a dot", names.Bucket, bucket("staging", "111122223333", "a.b")},
		{"a workload like the cluster's own", names.Workload, role("staging", "eks-nodes")},
		{"a long workload", names.Workload, role("staging", strings.Repeat("w", 57))},
	} {
		var refused *names.Error
		if !errors.As(c.err, &refused) || refused.Part != c.part {
			t.Errorf("%s: got %v, want an error about the %s", c.name, c.err, c.part)
		}
	}
}

// Two different names for a cluster or resource always give different names on AWS.
func TestDistinct(t *testing.T) {
	cluster := rapid.StringMatching(`[a-z][a-z0-9]{0,5}`)
	resource := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(-dlq)?`)
	rapid.Check(t, func(t *rapid.T) {
		type owner struct{ cluster, kind, resource string }
		owners := map[string]owner{}
		claim := func(name string, by owner, err error) {
			if err != nil {
				return // rejected, so it cannot collide
			}
			if other, taken := owners[name]; taken && other != by {
				t.Fatalf("%v and %v are both %q", other, by, name)
			}
			owners[name] = by
		}
		for range 20 {
			c, r := cluster.Draw(t, "cluster"), resource.Draw(t, "resource")
			queue, err := names.ForQueue(c, r)
			claim("queue "+queue.Source, owner{c, "queue", r}, err)
			claim("queue "+queue.DeadLetters, owner{c, "dead letters", r}, err)
			bucket, err := names.ForBucket(c, "111122223333", r)
			claim("bucket "+bucket, owner{c, "bucket", r}, err)
			role, err := names.ForRole(c, r)
			claim("role "+role, owner{c, "workload", r}, err)
			name, err := names.ForCluster(c)
			claim("role "+name.EKS(r), owner{c, "eks", r}, err)
			claim("security group "+name.Network(r), owner{c, "network", r}, err)
		}
	})
}
