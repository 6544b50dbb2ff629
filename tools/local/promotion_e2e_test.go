//go:build e2e

package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// checkPromotion brings a change of the consumer's code to the cluster: an image, its
// pin, a push, and a rollout while events arrive. Then a revert undoes it. No event is
// lost.
func checkPromotion(t *testing.T, c client.Client) {
	t.Helper()
	consumer := client.ObjectKey{Namespace: "sales-events-consumer-ns", Name: "consumer"}
	before := imageOf(deployment(t, c, consumer))
	dir := cloneCluster(t)
	// With the code the image changes. The overlay names the local registry.
	rewrite(t, filepath.Join(dir, "apps/consumer/main.go"), `"consumer failed"`, `"the changed consumer failed"`)
	rewrite(t, filepath.Join(dir, "apps/consumer/deploy/local/kustomization.yaml"), `newTag: local`, "newName: "+layout.Registry+"/mystique-unicorn/consumer")
	digest := buildAndPin(t, dir)
	git(t, dir, "commit", "--quiet", "--all", "--message=Promote")

	ids := sendEvents(t, c, "promoted", 60)
	git(t, dir, "push", "--quiet", "origin", "HEAD:main")
	until(t, "the promoted image runs", func() (string, bool) {
		d := deployment(t, c, consumer)
		return imageOf(d), strings.HasSuffix(imageOf(d), "@"+digest) && rolledOut(d)
	})
	waitStored(t, c, ids)

	git(t, dir, "revert", "--no-edit", "HEAD")
	ids = sendEvents(t, c, "reverted", 60)
	git(t, dir, "push", "--quiet", "origin", "HEAD:main")
	until(t, "the revert rolls back", func() (string, bool) {
		d := deployment(t, c, consumer)
		return imageOf(d), imageOf(d) == before && rolledOut(d)
	})
	waitStored(t, c, ids)
}

// buildAndPin builds the consumer of a checkout, pushes it to the local registry
// and pins it in the local overlay.
func buildAndPin(t *testing.T, dir string) string {
	t.Helper()
	cmd := exec.Command("go", "run", "./tools/image", "--insecure", "--registry="+layout.Registry+"/mystique-unicorn",
		"--pin=apps/consumer/deploy/local", "./apps/consumer")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("tools/image: %v\n%s", err, out)
	}
	return regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindString(string(out))
}

func deployment(t *testing.T, c client.Client, key client.ObjectKey) *appsv1.Deployment {
	t.Helper()
	var d appsv1.Deployment
	if err := c.Get(t.Context(), key, &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

func imageOf(d *appsv1.Deployment) string {
	return d.Spec.Template.Spec.Containers[0].Image
}

// rolledOut reports whether all pods have the current template, and no others exist.
func rolledOut(d *appsv1.Deployment) bool {
	return d.Status.ObservedGeneration == d.Generation && d.Status.UpdatedReplicas == *d.Spec.Replicas &&
		d.Status.AvailableReplicas == *d.Spec.Replicas && d.Status.Replicas == *d.Spec.Replicas
}

// sendEvents sends good events and returns their ids, which start with a prefix.
func sendEvents(t *testing.T, c client.Client, prefix string, n int) []string {
	t.Helper()
	queues := localSQS(t, c)
	name := "local-reliable-q"
	at, err := queues.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range n {
		id := fmt.Sprintf("%s-%d-%d", prefix, time.Now().UnixNano(), i)
		_, err := queues.SendMessage(t.Context(), &sqs.SendMessageInput{
			QueueUrl: at.QueueUrl,
			MessageBody: aws.String(fmt.Sprintf(`{"request_id": %q, "store_id": 1, "cust_id": 1, "category": "Books", "sku": 1, "price": 1, "qty": 1, "ts": %q}`,
				id, time.Now().UTC().Format(time.RFC3339))),
			MessageAttributes: map[string]types.MessageAttributeValue{
				"event_type": {DataType: aws.String("String"), StringValue: aws.String("sale_event")},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// waitStored waits until the bucket has an object for each event.
func waitStored(t *testing.T, c client.Client, ids []string) {
	t.Helper()
	endpoint := localEndpoint(t, c)
	bucket := "local-000000000000-sales-events"
	objects := s3.New(s3.Options{Region: "eu-west-1", BaseEndpoint: &endpoint, UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")})
	until(t, fmt.Sprintf("%d events are stored", len(ids)), func() (string, bool) {
		var keys strings.Builder
		pages := s3.NewListObjectsV2Paginator(objects, &s3.ListObjectsV2Input{Bucket: &bucket})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Contents {
				keys.WriteString(*o.Key + "\n")
			}
		}
		missing := 0
		for _, id := range ids {
			if !strings.Contains(keys.String(), id) {
				missing++
			}
		}
		return fmt.Sprintf("%d are missing", missing), missing == 0
	})
}
