package model

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/json"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// Queue is an SQS queue that a managed resource declares. Numbers that are not set are
// nil, because AWS has defaults.
type Queue struct {
	Object                             *render.Object
	Name, Account, Region              string
	Delay, Visibility, Retention, Wait *int64
}

// At returns the field of one of the queue's settings.
func (q Queue) At(setting ...any) Field { return At(q.Object, "spec", "forProvider").At(setting...) }

// Queues lists the queues that the cluster declares.
func (c *Cluster) Queues() []Queue {
	var queues []Queue
	for _, o := range c.Managed("sqs", "Queue") {
		queues = append(queues, c.queueOf(o))
	}
	return queues
}

func (c *Cluster) queueOf(o *render.Object) Queue {
	provider, _, _ := unstructured.NestedMap(o.Object, "spec", "forProvider")
	// initProvider applies when the queue is created, unless forProvider has another
	// value.
	initial, _, _ := unstructured.NestedMap(o.Object, "spec", "initProvider")
	for key, value := range initial {
		if _, said := provider[key]; !said && provider != nil {
			provider[key] = value
		}
	}
	q := Queue{Object: o, Account: c.AccountOf(o)}
	q.Name, _ = provider["name"].(string)
	q.Region, _ = provider["region"].(string)
	q.Delay, q.Visibility = integer(provider["delaySeconds"]), integer(provider["visibilityTimeoutSeconds"])
	q.Retention, q.Wait = integer(provider["messageRetentionSeconds"]), integer(provider["receiveWaitTimeSeconds"])
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

// Redrive is the redrive policy of a queue, and the field that contains it.
type Redrive struct {
	Source Queue
	At     Field
	// ARN is the ARN of the dead-letter queue, Name the queue's name in it.
	ARN, Name   string
	MaxReceives *int64
	// Err says why the policy cannot be parsed.
	Err error
}

// Redrives returns the redrive policies of the declared queues, including those of
// QueueRedrivePolicies. complete is false if it is unknown to which queue one belongs.
func (c *Cluster) Redrives(queues []Queue) (policies []Redrive, complete bool) {
	for _, q := range queues {
		for _, provider := range []string{"forProvider", "initProvider"} {
			if text, said, _ := unstructured.NestedString(q.Object.Object, "spec", provider, "redrivePolicy"); said && text != "" {
				policies = append(policies, readRedrive(q, At(q.Object, "spec", provider, "redrivePolicy"), text))
				break
			}
		}
	}
	complete = true
	for _, o := range c.Managed("sqs", "QueueRedrivePolicy") {
		i := slices.IndexFunc(queues, func(q Queue) bool { return redrives(o, q) })
		if i < 0 {
			complete = false
			continue
		}
		text, _, _ := unstructured.NestedString(o.Object, "spec", "forProvider", "redrivePolicy")
		policies = append(policies, readRedrive(queues[i], At(o, "spec", "forProvider", "redrivePolicy"), text))
	}
	return policies, complete
}

// redrives reports whether a QueueRedrivePolicy belongs to a queue.
func redrives(o *render.Object, q Queue) bool {
	return Refers(o, q.Object, "queueUrl", func(text string) bool {
		named, ok := ParseQueueURL(text)
		return ok && named.Name == q.Name
	})
}

// readRedrive parses the JSON of a redrive policy. AWS accepts the count as a number, or
// as a string with a number.
func readRedrive(source Queue, at Field, text string) Redrive {
	r := Redrive{Source: source, At: at}
	var policy struct {
		Target string `json:"deadLetterTargetArn"`
		Count  any    `json:"maxReceiveCount"`
	}
	// This decoder is as strict about names as AWS.
	strict, err := json.UnmarshalStrict([]byte(text), &policy)
	if r.Err = errors.Join(append(strict, err)...); r.Err != nil {
		return r
	}
	r.ARN, r.MaxReceives = policy.Target, integer(policy.Count)
	if text, ok := policy.Count.(string); ok {
		if number, err := strconv.ParseInt(text, 10, 64); err == nil {
			r.MaxReceives = &number
		}
	}
	r.Name = policy.Target[strings.LastIndex(policy.Target, ":")+1:]
	return r
}

// QueueURL is a queue's URL in its parts. Region is empty if the endpoint is not AWS's.
type QueueURL struct{ Host, Region, Account, Name string }

var awsHost = regexp.MustCompile(`^(?:sqs(?:-fips)?\.([a-z0-9-]+)|[a-z0-9-]+\.sqs\.([a-z0-9-]+)\.vpce|([a-z0-9-]+)\.queue|queue)` +
	`\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$`)

// IsAWS reports whether the queue is AWS's.
func (q QueueURL) IsAWS() bool { return awsHost.MatchString(q.Host) }

// RegionOf returns the region of an AWS endpoint; empty for any other.
func RegionOf(endpoint string) string {
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

// ParseQueueURL parses a URL as KEDA does: its path is exactly /account/name.
func ParseQueueURL(text string) (QueueURL, bool) {
	parsed, err := url.ParseRequestURI(text)
	if err != nil {
		return QueueURL{}, false
	}
	parts := strings.Split(parsed.Path, "/")
	if len(parts) != 3 || parts[2] == "" {
		return QueueURL{}, false
	}
	host := parsed.Hostname()
	return QueueURL{Host: host, Region: hostRegion(host), Account: parts[1], Name: parts[2]}, true
}
