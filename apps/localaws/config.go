package localaws

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/johannesboyne/gofakes3"
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

// LoadConfig reads a YAML file. An unknown field is an error; every problem is
// named with the file and the field, all at once.
func LoadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	return ParseConfig(path, data)
}

// ParseConfig is LoadConfig of the content of a file.
func ParseConfig(path string, data []byte) (Config, error) {
	var c Config
	if err := yaml.UnmarshalStrict(data, &c); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	problems := c.problems()
	for i, problem := range problems {
		problems[i] = fmt.Errorf("%s: %w", path, problem)
	}
	if len(problems) > 0 {
		return Config{}, errors.Join(problems...)
	}
	return c, nil
}

var (
	region    = regexp.MustCompile(`^[a-z0-9-]+$`)
	accountID = regexp.MustCompile(`^[0-9]{12}$`)
)

// findings are problems, each with its field.
type findings []error

func (f *findings) add(field, format string, args ...any) {
	*f = append(*f, fmt.Errorf(field+": "+format, args...))
}

func (c Config) problems() []error {
	var found findings
	if !region.MatchString(c.Region) {
		found.add("region", "%q: must be an AWS region, such as eu-west-1", c.Region)
	}
	if !accountID.MatchString(c.AccountID) {
		found.add("accountId", "%q: must be twelve digits, in quotes", c.AccountID)
	}
	c.checkQueues(&found)
	c.checkBuckets(&found)
	return found
}

func (c Config) checkQueues(found *findings) {
	queues := map[string]int{}
	for i, q := range c.Queues {
		if !queueName.MatchString(q.Name) {
			found.add(queueField(i, "name"), "%q: must be %s", q.Name, queueNameRule)
		}
		if j, twice := queues[q.Name]; twice {
			found.add(queueField(i, "name"), "%s: is queues[%d] too", q.Name, j)
		}
		queues[q.Name] = i
	}
	for i, q := range c.Queues {
		q.checkNumbers(i, found)
		if q.Redrive != nil {
			q.Redrive.check(i, queues, found)
		}
	}
}

// checkNumbers checks those of queues[i].
func (q Queue) checkNumbers(i int, found *findings) {
	numbers := q.numbers()
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		value, bounds := numbers[name], numeric[name]
		if value != nil && (*value < bounds.low || *value > bounds.high) {
			found.add(queueField(i, strings.ToLower(name[:1])+name[1:]), "%d: must be from %d to %d", *value, bounds.low, bounds.high)
		}
	}
}

// check checks the redrive of queues[i], given the index of each name.
func (r Redrive) check(i int, queues map[string]int, found *findings) {
	if j, ok := queues[r.DeadLetterQueue]; !ok || j == i {
		found.add(queueField(i, "redrive.deadLetterQueue"), "%q: must be another queue of this configuration", r.DeadLetterQueue)
	}
	if n := r.MaxReceiveCount; n < 1 || n > maxReceives {
		found.add(queueField(i, "redrive.maxReceiveCount"), "%d: must be from 1 to %d", n, maxReceives)
	}
}

func (c Config) checkBuckets(found *findings) {
	buckets := map[string]int{}
	for i, name := range c.Buckets {
		field := fmt.Sprintf("buckets[%d]", i)
		if err := gofakes3.ValidateBucketName(name); err != nil || "/"+name == healthPath {
			found.add(field, "%q: must be 3 to 63 lower-case letters, digits, dots and hyphens, and not %s", name, healthPath[1:])
		}
		if j, twice := buckets[name]; twice {
			found.add(field, "%s: is buckets[%d] too", name, j)
		}
		buckets[name] = i
	}
}

func queueField(i int, name string) string { return fmt.Sprintf("queues[%d].%s", i, name) }

// numbers are the fields that are attributes of the same name.
func (q Queue) numbers() map[string]*int {
	return map[string]*int{
		"DelaySeconds": q.DelaySeconds, "VisibilityTimeout": q.VisibilityTimeout, "MessageRetentionPeriod": q.MessageRetentionPeriod,
	}
}

func (q Queue) settings() settings {
	s := defaultSettings()
	for name, value := range q.numbers() {
		if value != nil {
			*numeric[name].field(&s) = *value
		}
	}
	if q.Redrive != nil {
		s.redrive = redrive{q.Redrive.DeadLetterQueue, q.Redrive.MaxReceiveCount}
	}
	return s
}
