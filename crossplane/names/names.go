// Package names builds the name of everything that this repository creates on
// AWS from names in Git, so that nobody must copy an output by hand.
//
// Every name starts with the cluster and a hyphen, and a cluster's name has no
// hyphen, so two clusters never share a name. Within a cluster the suffixes and
// prefixes that the package itself adds are reserved, so two resources never share
// one either. A part that breaks a rule gives an [*Error] that names it.
//
// The package must not know what a name is for, beyond AWS's limits: nothing of
// Kubernetes, Crossplane or policies. The limits are from the API references of SQS
// (CreateQueue), IAM (CreateRole), S3 (bucket naming rules) and EKS (CreateCluster).
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

// Parts that this package adds, and that no name may contain itself.
const (
	deadLetters = "-dlq"
	eks         = "eks-"
)

// The maximum lengths, in characters.
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

// Error says which part of a name AWS or this package rejects, and why.
type Error struct {
	Part   string // Cluster, Account, Queue, Bucket or Workload
	Value  string
	Reason string
}

// Error returns one line: the part, its value and the reason.
func (e *Error) Error() string {
	return fmt.Sprintf("%s name %q %s", e.Part, e.Value, e.Reason)
}

// RolePath is the IAM path of every role. A policy with this path never covers a role
// that somebody else made, whatever its name.
const RolePath = "/sales-events/"

// QueueNames are the names of a queue, of its dead-letter queue, and of the topic
// and alarms for both.
type QueueNames struct {
	Source, DeadLetters string
	// Topic is the topic to which alarms are sent.
	Topic string
	// DeadLetterAlarm and AgeAlarm are the alarms.
	DeadLetterAlarm, AgeAlarm string
}

// ForQueue returns the names for a queue, <cluster>-<queue>, and its dead-letter queue,
// <cluster>-<queue>-dlq, each at most 80 characters long. AWS's limits for the topic and
// the alarms are far higher.
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

// ForBucket returns the name of a bucket, <cluster>-<account>-<bucket>, at most 63
// characters long. The account keeps it apart from the buckets of other AWS customers.
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

// ForRole returns the name of a workload's role, <cluster>-<workload>, at most 64
// characters long.
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

// ForCluster checks a cluster's own name: lower-case letters and digits, the first a
// letter, at most 20 characters.
func ForCluster(clusterName string) (ClusterName, error) {
	return ClusterName(clusterName), checkCluster(clusterName)
}

// EKS returns a name for something that an EKS cluster itself needs, such as a role:
// <cluster>-eks-<purpose>.
func (c ClusterName) EKS(purpose string) string { return string(c) + "-" + eks + purpose }

// Network returns a name for a part of the cluster's network, such as a security group:
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
