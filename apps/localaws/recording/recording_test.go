package recording_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/apps/localaws/recording"
)

// query returns a call in the query protocol.
func query(answer, action string, parameters ...string) recording.Call {
	form := map[string]string{"Action": action}
	for i := 0; i+1 < len(parameters); i += 2 {
		form[parameters[i]] = parameters[i+1]
	}
	return recording.Call{
		Service: "ec2", Method: "POST", Path: "/", Body: recording.Body{Form: form}, Status: 200, Answer: recording.Body{Text: answer},
	}
}

// run returns the calls of a run. All of its identifiers consist of one digit.
func run(digit string) []recording.Call {
	vpc, subnet := "vpc-0"+strings.Repeat(digit, 16), "subnet-0"+strings.Repeat(digit, 16)
	uuid := fmt.Sprintf("%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s-0000-4000-8000-00000000000%[1]s", digit)
	described := "<vpcId>" + vpc + "</vpcId><state>pending</state><requestId>" + uuid + "</requestId>"
	begun := recording.Call{
		Service: "eks", Method: "POST", Path: "/clusters/c/updates", Status: 200,
		Answer: recording.Body{JSON: json.RawMessage(`{"createdAt":176449200` + digit + `.5,"id":"` + uuid + `"}`)},
	}
	update := begun
	update.Method, update.Path = "GET", "/clusters/c/updates/"+uuid
	return []recording.Call{
		query("<vpcId>"+vpc+"</vpcId>", "CreateVpc", "ClientToken", "terraform-2026113008000000000000000"+digit),
		query(described, "DescribeVpcs", "VpcId.1", vpc),
		query(described, "DescribeVpcs", "VpcId.1", vpc),
		query("<subnetId>"+subnet+"</subnetId><at>2026-11-30T08:00:0"+digit+"Z</at>", "CreateSubnet", "VpcId", vpc),
		query(strings.ReplaceAll(described, "pending", "available"), "DescribeVpcs", "VpcId.1", vpc),
		query("", "DeleteSubnet", "SubnetId", subnet),
		query("", "DeleteSubnet", "SubnetId", subnet),
		begun, update,
	}
}

func normalized(t *testing.T, calls []recording.Call) []recording.Call {
	t.Helper()
	out, err := recording.Normalize(calls)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The calls of two runs differ only in identifiers and times. Normalized, they are equal.
func TestNormalize(t *testing.T) {
	first, second := normalized(t, run("1")), normalized(t, run("2"))
	if !reflect.DeepEqual(first, second) {
		t.Errorf("normalized, two runs differ:\n%+v\n%+v", first, second)
	}
	// A repeated read is left out, a repeated delete is not.
	var actions []string
	for _, c := range first {
		actions = append(actions, c.Action())
	}
	want := "CreateVpc DescribeVpcs CreateSubnet DescribeVpcs DeleteSubnet DeleteSubnet " +
		"POST /clusters/c/updates GET /clusters/c/updates/00000000-0000-4000-8000-000000000001"
	if got := strings.Join(actions, " "); got != want {
		t.Errorf("the actions are %s, want %s", got, want)
	}
	if got := first[2].Body.Form["VpcId"]; got != "vpc-00000000000000001" {
		t.Errorf("the VPC is %s", got)
	}
	if got, want := first[2].Answer.Text, "<subnetId>subnet-00000000000000001</subnetId><at>TIME</at>"; got != want {
		t.Errorf("the subnet is %s, want %s", got, want)
	}
	if got, want := string(first[6].Answer.JSON), `{"createdAt":0,"id":"00000000-0000-4000-8000-000000000001"}`; got != want {
		t.Errorf("the actions are %s, want %s", got, want)
	}
}

// Replayed calls have the identifiers of this run. The answers are returned with the
// identifiers of the recording.
func TestReplayNames(t *testing.T) {
	calls, again := normalized(t, run("1")), run("2")
	again = append(again[:2], again[3:]...)
	i := 0
	replayed := recording.Replay(calls, func(c recording.Call) (int, string) {
		want := again[i]
		i++
		if token := c.Body.Form["ClientToken"]; token != "" {
			if token != "terraform-00000000000000000000000001" {
				t.Errorf("the client's token is %s", token)
			}
		} else if !reflect.DeepEqual(c.Body, want.Body) || c.Path != want.Path {
			t.Errorf("call %d is %s %v, want %s %v", i, c.Path, c.Body, want.Path, want.Body)
		}
		return want.Status, want.Answer.String()
	})
	if !reflect.DeepEqual(replayed, calls) {
		t.Errorf("replayed, the calls are\n%+v\nwant\n%+v", replayed, calls)
	}
}

func TestReadAndWrite(t *testing.T) {
	source, calls := recording.Source{Program: "p", Version: "v1", Role: "r", Calls: 9}, normalized(t, run("1"))
	var out bytes.Buffer
	if err := recording.Write(&out, source, calls); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if lines := strings.Count(text, "\n"); lines != len(calls)+1 {
		t.Errorf("%d lines, want %d", lines, len(calls)+1)
	}
	again, read, err := recording.Read(&out)
	if err != nil || again != source || !reflect.DeepEqual(read, calls) {
		t.Errorf("read: %+v %+v %v, want %+v %+v", again, read, err, source, calls)
	}
	broken := strings.Replace(text, `"service"`, `"servise"`, 1)
	if _, _, err := recording.Read(strings.NewReader(broken)); err == nil || !strings.Contains(err.Error(), "line 2: ") {
		t.Errorf("error %v, want one that names line 2", err)
	}
}

func TestActionsList(t *testing.T) {
	calls := append(normalized(t, run("1")), recording.Call{
		Service: "s3", Method: "PUT", Path: "/b", Query: "tagging=&x-id=1", Header: map[string]string{"X-Amz-Acl": "private", "Content-Type": "application/xml"},
		Body: recording.Body{Text: "<Tagging><Tag><Key>k</Key></Tag></Tagging>"},
	}, recording.Call{
		Service: "sqs", Method: "POST", Path: "/", Header: map[string]string{"X-Amz-Target": "AmazonSQS.CreateQueue"},
		Body: recording.Body{JSON: json.RawMessage(`{"QueueName":"q","tags":{"a":"b"},"List":[{"x":1},{"y":[]}]}`)},
	})
	const want = `ec2 CreateSubnet
  VpcId
ec2 CreateVpc
  ClientToken
ec2 DeleteSubnet
  SubnetId
ec2 DescribeVpcs
  VpcId.N
eks GET /clusters/c/updates/*
eks POST /clusters/c/updates
s3 PUT /b?tagging
  Tagging
  Tagging.Tag
  Tagging.Tag.Key
  X-Amz-Acl
  x-id
sqs CreateQueue
  List.N.x
  List.N.y
  QueueName
  tags.a
`
	if got := recording.Actions(calls); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
