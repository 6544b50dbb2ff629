// Package logs serves the part of Amazon CloudWatch Logs that this system uses, in AWS
// JSON 1.1: log groups. It is simulated: groups are stored and returned, but nothing
// writes to them. docs/localaws.md has every action.
package logs

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// Options are the dependencies and settings of a Service.
type Options struct {
	// Region and AccountID are part of ARNs.
	Region, AccountID string
	Guard             access.Guard
	Clock             clock.Clock
	Faults            *fault.Faults
}

// Service answers requests. It is safe for concurrent use.
type Service struct {
	prefix string // of ARNs
	guard  access.Guard
	clock  clock.Clock
	faults *fault.Faults

	mu     sync.Mutex
	groups map[string]*group // by name
}

type group struct {
	created   time.Time
	retention int
	class     string
	tags      map[string]string
}

// New returns a service without log groups.
func New(options Options) *Service {
	return &Service{
		prefix: "arn:aws:logs:" + options.Region + ":" + options.AccountID + ":log-group:",
		guard:  options.Guard, clock: options.Clock, faults: options.Faults, groups: map[string]*group{},
	}
}

const (
	targetPrefix = "Logs_20140328."
	maxRequest   = 1 << 20
	maxGroups    = 1_000_000
	maxTags      = 50
)

// request has the parameters of all actions.
type request struct {
	LogGroupName       string            `json:"logGroupName"`
	LogGroupClass      string            `json:"logGroupClass"`
	KmsKeyID           string            `json:"kmsKeyId"`
	RetentionInDays    int               `json:"retentionInDays"`
	LogGroupNamePrefix string            `json:"logGroupNamePrefix"`
	ResourceArn        string            `json:"resourceArn"`
	Tags               map[string]string `json:"tags"`
	TagKeys            []string          `json:"tagKeys"`
}

var actions = map[string]func(*Service, request) (any, *protocol.Error){
	"CreateLogGroup":        silent(createLogGroup),
	"DescribeLogGroups":     describeLogGroups,
	"DeleteLogGroup":        silent(deleteLogGroup),
	"PutRetentionPolicy":    silent(putRetentionPolicy),
	"DeleteRetentionPolicy": silent(deleteRetentionPolicy),
	"ListTagsForResource":   listTags,
	"TagResource":           silent(tagResource),
	"UntagResource":         silent(untagResource),
}

// silent returns an action with an empty answer.
func silent(do func(*Service, request) *protocol.Error) func(*Service, request) (any, *protocol.Error) {
	return func(s *Service, in request) (any, *protocol.Error) { return nil, do(s, in) }
}

// ServeHTTP answers a request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := protocol.ReadBody(r, maxRequest)
	if err != nil {
		writeError(w, err)
		return
	}
	out, err := s.call(r.Context(), strings.TrimPrefix(r.Header.Get("X-Amz-Target"), targetPrefix), body)
	if err != nil {
		writeError(w, err)
		return
	}
	protocol.WriteJSON(w, http.StatusOK, out)
}

func writeError(w http.ResponseWriter, err *protocol.Error) {
	status := err.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	protocol.WriteJSON(w, status, map[string]string{"__type": err.Code, "message": err.Message})
}

func (s *Service) call(ctx context.Context, name string, body []byte) (any, *protocol.Error) {
	do, ok := actions[name]
	switch {
	case access.Of(ctx).Caller == nil:
		return nil, &protocol.Error{Code: "MissingAuthenticationTokenException", Message: "Request is missing Authentication Token"}
	case !ok:
		return nil, &protocol.Error{Code: "UnknownOperationException", Message: "the local AWS server does not have the action logs:" + name}
	}
	var in request
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, &protocol.Error{Code: "SerializationException", Message: "the request is not JSON of the right types: " + err.Error()}
	}
	var out any
	failed := s.faults.Around(ctx, s.clock, "logs:"+name, func(fault.Hit) (err *protocol.Error) {
		if err := s.allow(ctx, name, in); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		out, err = do(s, in)
		return err
	})
	return out, failed
}

// allow asks the guard whether a call may do its action.
func (s *Service) allow(ctx context.Context, name string, in request) *protocol.Error {
	resource := s.prefix + in.LogGroupName
	switch {
	case name == "DescribeLogGroups":
		resource = s.prefix + "*"
	case in.ResourceArn != "":
		resource = in.ResourceArn
	}
	checks := []access.Check{{Action: "logs:" + name, Resource: resource}}
	if name == "CreateLogGroup" && len(in.Tags) > 0 {
		checks = append(checks, access.Check{Action: "logs:TagResource", Resource: resource})
	}
	refused := access.Refusal(s.guard.Allow(ctx, checks...), "AccessDeniedException")
	if refused != nil && !refused.Receiver {
		refused.Status = http.StatusBadRequest // as in AWS JSON 1.1
	}
	return refused
}

func invalid(format string, args ...any) *protocol.Error {
	return &protocol.Error{Code: "InvalidParameterException", Message: fmt.Sprintf(format, args...)}
}

// find returns a log group by its name or its ARN.
func (s *Service) find(in request) (*group, *protocol.Error) {
	name := in.LogGroupName
	if in.ResourceArn != "" {
		name = strings.TrimSuffix(strings.TrimPrefix(in.ResourceArn, s.prefix), ":*")
	}
	if g := s.groups[name]; g != nil {
		return g, nil
	}
	return nil, &protocol.Error{Code: "ResourceNotFoundException", Message: "The specified log group does not exist."}
}

var groupName = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)

func createLogGroup(s *Service, in request) *protocol.Error {
	g := &group{created: s.clock.Now(), class: in.LogGroupClass, tags: map[string]string{}}
	if g.class == "" {
		g.class = "STANDARD"
	}
	switch {
	case !groupName.MatchString(in.LogGroupName):
		return invalid("1 validation error detected: Value '%s' at 'logGroupName' failed to satisfy constraint", in.LogGroupName)
	case in.KmsKeyID != "":
		return invalid("the local AWS server has no KMS keys")
	case s.groups[in.LogGroupName] != nil:
		return &protocol.Error{Code: "ResourceAlreadyExistsException", Message: "The specified log group already exists"}
	case len(s.groups) >= maxGroups:
		return &protocol.Error{Code: "LimitExceededException", Message: "Resource limit exceeded."}
	}
	if err := g.tag(in.Tags); err != nil {
		return err
	}
	s.groups[in.LogGroupName] = g
	return nil
}

// description is a log group in an answer.
type description struct {
	LogGroupName      string `json:"logGroupName"`
	Arn               string `json:"arn"`
	LogGroupArn       string `json:"logGroupArn"`
	LogGroupClass     string `json:"logGroupClass"`
	CreationTime      int64  `json:"creationTime"`
	RetentionInDays   int    `json:"retentionInDays,omitempty"`
	MetricFilterCount int    `json:"metricFilterCount"`
	StoredBytes       int    `json:"storedBytes"`
}

// describeLogGroups returns all groups in one page: an account has few.
func describeLogGroups(s *Service, in request) (any, *protocol.Error) {
	if in.LogGroupNamePrefix != "" && !groupName.MatchString(in.LogGroupNamePrefix) {
		return nil, invalid("1 validation error detected: Value '%s' at 'logGroupNamePrefix' failed to satisfy constraint", in.LogGroupNamePrefix)
	}
	found := []description{}
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		if !strings.HasPrefix(name, in.LogGroupNamePrefix) {
			continue
		}
		g, arn := s.groups[name], s.prefix+name
		found = append(found, description{
			LogGroupName: name, Arn: arn + ":*", LogGroupArn: arn, LogGroupClass: g.class,
			CreationTime: g.created.UnixMilli(), RetentionInDays: g.retention,
		})
	}
	return map[string]any{"logGroups": found}, nil
}

func deleteLogGroup(s *Service, in request) *protocol.Error {
	if _, err := s.find(in); err != nil {
		return err
	}
	delete(s.groups, in.LogGroupName)
	return nil
}

// retentions are the numbers of days that AWS allows:
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
var retentions = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func putRetentionPolicy(s *Service, in request) *protocol.Error {
	g, err := s.find(in)
	switch {
	case err != nil:
		return err
	case !slices.Contains(retentions, in.RetentionInDays):
		return invalid(
			"1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %v",
			in.RetentionInDays,
			retentions,
		)
	}
	g.retention = in.RetentionInDays
	return nil
}

func deleteRetentionPolicy(s *Service, in request) *protocol.Error {
	g, err := s.find(in)
	if err != nil {
		return err
	}
	g.retention = 0
	return nil
}

// tag adds tags, all or none.
func (g *group) tag(added map[string]string) *protocol.Error {
	next := maps.Clone(g.tags)
	for key, value := range added {
		if key == "" || len(key) > 128 || len(value) > 256 {
			return invalid("the tag %q is invalid", key)
		}
		next[key] = value
	}
	if len(next) > maxTags {
		return &protocol.Error{Code: "TooManyTagsException", Message: "A resource can have no more than 50 tags."}
	}
	g.tags = next
	return nil
}

func listTags(s *Service, in request) (any, *protocol.Error) {
	g, err := s.find(in)
	if err != nil {
		return nil, err
	}
	return map[string]any{"tags": maps.Clone(g.tags)}, nil
}

func tagResource(s *Service, in request) *protocol.Error {
	g, err := s.find(in)
	if err != nil {
		return err
	}
	return g.tag(in.Tags)
}

func untagResource(s *Service, in request) *protocol.Error {
	g, err := s.find(in)
	if err != nil {
		return err
	}
	for _, key := range in.TagKeys {
		delete(g.tags, key)
	}
	return nil
}
