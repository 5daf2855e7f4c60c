// Package secret turns the references of an artifact ("env:NAME", "file:PATH") into values, and keeps files fresh.
//
// A reference enters, a [Value] leaves; the value inside is read with [Value.Get] when a call needs it, so that a file
// that is replaced takes effect without a new snapshot. A [Store] outlives snapshots: the same reference is the same
// Value in all of them. A file that can no longer be read, or holds nothing that could be a secret, keeps the last
// good value and is reported: a rotation that goes wrong must not stop a gateway that works.
//
// The invariant: no error, log line, JSON or print of this package's types holds a value. Errors name the reference;
// a text that is no reference is not printed either, because what somebody puts where a reference belongs is often
// the secret itself. Values are checked to be legal in a header before they are used, so that a file with two lines is an
// error at load and not a request that providers refuse, or worse, a second header.
//
// Refused: holding bytes that are wiped after use. Go copies strings into requests, and the process can read its
// references at any time anyway.
package secret

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Largest contents of a file, in bytes: of a credential, and of a certificate chain or key.
const (
	MaxCredential = 64 << 10
	MaxPEM        = 1 << 20
)

// redacted is what a Value prints as.
const redacted = "[secret]"

// Value is a secret that may change while it is in use. Its methods may be called from any goroutine. Printing,
// logging or encoding it in any way gives "[secret]".
type Value struct {
	ref     string
	path    string // absolute; empty for a variable
	pem     bool
	text    atomic.Pointer[string]
	version atomic.Uint64
	trouble string // text of the last error, "" while all is well; guarded by Store.mu
}

// Get returns the secret as it is now. No allocation.
func (v *Value) Get() string { return *v.text.Load() }

// Ref returns the reference, which is no secret: "env:NAME" or "file:PATH".
func (v *Value) Ref() string { return v.ref }

// Version grows each time when the value changes. Whoever derives something from the value compares it.
func (v *Value) Version() uint64 { return v.version.Load() }

func (v *Value) String() string               { return redacted }
func (v *Value) GoString() string             { return redacted }
func (v *Value) Format(f fmt.State, _ rune)   { io.WriteString(f, redacted) }
func (v *Value) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (v *Value) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
func (v *Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Store resolves references and holds their values. Make it with [NewStore].
type Store struct {
	folder string
	report func(ref string, err error)
	stands bool // references stand for themselves

	mu     sync.Mutex
	values map[key]*Value
}

// key: the same file may serve as a credential and as a certificate.
type key struct {
	ref string
	pem bool
}

// NewStore returns a store that takes relative paths from folder, the artifact's. report is told, at most once in a
// row for the same cause, that a value in use could not be read again, and with nil that it has changed or is readable
// again. It is called with the store locked: it must not call the store. It may be nil.
func NewStore(folder string, report func(ref string, err error)) *Store {
	if report == nil {
		report = func(string, error) {}
	}
	return &Store{folder: folder, report: report, values: map[key]*Value{}}
}

// NewRehearsal returns a store that reads nothing: the value of a reference is the reference itself in braces, such as
// "{env:OPENAI_API_KEY}", so that a test can tell which secret was used where and needs none.
func NewRehearsal() *Store {
	s := NewStore("", nil)
	s.stands = true
	return s
}

// standIn is the value of a reference in a rehearsal, legal in a header whatever the reference.
func standIn(ref string) string {
	return "{" + strings.Map(func(r rune) rune {
		if r < 0x21 || r > 0x7e {
			return '?'
		}
		return r
	}, ref) + "}"
}

// Resolve reads the credential that ref names and returns its value. If the reference is known already, the known
// value is read anew and returned; what it holds stays if that fails. An unknown one that cannot be read is an error
// that names the reference and the cause.
func (s *Store) Resolve(ref string) (*Value, error) { return s.resolve(ref, false) }

// ResolvePEM does the same for a certificate chain or key, which may have many lines and up to [MaxPEM] bytes.
func (s *Store) ResolvePEM(ref string) (*Value, error) { return s.resolve(ref, true) }

func (s *Store) resolve(ref string, pem bool) (*Value, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.values[key{ref, pem}]; v != nil {
		if !s.stands {
			s.refresh(v)
		}
		return v, nil
	}
	v := &Value{ref: ref, pem: pem}
	if name, ok := strings.CutPrefix(ref, "file:"); ok && name != "" {
		v.path = name
		if !filepath.IsAbs(name) {
			v.path = filepath.Join(s.folder, name)
		}
	}
	var text string
	var err error
	if s.stands {
		text, v.path = standIn(ref), ""
	} else if text, err = v.read(); err != nil {
		return nil, err
	}
	v.text.Store(&text)
	s.values[key{ref, pem}] = v
	return v, nil
}

// Refresh reads the values again that come from the given absolute paths, or from any file if there are none.
func (s *Store) Refresh(paths ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.values {
		if v.path != "" && (len(paths) == 0 || slices.Contains(paths, v.path)) {
			s.refresh(v)
		}
	}
}

// refresh reads a known value again. The caller holds mu.
func (s *Store) refresh(v *Value) {
	text, err := v.read()
	switch {
	case err != nil:
		if v.trouble != err.Error() {
			v.trouble = err.Error()
			s.report(v.ref, err)
		}
	case text != v.Get():
		v.text.Store(&text)
		v.version.Add(1)
		v.trouble = ""
		s.report(v.ref, nil)
	case v.trouble != "":
		v.trouble = ""
		s.report(v.ref, nil)
	}
}

// Files returns the absolute paths of all files in use, sorted: what has to be watched.
func (s *Store) Files() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var l []string
	for _, v := range s.values {
		if v.path != "" {
			l = append(l, v.path)
		}
	}
	slices.Sort(l)
	return slices.Compact(l)
}

// Retain forgets the references that are not among refs. Whoever still holds a forgotten Value keeps what it holds.
func (s *Store) Retain(refs []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.values {
		if !slices.Contains(refs, k.ref) {
			delete(s.values, k)
		}
	}
}

// read reads what the reference names, without keeping it.
func (v *Value) read() (string, error) {
	var raw string
	switch scheme, name, _ := strings.Cut(v.ref, ":"); {
	case scheme == "env" && name != "" && !strings.ContainsAny(name, "=\x00"):
		var ok bool
		if raw, ok = os.LookupEnv(name); !ok {
			return "", v.fail(errors.New("the environment variable is not set"))
		}
	case scheme == "file" && v.path != "":
		limit := MaxCredential
		if v.pem {
			limit = MaxPEM
		}
		var err error
		if raw, err = readFile(v.path, limit); err != nil {
			return "", v.fail(err)
		}
	default:
		return "", fmt.Errorf(`a secret must be a reference, "env:NAME" or "file:PATH", but a text of %d bytes was given (not shown: it may be a secret)`, len(v.ref))
	}
	text, err := clean(raw, v.pem)
	if err != nil {
		return "", v.fail(err)
	}
	return text, nil
}

// clean makes a value of what a variable or file holds: PEM as it is, a credential without the line ends after it. Its
// errors quote at most one byte, and that only where it is not printable.
func clean(raw string, pem bool) (string, error) {
	text := raw
	if !pem {
		text = strings.TrimRight(raw, "\r\n")
	}
	if text == "" {
		return "", errors.New("it is empty")
	}
	if !pem {
		if err := legal(text); err != nil {
			return "", err
		}
	}
	return text, nil
}

func (v *Value) fail(err error) error { return fmt.Errorf("secret %q: %w", v.ref, err) }

// readFile reads a regular file of at most limit bytes. O_NONBLOCK keeps the open of a pipe from waiting for its
// writer.
func readFile(path string, limit int) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return "", err
	}
	if len(b) > limit {
		return "", fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return string(b), nil
}

// legal says why a text cannot be sent in a header as it is. RFC 9110 §5.5 also allows tabs and bytes above ASCII
// inside a value; no provider's credential has them, and a byte order mark or a typographic quote gets in by accident.
func legal(s string) error {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e {
			return fmt.Errorf("it cannot be sent in a header: byte %d of %d is 0x%02x, which is not printable ASCII", i+1, len(s), c)
		}
	}
	if s[0] == ' ' || s[len(s)-1] == ' ' {
		return errors.New("it cannot be sent in a header: it begins or ends with a space")
	}
	return nil
}

var (
	_ fmt.Formatter  = (*Value)(nil)
	_ slog.LogValuer = (*Value)(nil)
)
