package s3

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"regexp"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/internal/iam"
)

// setting is a sub-resource of buckets that is a document. The server stores it and
// returns it unchanged. Only the policy and the public access block have an effect.
type setting struct {
	root string
	// initial is its content in a new bucket, AWS's default; reset means that DELETE
	// restores it.
	initial string
	reset   bool
	// none and why are the code and the message of the error if there is no document.
	none, why string
	// form is the content that a document must have inside its root element.
	form *regexp.Regexp
}

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

var settings = map[string]setting{
	"encryption": {
		root: "ServerSideEncryptionConfiguration", reset: true,
		initial: "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>" +
			"<BucketKeyEnabled>false</BucketKeyEnabled></Rule>",
		form: regexp.MustCompile(`<SSEAlgorithm>(AES256|aws:kms|aws:kms:dsse)</SSEAlgorithm>`),
	},
	"lifecycle": {
		root: "LifecycleConfiguration", none: "NoSuchLifecycleConfiguration", why: "The lifecycle configuration does not exist",
		form: regexp.MustCompile(`(?s)<Rule>.*<Status>(Enabled|Disabled)</Status>`),
	},
	"ownershipControls": {
		root: "OwnershipControls", initial: "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>",
		none: "OwnershipControlsNotFoundError", why: "The bucket ownership controls were not found",
		form: regexp.MustCompile(`<ObjectOwnership>(BucketOwnerEnforced|BucketOwnerPreferred|ObjectWriter)</ObjectOwnership>`),
	},
	"publicAccessBlock": {
		root: "PublicAccessBlockConfiguration", initial: "<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>" +
			"<BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>",
		none: "NoSuchPublicAccessBlockConfiguration", why: "The public access block configuration was not found",
	},
	"versioning": {root: "VersioningConfiguration", reset: true, form: regexp.MustCompile(`<Status>(Enabled|Suspended)</Status>`)},

	"accelerate":     {root: "AccelerateConfiguration", reset: true},
	"acl":            {root: "AccessControlPolicy", reset: true, initial: fullControl},
	"cors":           {none: "NoSuchCORSConfiguration", why: "The CORS configuration does not exist"},
	"logging":        {root: "BucketLoggingStatus", reset: true},
	"notification":   {root: "NotificationConfiguration", reset: true},
	"object-lock":    {none: "ObjectLockConfigurationNotFoundError", why: "Object Lock configuration does not exist for this bucket"},
	"replication":    {none: "ReplicationConfigurationNotFoundError", why: "The replication configuration was not found"},
	"requestPayment": {root: "RequestPaymentConfiguration", reset: true, initial: "<Payer>BucketOwner</Payer>"},
	"website":        {none: "NoSuchWebsiteConfiguration", why: "The specified bucket does not have a website configuration"},
}

const (
	owner       = "<ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID>"
	fullControl = "<Owner>" + owner + `</Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ` +
		`xsi:type="CanonicalUser">` + owner + "</Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList>"
	maxSetting = 256 << 10
)

// document returns the whole document with the given content.
func (d setting) document(content string) string {
	return `<` + d.root + ` xmlns="` + namespace + `">` + content + `</` + d.root + `>`
}

// serveSetting serves a sub-resource of a bucket.
func (s *Service) serveSetting(w http.ResponseWriter, r *http.Request, t target) *protocol.Error {
	b, err := s.backend.settingsOf(t.bucket)
	if err != nil {
		return err
	}
	switch t.sub {
	case "policy":
		return s.servePolicy(w, r, t, b)
	case "tagging":
		return serveTagging(w, r, b)
	case "location":
		writeXML(w, `<LocationConstraint xmlns="`+namespace+`">`+s.location()+`</LocationConstraint>`)
		return nil
	}
	d := settings[t.sub]
	switch r.Method {
	case http.MethodPut:
		text, err := d.read(r)
		if err != nil {
			return err
		}
		b.set(t.sub, text)
		w.WriteHeader(http.StatusOK)
	case http.MethodDelete:
		b.set(t.sub, d.afterDelete())
		w.WriteHeader(http.StatusNoContent)
	default:
		text := b.get(t.sub)
		if text == "" {
			return &protocol.Error{Code: d.none, Message: d.why, Status: http.StatusNotFound}
		}
		if t.sub == "lifecycle" {
			w.Header().Set("X-Amz-Transition-Default-Minimum-Object-Size", "all_storage_classes_128K")
		}
		writeXML(w, text)
	}
	return nil
}

// location returns the region's location constraint, which is empty in us-east-1.
func (s *Service) location() string {
	if s.region == "us-east-1" {
		return ""
	}
	return s.region
}

// start returns the document of a new bucket.
func (d setting) start() string {
	if d.initial == "" && !d.reset {
		return ""
	}
	return d.document(d.initial)
}

func (d setting) afterDelete() string {
	if d.reset {
		return d.start()
	}
	return ""
}

// read reads a document. It must be XML with the right root element.
func (d setting) read(r *http.Request) (string, *protocol.Error) {
	body, err := protocol.ReadBody(r, maxSetting)
	if err != nil {
		return "", malformedXML
	}
	if !wellFormed(body, d.root) || d.form != nil && !d.form.Match(body) {
		return "", malformedXML
	}
	return string(body), nil
}

func wellFormed(body []byte, root string) bool {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	depth, seen := 0, false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return seen && depth == 0
		}
		if err != nil {
			return false
		}
		switch element := token.(type) {
		case xml.StartElement:
			if depth == 0 && (seen || element.Name.Local != root) {
				return false
			}
			depth, seen = depth+1, true
		case xml.EndElement:
			depth--
		}
	}
}

func writeXML(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/xml")
	_, _ = io.WriteString(w, xml.Header+text)
}

// maxPolicy is the size limit of a bucket policy, in bytes.
const maxPolicy = 20 << 10

func (s *Service) servePolicy(w http.ResponseWriter, r *http.Request, t target, b *bucketSettings) *protocol.Error {
	switch r.Method {
	case http.MethodPut:
		body, err := protocol.ReadBody(r, maxPolicy)
		if err != nil {
			return &protocol.Error{Code: "PolicyTooLarge", Message: "The policy is larger than 20 KB"}
		}
		parsed, invalid := iam.Parse(t.arn(), iam.ResourcePolicy, body)
		switch {
		case invalid != nil:
			return &protocol.Error{Code: "MalformedPolicy", Message: invalid.Error()}
		case isPublic(parsed) && b.blocks():
			return denied(&access.Denied{
				Check:  access.Check{Action: "s3:PutBucketPolicy", Resource: t.arn()},
				Caller: callerOf(r), Reason: "because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access",
			})
		}
		b.setPolicy(string(body), parsed)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodDelete:
		b.setPolicy("", nil)
		w.WriteHeader(http.StatusNoContent)
	default:
		text := b.get("policy")
		if text == "" {
			return &protocol.Error{Code: "NoSuchBucketPolicy", Message: "The bucket policy does not exist", Status: http.StatusNotFound}
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, text)
	}
	return nil
}

func callerOf(r *http.Request) string {
	caller := access.Of(r.Context()).Caller
	if caller == nil {
		return "anonymous"
	}
	return caller.ARN
}

// isPublic reports whether a policy allows everybody without a condition. AWS also
// considers what the conditions compare.
func isPublic(p *iam.Policy) bool {
	for _, s := range p.Statements {
		for _, v := range s.Principals.Values {
			if s.Effect == iam.Allow && len(s.Conditions) == 0 && (v.ID == "*" || s.Principals.Not) {
				return true
			}
		}
	}
	return false
}

var blockPublic = regexp.MustCompile(`<BlockPublicPolicy>\s*(?i:true)\s*</BlockPublicPolicy>`)

func (b *bucketSettings) blocks() bool {
	return blockPublic.MatchString(cmp.Or(b.get("publicAccessBlock"), ""))
}
