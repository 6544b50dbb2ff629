package localaws

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"sigs.k8s.io/yaml"
)

// Config is what exists from the start.
type Config struct {
	// Region and AccountID are part of ARNs and queue URLs.
	Region    string   `json:"region"`
	AccountID string   `json:"accountId"`
	Queues    []Queue  `json:"queues,omitempty"`
	Buckets   []string `json:"buckets,omitempty"`
}

// Queue declares a queue; a field left out has AWS's default. Times are
// seconds.
type Queue struct {
	Name                   string   `json:"name"`
	DelaySeconds           *int     `json:"delaySeconds,omitempty"`
	VisibilityTimeout      *int     `json:"visibilityTimeout,omitempty"`
	MessageRetentionPeriod *int     `json:"messageRetentionPeriod,omitempty"`
	Redrive                *Redrive `json:"redrive,omitempty"`
}

// Redrive moves a message that was received MaxReceiveCount times to another
// queue of the same configuration.
type Redrive struct {
	DeadLetterQueue string `json:"deadLetterQueue"`
	MaxReceiveCount int    `json:"maxReceiveCount"`
}

// LoadConfig reads a YAML file. An unknown field is an error.
func LoadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	var c Config
	if err := yaml.UnmarshalStrict(data, &c); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	if err := c.validate(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func (c Config) validate() error {
	var found []error
	if c.Region == "" {
		found = append(found, errors.New("region is empty: set it to an AWS region such as eu-west-1"))
	}
	if len(c.AccountID) != 12 {
		found = append(found, fmt.Errorf("accountId %q: twelve digits, quoted", c.AccountID))
	}
	names := map[string]bool{}
	for _, q := range c.Queues {
		if names[q.Name] {
			found = append(found, fmt.Errorf("queue %s is declared twice", q.Name))
		}
		names[q.Name] = true
	}
	for _, q := range c.Queues {
		if q.Redrive != nil && (!names[q.Redrive.DeadLetterQueue] || q.Redrive.DeadLetterQueue == q.Name) {
			found = append(found, fmt.Errorf("queue %s: deadLetterQueue %q is not another queue of this file", q.Name, q.Redrive.DeadLetterQueue))
		}
	}
	return errors.Join(found...)
}

// inOrder has queues without redrive first: their targets must exist.
func (c Config) inOrder() []Queue {
	var first, then []Queue
	for _, q := range c.Queues {
		if q.Redrive == nil {
			first = append(first, q)
		} else {
			then = append(then, q)
		}
	}
	return append(first, then...)
}

func (q Queue) attributes(s *Server) map[string]string {
	attributes := map[string]string{}
	for name, value := range map[string]*int{
		"DelaySeconds": q.DelaySeconds, "VisibilityTimeout": q.VisibilityTimeout, "MessageRetentionPeriod": q.MessageRetentionPeriod,
	} {
		if value != nil {
			attributes[name] = strconv.Itoa(*value)
		}
	}
	if q.Redrive != nil {
		attributes["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, s.arn(q.Redrive.DeadLetterQueue), q.Redrive.MaxReceiveCount)
	}
	return attributes
}
