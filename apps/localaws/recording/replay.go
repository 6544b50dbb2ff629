package recording

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Normalize makes calls comparable with those of another run. It clears times and request
// IDs, numbers identifiers and client tokens, and leaves out each read with the same
// answer as the same read before it.
func Normalize(calls []Call) ([]Call, error) {
	last := map[string]string{}
	names := newNames()
	var kept []Call
	for _, c := range calls {
		c.Answer = c.Answer.replaced(scrub)
		request, err := encode(c.request())
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", c.Service, c.Action(), err)
		}
		said := fmt.Sprint(c.Status, c.Answer.String())
		if c.observes() && last[string(request)] == said {
			continue
		}
		last[string(request)] = said
		c = c.replaced(names.hide)
		c.Answer = c.Answer.replaced(names.hide)
		kept = append(kept, c)
	}
	return kept, nil
}

// Replay makes recorded calls again, in their order, by calling do. It replaces the
// recorded identifiers by those of this run. The returned calls have the times and
// identifiers of the recording, so equal answers are equal.
func Replay(calls []Call, do func(Call) (status int, answer string)) []Call {
	names := newNames()
	var replayed []Call
	for _, c := range calls {
		var said string
		c.Status, said = do(c.replaced(names.show))
		c.Answer = newBody(said).replaced(scrub).replaced(names.hide)
		replayed = append(replayed, c)
	}
	return replayed
}

var (
	// document matches a policy in an answer of IAM, which escapes it as a part of a URL.
	document  = regexp.MustCompile(`%7B[^<]*`)
	requestID = regexp.MustCompile(`(<(?:requestId|RequestId|RequestID)>)[^<]*`)
	// session matches the session name of a denied call's caller.
	session  = regexp.MustCompile(`(:assumed-role/[^/\s]+/)[^\s"<]+`)
	dateTime = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?`)
	// epoch matches a time from 2020 to 2033 in seconds or milliseconds.
	epoch = regexp.MustCompile(`\b1[6-9]\d{8}(?:\d{3})?(?:\.\d+)?\b`)
)

// scrub removes the values that change from run to run and that no client sends back. It
// makes policies readable.
func scrub(text string) string {
	text = document.ReplaceAllStringFunc(text, func(escaped string) string {
		if plain, err := url.PathUnescape(escaped); err == nil {
			return plain
		}
		return escaped
	})
	text = requestID.ReplaceAllString(text, "$1")
	text = session.ReplaceAllString(text, "${1}SESSION")
	text = dateTime.ReplaceAllString(text, "TIME")
	return epoch.ReplaceAllString(text, "0")
}

// names maps identifiers to their stand-ins in a recording, and back. A stand-in has the
// same form and a number.
type names struct {
	standIn, real map[string]string
	count         map[string]int
}

func newNames() *names {
	return &names{standIn: map[string]string{}, real: map[string]string{}, count: map[string]int{}}
}

// identifiers matches the identifiers that AWS and its clients generate: IDs of EC2,
// UUIDs, Terraform's tokens, IDs of IAM, and the digits of an EKS cluster.
var identifiers = regexp.MustCompile(strings.Join([]string{
	`\b(?P<resource>[a-z]+(?:-[a-z]+)*-)0[0-9a-f]{16}\b`,
	`\b(?P<uuid>)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`,
	`\b(?P<token>terraform-)[0-9]{18}[0-9a-f]{8}\b`,
	`\b(?P<principal>A(?:ROA|NPA|IDA|SIA|KIA))[A-Z0-9]{17}\b`,
	`\b(?P<cluster>)[0-9A-F]{32}\b`,
}, "|"))

// forms has the stand-in's form for each kind of identifier.
var forms = map[string]string{
	"resource":  "%s%017d",
	"uuid":      "%s00000000-0000-4000-8000-%012d",
	"token":     "%s%026d",
	"principal": "%s%017d",
	"cluster":   "%s%032d",
}

// hide replaces each identifier by its stand-in.
func (n *names) hide(text string) string {
	return replaceIdentifiers(text, func(identifier, kind, prefix string) string {
		if n.standIn[identifier] == "" {
			n.give(identifier, n.next(kind, prefix))
		}
		return n.standIn[identifier]
	})
}

// show replaces each stand-in by its identifier. A stand-in without one comes from the
// client, such as a token. It stays as it is, and is counted as in hide.
func (n *names) show(text string) string {
	return replaceIdentifiers(text, func(standIn, kind, prefix string) string {
		if n.real[standIn] == "" {
			n.next(kind, prefix)
			n.give(standIn, standIn)
		}
		return n.real[standIn]
	})
}

func (n *names) next(kind, prefix string) string {
	n.count[kind+prefix]++
	return fmt.Sprintf(forms[kind], prefix, n.count[kind+prefix])
}

func (n *names) give(identifier, standIn string) {
	n.standIn[identifier], n.real[standIn] = standIn, identifier
}

// replaceIdentifiers replaces each identifier by the result of f, which gets its kind and
// the prefix to keep.
func replaceIdentifiers(text string, f func(identifier, kind, prefix string) string) string {
	var out strings.Builder
	end := 0
	for _, at := range identifiers.FindAllStringSubmatchIndex(text, -1) {
		out.WriteString(text[end:at[0]])
		for i, kind := range identifiers.SubexpNames() {
			if i > 0 && at[2*i] >= 0 {
				out.WriteString(f(text[at[0]:at[1]], kind, text[at[2*i]:at[2*i+1]]))
			}
		}
		end = at[1]
	}
	out.WriteString(text[end:])
	return out.String()
}
