// Package names builds the name of everything that this repository creates on
// AWS from names in Git, so that nobody must copy an output by hand.
//
// Every name starts with the cluster and a hyphen, and a cluster's name has no
// hyphen, so two clusters never share a name. Within a cluster the suffixes and
// prefixes that the package itself adds are reserved, so two resources never share
// one either. A part that breaks a rule gives an [*Error] that names it.
//
// The package must not know what a name is for beyond AWS' limits: nothing of
// Kubernetes, Crossplane or policies. Its limits are those of the API references
// of SQS (CreateQueue), IAM (CreateRole), S3 (bucket naming rules) and EKS
// (CreateCluster).
package names

import (
	"fmt"
	"regexp"
	"strings"
)

// The part of a name that an [*Error] is about.
const (
	Cluster  = "cluster"
	Account  = "account"
	Queue    = "queue"
	Bucket   = "bucket"
	Workload = "workload"
)

// What this package adds, and no name may hold by itself.
const (
	deadLetters = "-dlq"
	eks         = "eks-"
)

// The longest names, in characters.
const (
	maxCluster = 20
	maxQueue   = 80
	maxRole    = 64
	maxBucket  = 63
)

var (
	cluster = regexp.MustCompile(`^[a-z][a-z0-9]*$`)
	account = regexp.MustCompile(`^[0-9]{12}$`)
	label   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
)

// Error says which part of a name AWS or this package refuses, and why.
type Error struct {
	Part   string // Cluster, Account, Queue, Bucket or Workload
	Value  string
	Reason string
}

// Error is one line: the part, its value and the reason.
func (e *Error) Error() string {
	return fmt.Sprintf("%s name %q %s", e.Part, e.Value, e.Reason)
}

// RolePath is the IAM path of every role: a policy that names it reaches none that
// somebody else made, whatever its name.
const RolePath = "/sales-events/"

// QueueNames are the names of a queue, of its dead-letter queue, and of the topic
// and alarms for both.
type QueueNames struct {
	Source, DeadLetters string
	// Topic is where alarms go.
	Topic string
	// DeadLetterAlarm and AgeAlarm are the alarms.
	DeadLetterAlarm, AgeAlarm string
}

// ForQueue names a queue <cluster>-<queue> and its dead-letter queue
// <cluster>-<queue>-dlq, 80 characters at most each. AWS ends the names of its topic
// and alarms far later.
func ForQueue(clusterName, queue string) (QueueNames, error) {
	if err := checkCluster(clusterName); err != nil {
		return QueueNames{}, err
	}
	if strings.HasSuffix(queue, deadLetters) {
		return QueueNames{}, &Error{Queue, queue, "ends in " + deadLetters + ", as the dead-letter queue of another one does"}
	}
	name := clusterName + "-" + queue
	if err := check(Queue, queue, name+deadLetters, maxQueue); err != nil {
		return QueueNames{}, err
	}
	return QueueNames{
		Source: name, DeadLetters: name + deadLetters,
		Topic: name + "-alarms", DeadLetterAlarm: name + "-dead-letters", AgeAlarm: name + "-oldest-message",
	}, nil
}

// ForBucket names a bucket <cluster>-<account>-<bucket>, 63 characters at most.
// The account keeps it apart from the buckets of all other AWS customers.
func ForBucket(clusterName, accountID, bucket string) (string, error) {
	if err := checkCluster(clusterName); err != nil {
		return "", err
	}
	if !account.MatchString(accountID) {
		return "", &Error{Account, accountID, "is not 12 digits"}
	}
	name := clusterName + "-" + accountID + "-" + bucket
	return name, check(Bucket, bucket, name, maxBucket)
}

// ForRole names the role of a workload <cluster>-<workload>, 64 characters at
// most.
func ForRole(clusterName, workload string) (string, error) {
	if err := checkCluster(clusterName); err != nil {
		return "", err
	}
	if strings.HasPrefix(workload, eks) {
		return "", &Error{Workload, workload, "starts with " + eks + ", as the roles of the cluster itself do"}
	}
	name := clusterName + "-" + workload
	return name, check(Workload, workload, name, maxRole)
}

// ClusterName is the name of a cluster that passed the checks of [ForCluster]. It
// names what each cluster has once. This repository chooses what follows the name,
// never a user, so it always fits.
type ClusterName string

// ForCluster checks a cluster's own name: lower-case letters and digits that
// start with a letter, 20 characters at most.
func ForCluster(clusterName string) (ClusterName, error) {
	return ClusterName(clusterName), checkCluster(clusterName)
}

// EKS names what an EKS cluster itself needs, a role for example:
// <cluster>-eks-<purpose>.
func (c ClusterName) EKS(purpose string) string { return string(c) + "-" + eks + purpose }

// Network names a part of the cluster's network, a security group for example:
// <cluster>-<part>.
func (c ClusterName) Network(part string) string { return string(c) + "-" + part }

func checkCluster(name string) error {
	switch {
	case !cluster.MatchString(name):
		return &Error{
			Cluster, name,
			"is not lower-case letters and digits that start with a letter: a hyphen would let two clusters share a name",
		}
	case len(name) > maxCluster:
		return &Error{Cluster, name, fmt.Sprintf("is longer than %d characters", maxCluster)}
	}
	return nil
}

func check(part, value, name string, longest int) error {
	switch {
	case !label.MatchString(value):
		return &Error{part, value, "is not lower-case letters, digits and hyphens that start and end with a letter or digit"}
	case len(name) > longest:
		return &Error{part, value, fmt.Sprintf("is too long by %d characters: AWS ends %q at %d", len(name)-longest, name, longest)}
	}
	return nil
}
