package localaws

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRouting(t *testing.T) {
	s, err := New(Config{Region: "eu-west-1", AccountID: "000000000000", Buckets: []string{"events"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		method, path string
		header       map[string]string
		status       int
		want         string
	}{
		"health":         {http.MethodGet, "/healthz", nil, 200, "ok\n"},
		"SQS":            {http.MethodPost, "/", map[string]string{"X-Amz-Target": "AmazonSQS.ListQueues"}, 200, "{}"},
		"S3":             {http.MethodGet, "/events", nil, 200, "<Name>events</Name>"},
		"other service":  {http.MethodPost, "/", map[string]string{"X-Amz-Target": "AmazonSSM.GetParameter"}, 400, "AmazonSSM.GetParameter"},
		"query protocol": {http.MethodPost, "/", map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, 400, "MissingAction"},
		"service of the scope": {http.MethodPost, "/", map[string]string{
			"Authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/eu-west-1/ssm/aws4_request, SignedHeaders=host, Signature=" + strings.Repeat("0", 64),
			"X-Amz-Date":    "20260101T000000Z",
		}, 400, "the service ssm"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.path, nil)
			for key, value := range test.header {
				r.Header.Set(key, value)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
				t.Errorf("status %d, body %s; want %d, %s", w.Code, w.Body, test.status, test.want)
			}
		})
	}
}
