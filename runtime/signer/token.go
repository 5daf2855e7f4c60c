package signer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	fetchTimeout = 15 * time.Second
	renewBefore  = 5 * time.Minute // a token's end, at most a third of its life
	retryAfter   = 5 * time.Second // a renewal that failed
)

// Lease is what somebody gives for a while: a bearer token, or an access key of AWS, and when it ends.
type Lease[T any] struct {
	Value   T
	Expires time.Time
}

// Token is what an authorization server gives.
type Token = Lease[string]

// Fetch gets a token. It may take its time; it obeys ctx. Its errors hold no secret.
type Fetch func(ctx context.Context) (Token, error)

// Tokens holds the tokens and temporary keys of the process. It outlives snapshots, so that a reload does not ask for tokens anew.
type Tokens struct {
	report func(id string, err error)
	stands bool // ids stand for tokens

	mu      sync.Mutex
	sources map[string]any // by id, a *source[T]
}

// NewTokens returns an empty holder. report is told when a token could not be fetched, and with nil when it could
// again. It may be nil.
func NewTokens(report func(id string, err error)) *Tokens {
	if report == nil {
		report = func(string, error) {}
	}
	return &Tokens{report: report, sources: map[string]any{}}
}

// NewRehearsal returns a holder that fetches nothing: the token of an id is the id in braces.
func NewRehearsal() *Tokens {
	t := NewTokens(nil)
	t.stands = true
	return t
}

// standIn signs with what stands for a token.
type standIn string

func (s standIn) Sign(dst []byte, _ *Call) ([]byte, string, bool) {
	return append(append(append(dst, "Authorization: Bearer {"...), s...), "}\r\n"...), "{" + string(s) + "}", true
}

func (s standIn) Await(then func(error)) { go then(nil) }

// Bearer signs with a token that fetch gets, as "Authorization: Bearer …". id stands for everything that the token
// depends on (its kind, account, version of the secrets): the same id is the same token in all snapshots. It is shown
// in reports, holds no secret, and is legal in a header.
func (t *Tokens) Bearer(id string, fetch Fetch) Signer {
	if t.stands {
		return standIn(id)
	}
	return bearer{sourceOf(t, id, fetch)}
}

// sourceOf returns the source of an id, which from now on fetches so.
func sourceOf[T any](t *Tokens, id string, fetch func(context.Context) (Lease[T], error)) *source[T] {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, _ := t.sources[id].(*source[T])
	if s == nil {
		s = &source[T]{report: func(err error) { t.report(id, err) }}
		t.sources[id] = s
	}
	s.mu.Lock()
	s.fetch = fetch
	s.mu.Unlock()
	return s
}

// bearer signs with a token.
type bearer struct{ *source[string] }

// Sign implements [Signer]. No allocation while the token holds.
func (b bearer) Sign(dst []byte, c *Call) ([]byte, string, bool) {
	token, ok := b.get(c.Now)
	if !ok {
		return dst, "", false
	}
	return append(append(append(dst, "Authorization: Bearer "...), token...), '\r', '\n'), token, true
}

// held is a lease with the moment from which it is to be renewed.
type held[T any] struct {
	Lease[T]
	renew time.Time
}

// source holds a lease and renews it in the background.
type source[T any] struct {
	current atomic.Pointer[held[T]]
	report  func(error)

	mu       sync.Mutex
	fetch    func(context.Context) (Lease[T], error)
	fetching bool
	failing  bool
	notUntil time.Time // no renewal before
	waiting  []func(error)
}

// get returns what is held; ok is false where that is nothing, or has ended.
func (s *source[T]) get(now time.Time) (value T, ok bool) {
	h := s.current.Load()
	if h == nil || !now.Before(h.Expires) {
		return value, false
	}
	if !now.Before(h.renew) {
		s.start(nil, now)
	}
	return h.Value, true
}

// Await implements [Signer]. A lease that came in the meantime is enough.
func (s *source[T]) Await(then func(error)) {
	if h := s.current.Load(); h != nil && time.Now().Before(h.Expires) {
		go then(nil)
		return
	}
	s.start(then, time.Time{})
}

// start fetches a lease unless that goes on already. A renewal (now is not zero) that has failed a moment ago is not
// tried again at once.
func (s *source[T]) start(then func(error), now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if then != nil {
		s.waiting = append(s.waiting, then)
	}
	if s.fetching || !now.IsZero() && now.Before(s.notUntil) {
		return
	}
	s.fetching = true
	go s.run(s.fetch)
}

func (s *source[T]) run(fetch func(context.Context) (Lease[T], error)) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	t, err := guarded(ctx, fetch)
	cancel()
	now := time.Now()
	if err == nil && !now.Before(t.Expires) {
		err = errors.New("what was given has expired already")
	}
	s.mu.Lock()
	if err == nil {
		early := min(renewBefore, t.Expires.Sub(now)/3)
		s.current.Store(&held[T]{Lease: t, renew: t.Expires.Add(-early)})
	} else {
		s.notUntil = now.Add(retryAfter)
	}
	tell := err != nil || s.failing
	s.failing, s.fetching = err != nil, false
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	if tell {
		s.report(err)
	}
	for _, then := range waiting {
		then(err)
	}
}

// guarded makes an error of a panic: whoever waits must hear of it.
func guarded[T any](ctx context.Context, fetch func(context.Context) (Lease[T], error)) (t Lease[T], err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("fetching a token failed for a reason of the gateway's own")
		}
	}()
	return fetch(ctx)
}
