package signer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/secret"
)

func keys(t *testing.T, texts ...string) []*secret.Value {
	t.Helper()
	dir := t.TempDir()
	store := secret.NewStore(dir, nil)
	var out []*secret.Value
	for n, text := range texts {
		name := string(rune('a' + n))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		v, err := store.Resolve("file:" + name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

func TestKeysAreUsedInTurn(t *testing.T) {
	s := Header("x-api-key", "", keys(t, "one", "two"))
	var got []string
	for range 3 {
		fields, secret, ok := s.Sign([]byte("a: b\r\n"), &Call{})
		if !ok {
			t.Fatal("a key is always at hand")
		}
		got = append(got, string(fields)+secret)
	}
	want := []string{"a: b\r\nx-api-key: one\r\none", "a: b\r\nx-api-key: two\r\ntwo", "a: b\r\nx-api-key: one\r\none"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestWithoutKeysCallsCarryNone(t *testing.T) {
	fields, secret, ok := Header("Authorization", "Bearer ", nil).Sign(nil, &Call{})
	if len(fields) != 0 || secret != "" || !ok {
		t.Errorf("got %q, %q, %v", fields, secret, ok)
	}
}

// await blocks until a signer has what it needs.
func await(s Signer) error {
	c := make(chan error)
	s.Await(func(err error) { c <- err })
	return <-c
}

func TestTokenIsFetchedOnceAndRenewedWhileTheOldOneServes(t *testing.T) {
	var fetched atomic.Int32
	renewed := make(chan struct{})
	start := time.Now()
	fetch := func(context.Context) (Token, error) {
		if fetched.Add(1) == 2 {
			defer close(renewed)
			return Token{"second", start.Add(2 * time.Hour)}, nil
		}
		return Token{"first", start.Add(time.Hour)}, nil
	}
	tokens := NewTokens(nil)
	s := tokens.Bearer("id", fetch)
	if _, _, ok := s.Sign(nil, &Call{Now: start}); ok {
		t.Fatal("a token is there before any was fetched")
	}
	if err := await(s); err != nil {
		t.Fatal(err)
	}
	s = tokens.Bearer("id", fetch) // after a reload
	fields, secret, ok := s.Sign(nil, &Call{Now: start.Add(54 * time.Minute)})
	if string(fields) != "Authorization: Bearer first\r\n" || secret != "first" || !ok {
		t.Fatalf("got %q, %q, %v", fields, secret, ok)
	}
	if n := fetched.Load(); n != 1 {
		t.Fatalf("%d fetches before the time of renewal", n)
	}
	fields, _, ok = s.Sign(nil, &Call{Now: start.Add(56 * time.Minute)})
	if string(fields) != "Authorization: Bearer first\r\n" || !ok {
		t.Fatalf("while it is renewed: got %q, %v", fields, ok)
	}
	<-renewed
	for string(fields) != "Authorization: Bearer second\r\n" { // the new one is stored a moment after it was given
		fields, _, ok = s.Sign(nil, &Call{Now: start.Add(57 * time.Minute)})
	}
	if n := fetched.Load(); n != 2 || !ok {
		t.Fatalf("%d fetches, %v", n, ok)
	}
}

func TestWhoeverWaitsHearsWhyThereIsNoToken(t *testing.T) {
	for name, fetch := range map[string]Fetch{
		"an error":         func(context.Context) (Token, error) { return Token{}, errors.New("refused") },
		"a panic":          func(context.Context) (Token, error) { panic("a secret") },
		"an expired token": func(context.Context) (Token, error) { return Token{"old", time.Now().Add(-time.Second)}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			var told error
			s := NewTokens(func(_ string, err error) { told = err }).Bearer("id", fetch)
			if err := await(s); err == nil || told != err {
				t.Errorf("error %v, reported %v", err, told)
			}
			if _, _, ok := s.Sign(nil, &Call{Now: time.Now()}); ok {
				t.Error("there is a token")
			}
		})
	}
}
