package localaws

import (
	"errors"
	"fmt"
	"os"
	"regexp"

	"github.com/johannesboyne/gofakes3"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/eks"
	"github.com/mystique-unicorn/sales-events/apps/localaws/iam"
	"github.com/mystique-unicorn/sales-events/apps/localaws/sqs"
	"github.com/mystique-unicorn/sales-events/apps/localaws/sts"
)

// Config is the server's initial state and its settings.
type Config struct {
	// Region and AccountID are part of ARNs and queue URLs.
	Region    string   `json:"region"`
	AccountID string   `json:"accountId"`
	Queues    []Queue  `json:"queues,omitempty"`
	Buckets   []string `json:"buckets,omitempty"`
	// HashesOnly makes S3 keep only the size and the hash of an object, not its body.
	HashesOnly bool `json:"hashesOnly,omitempty"`

	// Enforce makes the server verify signatures, and evaluate the caller's policies for
	// every call. Without it every caller is an administrator.
	Enforce bool `json:"enforce,omitempty"`
	// AssumeTLS makes all calls count as made over TLS, for policies that deny others:
	// the server itself has no TLS.
	AssumeTLS bool `json:"assumeTLS,omitempty"`
	// Keys are the access keys of administrators.
	Keys []Key `json:"keys,omitempty"`
	// SessionKey, any text, makes temporary credentials valid beyond the process's end.
	SessionKey string `json:"sessionKey,omitempty"`
	// IAM has the roles, policies and providers of the account.
	IAM iam.Config `json:"iam,omitzero"`
	// Speed is how many times faster than on AWS gateways, clusters and nodes become
	// ready; 0 means as on AWS.
	Speed float64 `json:"speed,omitempty"`
	// Cluster is the API server that stands in for an EKS cluster's.
	Cluster eks.Server `json:"cluster,omitzero"`
	// Issuers are the issuers whose tokens AssumeRoleWithWebIdentity can verify.
	Issuers []sts.Issuer `json:"issuers,omitempty"`
}

// Key is an access key of an administrator.
type Key struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
	// User is the name of an IAM user with AdministratorAccess; if it is empty, the key
	// belongs to the root user.
	User string `json:"user,omitempty"`
}

// LoadConfig reads a YAML file. Unknown fields are errors. The error lists every problem
// with its file and field.
func LoadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	return ParseConfig(path, data)
}

// ParseConfig parses the content of a file as LoadConfig does; path is for errors.
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

func (c Config) problems() []error {
	var found []error
	add := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	if !region.MatchString(c.Region) {
		add("region: %q: must be an AWS region, such as eu-west-1", c.Region)
	}
	if !accountID.MatchString(c.AccountID) {
		add("accountId: %q: must be twelve digits, in quotes", c.AccountID)
	}
	if c.Speed < 0 {
		add("speed: %g: must not be negative", c.Speed)
	}
	found = append(found, sqs.Problems(c.Queues)...)
	found = append(found, c.bucketProblems()...)
	found = append(found, c.keyProblems()...)
	found = append(found, sts.Problems(c.Issuers)...)
	if _, err := iam.NewAccount(c.AccountID, c.IAM, clock.System{}); err != nil {
		found = append(found, err)
	}
	return found
}

var accessKey = regexp.MustCompile(`^\w{3,128}$`)

func (c Config) keyProblems() (found []error) {
	keys := map[string]int{}
	for i, key := range c.Keys {
		if !accessKey.MatchString(key.ID) {
			found = append(found, fmt.Errorf("keys[%d].id: %q: must be 3 to 128 letters, digits and underscores", i, key.ID))
		}
		if key.Secret == "" {
			found = append(found, fmt.Errorf("keys[%d].secret: is missing", i))
		}
		if j, twice := keys[key.ID]; twice {
			found = append(found, fmt.Errorf("keys[%d].id: %s is keys[%d] too", i, key.ID, j))
		}
		keys[key.ID] = i
	}
	if c.Enforce && len(c.Keys) == 0 {
		found = append(found, errors.New("keys: enforce needs one, or nobody may do anything"))
	}
	return found
}

func (c Config) bucketProblems() (found []error) {
	buckets := map[string]int{}
	for i, name := range c.Buckets {
		if err := gofakes3.ValidateBucketName(name); err != nil || "/"+name == healthPath {
			found = append(
				found,
				fmt.Errorf("buckets[%d]: %q: must be 3 to 63 lower-case letters, digits, dots and hyphens, and not %s", i, name, healthPath[1:]),
			)
		}
		if j, twice := buckets[name]; twice {
			found = append(found, fmt.Errorf("buckets[%d]: %s: is buckets[%d] too", i, name, j))
		}
		buckets[name] = i
	}
	return found
}
