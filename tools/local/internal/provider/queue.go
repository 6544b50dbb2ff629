package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/crossplane/crossplane-runtime/v2/pkg/meta"
	"github.com/crossplane/crossplane-runtime/v2/pkg/reconciler/managed"
	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
)

// queues realises sqs.aws.m.upbound.io Queue. The external name is the queue's
// URL, which AWS assigns. A field that is not given is left as AWS has it.
type queues struct{ sqs *sqs.Client }

// attributes of SQS by the field that holds them. Those that the local AWS
// lacks are here too: it refuses them, and the condition says so.
var attributes = map[string]types.QueueAttributeName{
	"contentBasedDeduplication":    types.QueueAttributeNameContentBasedDeduplication,
	"deduplicationScope":           types.QueueAttributeNameDeduplicationScope,
	"delaySeconds":                 types.QueueAttributeNameDelaySeconds,
	"fifoQueue":                    types.QueueAttributeNameFifoQueue,
	"fifoThroughputLimit":          types.QueueAttributeNameFifoThroughputLimit,
	"kmsDataKeyReusePeriodSeconds": types.QueueAttributeNameKmsDataKeyReusePeriodSeconds,
	"kmsMasterKeyId":               types.QueueAttributeNameKmsMasterKeyId,
	"maxMessageSize":               types.QueueAttributeNameMaximumMessageSize,
	"messageRetentionSeconds":      types.QueueAttributeNameMessageRetentionPeriod,
	"policy":                       types.QueueAttributeNamePolicy,
	"receiveWaitTimeSeconds":       types.QueueAttributeNameReceiveMessageWaitTimeSeconds,
	"redriveAllowPolicy":           types.QueueAttributeNameRedriveAllowPolicy,
	"redrivePolicy":                types.QueueAttributeNameRedrivePolicy,
	"sqsManagedSseEnabled":         types.QueueAttributeNameSqsManagedSseEnabled,
	"visibilityTimeoutSeconds":     types.QueueAttributeNameVisibilityTimeout,
}

// observedQueue is what AWS has.
type observedQueue struct{ attributes, tags map[string]string }

// Observe is managed.TypedExternalClient's.
func (q queues) Observe(ctx context.Context, m *managedResource) (managed.ExternalObservation, error) {
	url := meta.GetExternalName(m)
	if url == "" {
		return managed.ExternalObservation{}, nil
	}
	is, err := q.look(ctx, url)
	if isCode(err, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue") {
		return managed.ExternalObservation{}, nil
	}
	if err != nil {
		return managed.ExternalObservation{}, explain("look at queue", m.text("name"), err)
	}
	atProvider, err := is.atProvider(url, m)
	if err != nil {
		return managed.ExternalObservation{}, err
	}
	m.SetConditions(xpv2.Available())
	unwanted, missing := is.tagsUnlike(m)
	differs := len(is.attributesUnlike(m)) + len(unwanted) + len(missing)
	return managed.ExternalObservation{ResourceExists: true, ResourceUpToDate: differs == 0}, m.observe(atProvider)
}

func (q queues) look(ctx context.Context, url string) (observedQueue, error) {
	is, err := q.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return observedQueue{}, err
	}
	tagged, err := q.sqs.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: &url})
	if err != nil {
		return observedQueue{}, err
	}
	return observedQueue{attributes: is.Attributes, tags: tagged.Tags}, nil
}

// Create is managed.TypedExternalClient's. Where the queue is there already
// with the same attributes, AWS answers with its URL, so that it may be
// repeated.
func (q queues) Create(ctx context.Context, m *managedResource) (managed.ExternalCreation, error) {
	name := m.text("name")
	created, err := q.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: &name, Attributes: observedQueue{}.attributesUnlike(m), Tags: tagsOf(m),
	})
	if err != nil {
		return managed.ExternalCreation{}, explain("create queue", name, err)
	}
	meta.SetExternalName(m, *created.QueueUrl)
	return managed.ExternalCreation{}, nil
}

// Update is managed.TypedExternalClient's. It sends only what differs: a
// redrive policy whose target is gone must not keep the rest from changing.
func (q queues) Update(ctx context.Context, m *managedResource) (managed.ExternalUpdate, error) {
	url := meta.GetExternalName(m)
	err := q.converge(ctx, url, m)
	if err != nil {
		return managed.ExternalUpdate{}, explain("change queue", m.text("name"), err)
	}
	_, err = q.Observe(ctx, m) // so that the status has what was changed at once
	return managed.ExternalUpdate{}, err
}

func (q queues) converge(ctx context.Context, url string, m *managedResource) error {
	is, err := q.look(ctx, url)
	if err != nil {
		return err
	}
	if unlike := is.attributesUnlike(m); len(unlike) > 0 {
		if _, err := q.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: unlike}); err != nil {
			return err
		}
	}
	unwanted, missing := is.tagsUnlike(m)
	if len(unwanted) > 0 {
		if _, err := q.sqs.UntagQueue(ctx, &sqs.UntagQueueInput{QueueUrl: &url, TagKeys: unwanted}); err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		_, err = q.sqs.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: &url, Tags: missing})
	}
	return err
}

// Delete is managed.TypedExternalClient's.
func (q queues) Delete(ctx context.Context, m *managedResource) (managed.ExternalDelete, error) {
	url := meta.GetExternalName(m)
	if _, err := q.sqs.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
		return managed.ExternalDelete{}, explain("delete queue", m.text("name"), err)
	}
	return managed.ExternalDelete{}, nil
}

// Disconnect is managed.TypedExternalClient's.
func (queues) Disconnect(context.Context) error { return nil }

// attributesUnlike are the attributes that are wished otherwise than they are.
func (is observedQueue) attributesUnlike(m *managedResource) map[string]string {
	unlike := map[string]string{}
	for field, value := range m.forProvider() {
		name, found := attributes[field]
		if !found || value == false && onlyFIFO(name) {
			continue
		}
		if wished := fmt.Sprint(value); !sameAttribute(wished, is.attributes[string(name)]) {
			unlike[string(name)] = wished
		}
	}
	return unlike
}

// onlyFIFO attributes are refused for a standard queue even when they say no.
func onlyFIFO(name types.QueueAttributeName) bool {
	return name == types.QueueAttributeNameFifoQueue || name == types.QueueAttributeNameContentBasedDeduplication
}

// sameAttribute compares documents by what they say.
func sameAttribute(wished, is string) bool {
	if wished == is {
		return true
	}
	var a, b any
	return json.Unmarshal([]byte(wished), &a) == nil && json.Unmarshal([]byte(is), &b) == nil && reflect.DeepEqual(a, b)
}

// tagsUnlike are the keys of tags that are not wished, and the tags that are
// wished otherwise than they are.
func (is observedQueue) tagsUnlike(m *managedResource) (unwanted []string, missing map[string]string) {
	wished := tagsOf(m)
	for key := range is.tags {
		if _, found := wished[key]; !found {
			unwanted = append(unwanted, key)
		}
	}
	maps.DeleteFunc(wished, func(key, value string) bool {
		has, found := is.tags[key]
		return found && has == value
	})
	slices.Sort(unwanted)
	return unwanted, wished
}

func tagsOf(m *managedResource) map[string]string {
	given, _ := m.forProvider()["tags"].(map[string]any)
	tags := make(map[string]string, len(given))
	for key, value := range given {
		tags[key] = fmt.Sprint(value)
	}
	return tags
}

func (is observedQueue) atProvider(url string, m *managedResource) (map[string]any, error) {
	observed := map[string]any{
		"arn": is.attributes[string(types.QueueAttributeNameQueueArn)], "url": url, "id": url,
		"name": m.text("name"), "region": m.text("region"), "fifoQueue": false,
	}
	for field, name := range attributes {
		text, found := is.attributes[string(name)]
		if !found {
			continue
		}
		switch name {
		case types.QueueAttributeNamePolicy, types.QueueAttributeNameRedrivePolicy, types.QueueAttributeNameRedriveAllowPolicy:
			observed[field] = text
		case types.QueueAttributeNameSqsManagedSseEnabled:
			observed[field] = text == "true"
		default:
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("queue %s: its attribute %s: %w", m.text("name"), name, err)
			}
			observed[field] = n
		}
	}
	if len(is.tags) > 0 {
		tags := map[string]any{}
		for key, value := range is.tags {
			tags[key] = value
		}
		observed["tags"], observed["tagsAll"] = tags, maps.Clone(tags)
	}
	return observed, nil
}
