//go:build e2e

package main

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose/inprocess"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// checkComposed compares the objects that render composes with those of the real
// Crossplane: the same objects, and the same value in every field that render sets,
// except observed values.
func checkComposed(t *testing.T, c client.Client, cluster *render.Cluster) {
	t.Helper()
	if err := compose.Run(t.Context(), cluster, inprocess.Functions(nil)); err != nil {
		t.Fatal(err)
	}
	if len(cluster.Failures)+len(cluster.Unknowns) > 0 {
		t.Fatalf("the platform does not compose: %v %v", cluster.Failures, cluster.Unknowns)
	}
	composed := map[string]*unstructured.Unstructured{}
	kinds := map[schema.GroupVersionKind]bool{}
	for _, o := range cluster.Composed {
		composed[keyOf(o.Unstructured)] = o.Unstructured
		kinds[o.GroupVersionKind()] = true
	}
	live := map[string]*unstructured.Unstructured{}
	for kind := range kinds {
		var list unstructured.UnstructuredList
		list.SetGroupVersionKind(kind)
		if err := c.List(t.Context(), &list, client.HasLabels{"crossplane.io/composite"}); err != nil {
			t.Fatal(err)
		}
		for _, o := range list.Items {
			live[keyOf(&o)] = &o
		}
	}
	for _, key := range slices.Sorted(maps.Keys(composed)) {
		if live[key] == nil {
			t.Errorf("render composes %s, Crossplane does not", key)
			continue
		}
		for _, field := range [][]string{{"spec"}, {"metadata", "labels"}, {"metadata", "annotations"}} {
			rendered, set, _ := unstructured.NestedFieldNoCopy(composed[key].Object, field...)
			if !set {
				continue
			}
			found, _, _ := unstructured.NestedFieldNoCopy(live[key].Object, field...)
			for _, difference := range unlike(strings.Join(field, "."), rendered, found) {
				t.Errorf("%s: %s", key, difference)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(live)) {
		if composed[key] == nil {
			t.Errorf("Crossplane composes %s, render does not", key)
		}
	}
	t.Logf("%d objects of %d kinds are composed as render says", len(composed), len(kinds))
}

func keyOf(o *unstructured.Unstructured) string {
	return o.GroupVersionKind().GroupKind().String() + " " + o.GetNamespace() + "/" + o.GetName()
}

// unlike returns the fields of the rendered value that the live one lacks or has with
// another value. Additional fields of the live value come from the API server or the
// provider.
func unlike(path string, rendered, live any) []string {
	switch rendered := rendered.(type) {
	case map[string]any:
		found, _ := live.(map[string]any)
		var all []string
		for _, field := range slices.Sorted(maps.Keys(rendered)) {
			all = append(all, unlike(path+"."+field, rendered[field], found[field])...)
		}
		return all
	case []any:
		found, _ := live.([]any)
		if len(found) != len(rendered) {
			return []string{fmt.Sprintf("%s has %d items, rendered %d", path, len(found), len(rendered))}
		}
		var all []string
		for i := range rendered {
			all = append(all, unlike(fmt.Sprintf("%s[%d]", path, i), rendered[i], found[i])...)
		}
		return all
	case string:
		if text, ok := live.(string); ok && observed(rendered).MatchString(text) {
			return nil
		}
	default:
		if reflect.DeepEqual(rendered, live) {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s is %v, rendered %v", path, live, rendered)}
}

var unknownValue = regexp.MustCompile(`unknown/[A-Za-z]+/[a-z0-9.-]+/[A-Za-z0-9.\[\]]+`)

// observed returns an expression that matches the text, with anything in place of values
// that are known only when observed.
func observed(text string) *regexp.Regexp {
	parts := unknownValue.Split(text, -1)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".+") + "$")
}

// checkPlatform checks that the real Crossplane converges and cleans up: a push changes
// the queue itself, a queue is deleted with its EventQueue, and protected objects stay.
func checkPlatform(t *testing.T, c client.Client) {
	t.Helper()
	queues := localSQS(t, c)
	push(t, "infrastructure/platform/base/events/eventqueue.yaml", `visibilityTimeoutSeconds: \d+`, "visibilityTimeoutSeconds: 45")
	until(t, "the push changed the queue", func() (string, bool) {
		timeout := attribute(t, queues, "local-reliable-q", types.QueueAttributeNameVisibilityTimeout)
		return timeout, timeout == "45"
	})

	scratch := eventQueue("scratch")
	scratch.Object["spec"] = map[string]any{
		"clusterName": "local", "region": "eu-west-1", "accountId": "000000000000", "providerConfigName": "local",
	}
	if err := c.Create(t.Context(), scratch); err != nil {
		t.Fatal(err)
	}
	until(t, "a new EventQueue has its queues", func() (string, bool) {
		names := queueNames(t, queues, "local-scratch")
		return strings.Join(names, " "), slices.Equal(names, []string{"local-scratch", "local-scratch-dlq"})
	})
	if err := client.IgnoreNotFound(c.Delete(t.Context(), scratch)); err != nil {
		t.Fatal(err)
	}
	until(t, "the EventQueue and its queues are gone", func() (string, bool) {
		names := queueNames(t, queues, "local-scratch")
		err := c.Get(t.Context(), client.ObjectKeyFromObject(scratch), eventQueue("scratch"))
		return strings.Join(names, " "), len(names) == 0 && apierrors.IsNotFound(err)
	})

	for kind, name := range map[string]string{"EventBucket": "sales-events", "EventQueue": "reliable-q"} {
		protected := eventQueue(name)
		protected.SetKind(kind)
		if err := c.Delete(t.Context(), protected); err == nil || !strings.Contains(err.Error(), "set spec.deletionProtection to false first") {
			t.Errorf("deleting the protected %s: %v", kind, err)
		}
	}
	// All objects would be deleted with the namespace. This is a dry run: the webhook is
	// called, and nothing is deleted.
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "local"}}
	until(t, "the namespace cannot be deleted", func() (string, bool) {
		err := c.Delete(t.Context(), namespace, client.DryRunAll)
		return fmt.Sprint(err), err != nil && strings.Contains(err.Error(), "This resource is in-use by 1 usage(s)")
	})
}

// checkSpoke lets Flux apply the consumer as a hub does on a spoke, through the
// kubeconfig of a ConfigMap. It leads back to this cluster, with a token of
// kustomize-controller instead of AWS's. Later pushes use it, too.
func checkSpoke(t *testing.T, c client.Client, ca []byte) {
	t.Helper()
	kubeconfig := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "flux-system", Name: "kubeconfig"},
		Data: map[string]string{
			meta.KubeConfigKeyProvider:  "generic",
			meta.KubeConfigKeyAddress:   "https://kubernetes.default.svc",
			meta.KubeConfigKeyAudiences: "https://kubernetes.default.svc.cluster.local",
			meta.KubeConfigKeyCACert:    string(ca),
		},
	}
	if err := c.Create(t.Context(), kubeconfig); err != nil {
		t.Fatal(err)
	}
	push(t, "clusters/local/apps.yaml", `  path: ./apps/consumer/deploy/local\n`,
		"  path: ./apps/consumer/deploy/local\n  kubeConfig:\n    configMapRef:\n      name: kubeconfig\n")
	until(t, "the consumer is applied by its kubeconfig", func() (string, bool) {
		var k kustomizev1.Kustomization
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "flux-system", Name: "consumer"}, &k); err != nil {
			t.Fatal(err)
		}
		ready := apimeta.FindStatusCondition(k.Status.Conditions, meta.ReadyCondition)
		if k.Spec.KubeConfig == nil || ready == nil {
			return "no kubeConfig", false
		}
		return ready.Message, ready.Status == metav1.ConditionTrue && k.Status.ObservedGeneration == k.Generation
	})
}

func eventQueue(name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(schema.GroupVersionKind{Group: "platform.mystique-unicorn.io", Version: "v1alpha1", Kind: "EventQueue"})
	o.SetNamespace("local")
	o.SetName(name)
	return o
}

// patience is how long to wait for a controller. provider-aws itself waits up to 45
// seconds before it trusts an answer of SQS, and a busy machine takes several times as long.
const patience = 10 * time.Minute

// until polls until a controller has reached a state.
func until(t *testing.T, what string, done func() (state string, ok bool)) {
	t.Helper()
	poll(t, patience, time.Second/2, what, done)
}

// within is until with the limit of a whole spoke, and with fewer polls.
func within(t *testing.T, what string, done func() (state string, ok bool)) {
	t.Helper()
	poll(t, provisioning, provisioning/360, what, done)
}

// poll calls done until it is ok. The last call begins after the limit, so a single slow
// call does not end the wait.
func poll(t *testing.T, limit, pause time.Duration, what string, done func() (state string, ok bool)) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(pause) {
		last := time.Since(start) > limit
		state, ok := done()
		if ok {
			t.Logf("%s: %s", what, time.Since(start).Round(100*time.Millisecond))
			return
		}
		if last {
			t.Fatalf("not within %s: %s; the state is %q", limit, what, state)
		}
	}
}

// localEndpoint returns the URL of the local AWS at its Service's address, which the
// machine can reach.
func localEndpoint(t *testing.T, c client.Client) string {
	t.Helper()
	var service corev1.Service
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "localaws", Name: "localaws"}, &service); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("http://%s:%d", service.Spec.ClusterIP, service.Spec.Ports[0].Port)
}

func localSQS(t *testing.T, c client.Client) *sqs.Client {
	t.Helper()
	endpoint := localEndpoint(t, c)
	return sqs.New(sqs.Options{Region: "eu-west-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")})
}

func queueNames(t *testing.T, queues *sqs.Client, prefix string) []string {
	t.Helper()
	found, err := queues.ListQueues(t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: &prefix})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, url := range found.QueueUrls {
		names = append(names, url[strings.LastIndexByte(url, '/')+1:])
	}
	slices.Sort(names)
	return names
}

func attribute(t *testing.T, queues *sqs.Client, queue string, name types.QueueAttributeName) string {
	t.Helper()
	at, err := queues.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &queue})
	if err != nil {
		t.Fatal(err)
	}
	// The URL has the server's name for pods; the client uses its own endpoint.
	has, err := queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: at.QueueUrl, AttributeNames: []types.QueueAttributeName{name}})
	if err != nil {
		t.Fatal(err)
	}
	return has.Attributes[string(name)]
}
