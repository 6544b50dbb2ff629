package rules

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// queue is an SQS queue that the cluster's objects declare. Numbers that are
// not said are nil: AWS has its defaults.
type queue struct {
	object *render.Object
	// field is where the object's settings of the queue are, for findings.
	field []any

	name, account, region                           string
	delay, visibility, retention, maxReceives, wait *int64
	deadLetterQueue                                 string // its name
}

// localSettings are the local AWS server's names of provider-aws's settings,
// where they differ.
var localSettings = map[string]string{"visibilityTimeoutSeconds": "visibilityTimeout", "messageRetentionSeconds": "messageRetentionPeriod"}

// at is a setting of the queue as a place for findings.
func (q queue) at(setting ...any) at {
	if local := localSettings[fmt.Sprint(setting[0])]; local != "" && q.object.GetKind() == "ConfigMap" {
		setting = []any{local}
	}
	return on(q.object, append(slices.Clone(q.field), setting...)...)
}

// queueGroups are the API groups of provider-aws for SQS: namespaced, and
// cluster-scoped as before Crossplane 2.
var queueGroups = []string{"sqs.aws.m.upbound.io", "sqs.aws.upbound.io"}

// queuesOf lists the queues that a cluster declares: as managed resources of
// Crossplane's provider-aws, or in the configuration of the local AWS server.
func queuesOf(c *model.Cluster) []queue {
	var queues []queue
	for _, group := range queueGroups {
		for _, o := range c.Of(group, "Queue") {
			queues = append(queues, managedQueue(o))
		}
	}
	for _, o := range c.Of("", "ConfigMap") {
		queues = append(queues, localQueues(o)...)
	}
	return queues
}

func managedQueue(o *render.Object) queue {
	provider, _, _ := unstructured.NestedMap(o.Object, "spec", "forProvider")
	// What holds when the queue is created, unless forProvider says otherwise.
	initial, _, _ := unstructured.NestedMap(o.Object, "spec", "initProvider")
	for key, value := range initial {
		if _, said := provider[key]; !said && provider != nil {
			provider[key] = value
		}
	}
	q := queue{object: o, field: []any{"spec", "forProvider"}}
	q.name, _ = provider["name"].(string)
	q.region, _ = provider["region"].(string)
	q.delay, q.visibility = integer(provider["delaySeconds"]), integer(provider["visibilityTimeoutSeconds"])
	q.retention, q.wait = integer(provider["messageRetentionSeconds"]), integer(provider["receiveWaitTimeSeconds"])
	if text, ok := provider["redrivePolicy"].(string); ok {
		if policy, err := parseRedrive(text); err == nil {
			q.maxReceives, q.deadLetterQueue = policy.maxReceives, policy.queue
		}
	}
	return q
}

func integer(value any) *int64 {
	switch value := value.(type) {
	case int64:
		return &value
	case float64:
		if whole := int64(value); float64(whole) == value {
			return &whole
		}
	}
	return nil
}

// redrive is the redrive policy of a queue.
type redrive struct {
	queue       string // the name in the ARN
	arn         string
	maxReceives *int64
}

// parseRedrive reads the JSON of a redrive policy. AWS takes the count as a
// number or as a number in a string.
func parseRedrive(text string) (redrive, error) {
	var policy struct {
		Target string `json:"deadLetterTargetArn"`
		Count  any    `json:"maxReceiveCount"`
	}
	// Of JSON's decoders the one that is as strict with names as AWS is.
	strict, err := json.UnmarshalStrict([]byte(text), &policy)
	if err := errors.Join(append(strict, err)...); err != nil {
		return redrive{}, err
	}
	r := redrive{arn: policy.Target, maxReceives: integer(policy.Count)}
	if text, ok := policy.Count.(string); ok {
		if number, err := strconv.ParseInt(text, 10, 64); err == nil {
			r.maxReceives = &number
		}
	}
	r.queue = policy.Target[strings.LastIndex(policy.Target, ":")+1:]
	return r, nil
}

// localQueues reads a ConfigMap that configures the local AWS server; another
// one's data has not its shape.
func localQueues(o *render.Object) []queue {
	data, _, _ := unstructured.NestedStringMap(o.Object, "data")
	var queues []queue
	for key, text := range data {
		var config localaws.Config
		if !strings.Contains(text, "queues:") || yaml.UnmarshalStrict([]byte(text), &config) != nil {
			continue
		}
		for i, declared := range config.Queues {
			q := queue{object: o, field: []any{"data", key, "queues", i}, name: declared.Name, account: config.AccountID, region: config.Region}
			q.delay, q.visibility, q.retention = number(declared.DelaySeconds), number(declared.VisibilityTimeout), number(declared.MessageRetentionPeriod)
			if declared.Redrive != nil {
				q.deadLetterQueue, q.maxReceives = declared.Redrive.DeadLetterQueue, number(&declared.Redrive.MaxReceiveCount)
			}
			queues = append(queues, q)
		}
	}
	return queues
}

func number(value *int) *int64 {
	if value == nil {
		return nil
	}
	wide := int64(*value)
	return &wide
}

// queueURL is a queue's URL taken apart. Region is empty for an endpoint that
// is not AWS's.
type queueURL struct{ host, region, account, name string }

var awsHost = regexp.MustCompile(`^(?:sqs(?:-fips)?\.([a-z0-9-]+)|[a-z0-9-]+\.sqs\.([a-z0-9-]+)\.vpce|([a-z0-9-]+)\.queue|queue)\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$`)

// regionOf is the region of an AWS endpoint; empty for any other.
func regionOf(endpoint string) string {
	parsed, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return hostRegion(parsed.Hostname())
}

func hostRegion(host string) string {
	if match := awsHost.FindStringSubmatch(host); match != nil {
		return match[1] + match[2] + match[3]
	}
	return ""
}

// parseQueueURL reads a URL as KEDA does: its path is exactly /account/name.
func parseQueueURL(text string) (queueURL, bool) {
	parsed, err := url.ParseRequestURI(text)
	if err != nil {
		return queueURL{}, false
	}
	parts := strings.Split(parsed.Path, "/")
	if len(parts) != 3 || parts[2] == "" {
		return queueURL{}, false
	}
	host := parsed.Hostname()
	return queueURL{host: host, region: hostRegion(host), account: parts[1], name: parts[2]}, true
}

func (q queueURL) isAWS() bool { return awsHost.MatchString(q.host) }
