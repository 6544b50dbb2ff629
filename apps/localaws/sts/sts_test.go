package sts_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/mystique-unicorn/sales-events/apps/internal/awstest"
	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/iam"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
	service "github.com/mystique-unicorn/sales-events/apps/localaws/sts"
)

const (
	account  = "000000000000"
	subject  = "system:serviceaccount:ns:consumer"
	audience = "sts.amazonaws.com"
	roleARN  = "arn:aws:iam::000000000000:role/sales-events/consumer"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// bench is a service with two roles: one for the tokens of an issuer, one for everybody
// of the account.
type bench struct {
	*testing.T
	issuer   *awstest.Issuer
	clock    *clock.Fake
	sessions *service.Sessions
	sts      *sts.Client
	caller   *access.Caller
}

func newBench(t *testing.T, guard access.Guard, changes ...func(*service.Issuer)) *bench {
	t.Helper()
	b := &bench{T: t, issuer: awstest.NewIssuer(t), clock: clock.NewFake(start)}
	host := strings.TrimPrefix(b.issuer.URL, "https://")
	web := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",
		"Principal":{"Federated":"arn:aws:iam::000000000000:oidc-provider/` + host + `"},
		"Condition":{"StringEquals":{"` + host + `:sub":"` + subject + `","` + host + `:aud":"` + audience + `"}}}]}`
	open := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"000000000000"}}]}`
	directory, err := iam.NewAccount(account, iam.Config{
		Roles:     []iam.DeclaredRole{{Name: "consumer", Path: "/sales-events/", Trust: []byte(web)}, {Name: "open", Trust: []byte(open)}},
		Providers: []iam.DeclaredIssuer{{URL: b.issuer.URL, Clients: []string{audience, "other"}}},
	}, b.clock)
	b.ok(err)
	b.sessions, err = service.NewSessions("a key")
	b.ok(err)
	issuer := service.Issuer{URL: b.issuer.URL, Keys: b.issuer.Keys}
	for _, change := range changes {
		change(&issuer)
	}
	s := service.New(service.Options{
		AccountID: account, Directory: directory, Sessions: b.sessions, Guard: guard, Clock: b.clock, Faults: &fault.Faults{},
		Issuers: []service.Issuer{issuer},
	})
	b.caller = &access.Caller{ARN: "arn:aws:iam::000000000000:user/me", ID: "AIDAME", Account: account}
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r.WithContext(access.NewContext(r.Context(), access.Call{Caller: b.caller})))
	}))
	t.Cleanup(listener.Close)
	b.sts = sts.NewFromConfig(aws.Config{Region: "eu-west-1", BaseEndpoint: &listener.URL, RetryMaxAttempts: 1, Credentials: aws.AnonymousCredentials{}})
	return b
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) take(role, token string) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	b.caller = nil // nobody signs this call
	return b.sts.AssumeRoleWithWebIdentity(b.Context(), &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &role, RoleSessionName: aws.String("pod"), WebIdentityToken: &token,
	})
}

func TestWebIdentity(t *testing.T) {
	b := newBench(t, &servicetest.Guard{Denies: "*"}) // the guard checks callers; this call has none
	out, err := b.take(roleARN, b.issuer.Token(t, subject, audience, start.Add(time.Hour)))
	b.ok(err)
	got := fmt.Sprint(*out.AssumedRoleUser.Arn, *out.SubjectFromWebIdentityToken, *out.Audience, *out.Provider, out.Credentials.Expiration)
	want := fmt.Sprint("arn:aws:sts::000000000000:assumed-role/consumer/pod", subject, audience,
		"arn:aws:iam::000000000000:oidc-provider/issuer.example/id/1", start.Add(time.Hour))
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	session, ok := b.sessions.Open(*out.Credentials.AccessKeyId, *out.Credentials.SessionToken)
	if !ok || session.Secret != *out.Credentials.SecretAccessKey || session.Caller.Role != roleARN || session.Caller.ARN != *out.AssumedRoleUser.Arn {
		t.Errorf("session %+v", session)
	}
}

func TestWebIdentityIsRefused(t *testing.T) {
	b := newBench(t, access.Anyone{})
	other := awstest.NewIssuer(t) // the same URL with another key
	later := start.Add(time.Hour)
	valid := b.issuer.Token(t, subject, audience, later)
	for name, test := range map[string]struct{ role, token, code string }{
		"another ServiceAccount": {roleARN, b.issuer.Token(t, "system:serviceaccount:ns:producer", audience, later), "AccessDenied"},
		"another client":         {roleARN, b.issuer.Token(t, subject, "other", later), "AccessDenied"},
		"nobody's audience":      {roleARN, b.issuer.Token(t, subject, "kubernetes", later), "InvalidIdentityToken"},
		"over":                   {roleARN, b.issuer.Token(t, subject, audience, start), "ExpiredTokenException"},
		"not yet":                {roleARN, b.issuer.Token(t, subject, audience, start.Add(2*time.Hour+2*time.Minute)), "InvalidIdentityToken"},
		"another key":            {roleARN, other.Token(t, subject, audience, later), "InvalidIdentityToken"},
		"no token":               {roleARN, "a.b.c", "InvalidIdentityToken"},
		"unsigned":               {roleARN, "eyJhbGciOiJub25lIn0." + strings.Split(valid, ".")[1] + ".", "InvalidIdentityToken"},
		"too short":              {roleARN, "a", "ValidationError"},
		"no role":                {roleARN + "x", valid, "AccessDenied"},
		"not for tokens":         {"arn:aws:iam::000000000000:role/open", valid, "AccessDenied"},
		"no ARN":                 {"consumer", valid, "ValidationError"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.take(test.role, test.token)
			servicetest.Code(t, err, test.code)
		})
	}
}

// A new key of the issuer is found, but not every call looks for one.
func TestKeysAreReadAgain(t *testing.T) {
	b := newBench(t, access.Anyone{})
	next := awstest.NewIssuer(t)
	keys, err := os.ReadFile(b.issuer.Keys)
	b.ok(err)
	b.ok(os.WriteFile(b.issuer.Keys, []byte(`{"keys":[]}`), 0o600))
	_, err = b.take(roleARN, b.issuer.Token(t, subject, audience, start.Add(time.Hour)))
	servicetest.Code(t, err, "InvalidIdentityToken")
	b.ok(os.WriteFile(b.issuer.Keys, keys, 0o600))
	_, err = b.take(roleARN, b.issuer.Token(t, subject, audience, start.Add(time.Hour)))
	servicetest.Code(t, err, "InvalidIdentityToken")
	b.clock.Advance(10 * time.Second)
	_, err = b.take(roleARN, b.issuer.Token(t, subject, audience, start.Add(time.Hour)))
	b.ok(err)
	_, err = b.take(roleARN, next.Token(t, subject, audience, start.Add(time.Hour)))
	servicetest.Code(t, err, "InvalidIdentityToken")
}

// Keys can come from an API server instead of a file: over TLS with its own authority,
// for a caller with a token.
func TestKeysByURL(t *testing.T) {
	var keys string // the file of the current issuer's keys
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		http.ServeFile(w, r, keys)
	}))
	t.Cleanup(server.Close)
	file := func(name string, content []byte) string {
		name = filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	ca := file("ca.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	for name, test := range map[string]struct {
		issuer service.Issuer
		code   string
	}{
		"all":        {service.Issuer{CA: ca, Token: file("token", []byte("secret\n"))}, ""},
		"no CA":      {service.Issuer{Token: file("token", []byte("secret"))}, "IDPCommunicationError"},
		"wrong CA":   {service.Issuer{CA: file("ca.crt", []byte("x")), Token: file("token", []byte("secret"))}, "IDPCommunicationError"},
		"no token":   {service.Issuer{CA: ca}, "IDPCommunicationError"},
		"lost token": {service.Issuer{CA: ca, Token: "/nonexistent"}, "IDPCommunicationError"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, access.Anyone{}, func(i *service.Issuer) { i.Keys, i.CA, i.Token = server.URL, test.issuer.CA, test.issuer.Token })
			keys = b.issuer.Keys
			_, err := b.take(roleARN, b.issuer.Token(t, subject, audience, start.Add(time.Hour)))
			if test.code == "" {
				b.ok(err)
				return
			}
			servicetest.Code(t, err, test.code)
		})
	}
}

func TestAssumeRole(t *testing.T) {
	b := newBench(t, access.Anyone{})
	in := &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::000000000000:role/open"), RoleSessionName: aws.String("me"), DurationSeconds: aws.Int32(900)}
	out, err := b.sts.AssumeRole(t.Context(), in)
	b.ok(err)
	if !out.Credentials.Expiration.Equal(start.Add(15*time.Minute)) || !strings.HasPrefix(*out.Credentials.AccessKeyId, "ASIA") || !strings.HasSuffix(*out.AssumedRoleUser.AssumedRoleId, ":me") {
		t.Errorf("%+v %+v", out.Credentials, out.AssumedRoleUser)
	}
	for name, change := range map[string]func(*sts.AssumeRoleInput){
		"too short": func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(899) },
		"too long":  func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(3601) },
		"name":      func(in *sts.AssumeRoleInput) { in.RoleSessionName = aws.String("a b") },
		"policy":    func(in *sts.AssumeRoleInput) { in.Policy = aws.String("{}") },
	} {
		wrong := *in
		change(&wrong)
		_, err := b.sts.AssumeRole(t.Context(), &wrong)
		if err == nil {
			t.Errorf("%s: taken", name)
		}
		servicetest.Code(t, err, "ValidationError")
	}
	in.RoleArn = aws.String("arn:aws:iam::000000000000:role/absent")
	_, err = b.sts.AssumeRole(t.Context(), in)
	servicetest.Code(t, err, "AccessDenied")
	b.caller = &access.Caller{ARN: "arn:aws:iam::000000000000:root"}
	in.RoleArn = aws.String("arn:aws:iam::000000000000:role/open")
	_, err = b.sts.AssumeRole(t.Context(), in)
	servicetest.Code(t, err, "AccessDenied")
	refused := newBench(t, &servicetest.Guard{Denies: "*"})
	_, err = refused.sts.AssumeRole(t.Context(), in)
	servicetest.Code(t, err, "AccessDenied")
}

func TestCallerIdentity(t *testing.T) {
	b := newBench(t, &servicetest.Guard{Denies: "*"}) // "No permissions are required to perform this operation"
	out, err := b.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	b.ok(err)
	if *out.Arn != b.caller.ARN || *out.Account != account || *out.UserId != b.caller.ID {
		t.Errorf("%+v", out)
	}
	b.caller = nil
	_, err = b.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	servicetest.Code(t, err, "MissingAuthenticationToken")
}

// A session token is valid only with its access key, and only where the key that sealed
// it is known.
func TestSessions(t *testing.T) {
	mine, err := service.NewSessions("a key")
	if err != nil {
		t.Fatal(err)
	}
	caller := &access.Caller{ARN: "arn:x", Role: roleARN, Session: map[string][]string{"k": {"v"}}}
	made := mine.Issue(caller, start)
	again, err := service.NewSessions("a key")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time from the cache
		session, ok := again.Open(made.AccessKeyId, made.SessionToken)
		if !ok || session.Secret != made.SecretAccessKey || fmt.Sprint(*session.Caller) != fmt.Sprint(*caller) || !session.Expires.Equal(start) {
			t.Fatalf("after a restart: %+v", session)
		}
		if _, ok := again.Open("ASIAOTHER", made.SessionToken); ok {
			t.Error("another access key")
		}
	}
	others, err := service.NewSessions("")
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{made.SessionToken, "", "x", made.SessionToken[:40], "A" + made.SessionToken[1:]} {
		if _, ok := others.Open(made.AccessKeyId, token); ok {
			t.Errorf("the token %s of nobody", token)
		}
	}
}
