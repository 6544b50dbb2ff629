package protocol

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

type tag struct{ Key, Value string }

type parameters struct {
	Name    string
	Number  *int
	Flag    bool
	Subnets []string `query:"SubnetId"`
	Tags    []tag
	Specs   []struct {
		ResourceType string
		Tag          []tag
	} `query:"TagSpecification"`
	common
}

type common struct{ DryRun bool }

func TestQueryDecode(t *testing.T) {
	seven := 7
	for body, want := range map[string]struct {
		into    parameters
		unknown string
		err     string
	}{
		"Action=A&Name=n&Number=7&Flag=true&DryRun=true": {into: parameters{
			Name: "n", Number: &seven, Flag: true,
			common: common{DryRun: true},
		}},
		"Action=A&SubnetId.2=b&SubnetId.10=c&SubnetId.1=a":   {into: parameters{Subnets: []string{"a", "b", "c"}}},
		"Action=A&Tags=&SubnetId=":                           {},
		"Action=A&Tags.member.1.Key=k&Tags.member.1.Value=v": {into: parameters{Tags: []tag{{"k", "v"}}}},
		"Action=A&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.2.Key=l": {
			into: parameters{Specs: []struct {
				ResourceType string
				Tag          []tag
			}{{"vpc", []tag{{"k", ""}, {"l", ""}}}}},
		},
		"Action=A&Number=x": {into: parameters{Number: new(int)}, err: "Invalid value 'x' for Number"},
		"Action=A&Flag=":    {err: "Invalid value '' for Flag"},
		"Action=A&Nam=n&SubnetId.x=a&Name.1=n&Tags.1.Ky=k":   {into: parameters{Tags: []tag{{}}}, unknown: "Nam Name.1 SubnetId.x Tags.1.Ky"},
		"Action=A&SubnetId.01=a&SubnetId.-1=b&SubnetId=none": {unknown: "SubnetId SubnetId.-1 SubnetId.01"},
	} {
		t.Run(body, func(t *testing.T) {
			q, err := ParseQuery(body)
			if err != nil {
				t.Fatal(err)
			}
			var got parameters
			unknown, err := q.Decode(&got)
			if !reflect.DeepEqual(got, want.into) {
				t.Errorf("got %+v, want %+v", got, want.into)
			}
			if strings.Join(unknown, " ") != want.unknown {
				t.Errorf("unknown %q, want %q", unknown, want.unknown)
			}
			if message := fmt.Sprint(err); want.err == "" && err != nil || !strings.Contains(message, want.err) {
				t.Errorf("error %v, want %q", err, want.err)
			}
		})
	}
}

func TestQueryNonsense(t *testing.T) {
	for body, code := range map[string]string{
		"":                                      "MissingAction",
		"Version=1":                             "MissingAction",
		"Action=%zz":                            "MalformedQueryString",
		"Action=A;B":                            "MalformedQueryString",
		"Action=A&a.b.c.d.e.f.g.h.i=1":          "MalformedQueryString",
		"Action=A" + strings.Repeat("&x", 2000): "MalformedQueryString",
	} {
		if _, err := ParseQuery(body); err == nil || err.Code != code {
			t.Errorf("%.30q: error %v, want %s", body, err, code)
		}
	}
	large := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("Action=A&x="+strings.Repeat("x", maxQuery)))
	if _, err := ReadQuery(large); err == nil || err.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("error %v of a body without end", err)
	}
}

// Parsing invents nothing: every list element and every name was sent.
func FuzzQuery(f *testing.F) {
	f.Add("Action=CreateVpc&Version=2016-11-15&Name=x&Number=1&Tags.member.1.Key=a&SubnetId.1=b")
	f.Add("Action=A&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1=x&DryRun=maybe")
	f.Add("Action=A&SubnetId.99999999999999999999=x&.=.&..&a.=1")
	f.Fuzz(func(t *testing.T, body string) {
		q, err := ParseQuery(body)
		if err != nil {
			return
		}
		var into parameters
		unknown, _ := q.Decode(&into)
		sent, _ := url.ParseQuery(body)
		if len(into.Subnets)+len(into.Tags)+len(into.Specs) > len(sent) {
			t.Errorf("%d parameters became %+v", len(sent), into)
		}
		for _, name := range unknown {
			if _, came := sent[name]; !came {
				t.Errorf("%q is unknown, and was not sent", name)
			}
		}
	})
}

func TestXMLAnswers(t *testing.T) {
	type vpc struct {
		ID   string `xml:"vpcId"`
		Tags []tag  `xml:"tagSet>item"`
	}
	for name, test := range map[string]struct {
		write func(http.ResponseWriter)
		want  string
	}{
		"EC2": {
			func(w http.ResponseWriter) {
				encoded, _ := Elements{"vpc": vpc{"vpc-1", []tag{{"a", "<&\x00"}}}}.Encode()
				WriteEC2(w, "http://x/", "CreateVpc", encoded)
			},
			`<CreateVpcResponse xmlns="http://x/"><requestId>ID</requestId><vpc><vpcId>vpc-1</vpcId><tagSet><item>` +
				"<Key>a</Key><Value>&lt;&amp;\uFFFD</Value></item></tagSet></vpc></CreateVpcResponse>",
		},
		"EC2's error": {
			func(w http.ResponseWriter) {
				WriteEC2Error(w, &Error{Code: "InvalidVpcID.NotFound", Message: "<none>"})
			},
			`<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>&lt;none&gt;</Message></Error></Errors><RequestID>ID</RequestID></Response>`,
		},
		"query": {
			func(w http.ResponseWriter) {
				WriteQuery(w, "", "GetRole", Elements{"Role": struct{ Path string }{"/"}})
			},
			`<GetRoleResponse><GetRoleResult><Role><Path>/</Path></Role></GetRoleResult>` +
				`<ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></GetRoleResponse>`,
		},
		"query without a result": {
			func(w http.ResponseWriter) { WriteQuery(w, "", "DeleteRole", nil) },
			`<DeleteRoleResponse><ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></DeleteRoleResponse>`,
		},
		"query's error": {
			func(w http.ResponseWriter) {
				WriteQueryError(w, "http://x/", &Error{Code: "NoSuchEntity", Message: "m", Status: 404})
			},
			`<ErrorResponse xmlns="http://x/"><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>m</Message></Error><RequestId>ID</RequestId></ErrorResponse>`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			test.write(w)
			_, body, _ := strings.Cut(w.Body.String(), "?>\n")
			if got := strings.ReplaceAll(body, w.Header().Get("X-Amzn-RequestId"), "ID"); got != test.want {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
		})
	}
}
