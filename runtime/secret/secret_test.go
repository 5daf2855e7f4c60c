package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// marker stands in every secret of these tests, so that a leak is easy to see.
const marker = "MARKER"

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	other := t.TempDir()
	t.Setenv("GWC_TEST_SECRET", "sk-"+marker)
	t.Setenv("GWC_TEST_EMPTY", "")
	write(t, filepath.Join(dir, "plain"), "sk-file-"+marker)
	write(t, filepath.Join(dir, "newline"), "sk-file-"+marker+"\n")
	write(t, filepath.Join(dir, "crlf"), "sk-file-"+marker+"\r\n\r\n")
	write(t, filepath.Join(dir, "spaces"), "Basic dXNlcjpw "+marker)
	write(t, filepath.Join(dir, "empty"), "\n")
	write(t, filepath.Join(dir, "two lines"), marker+"\n"+marker)
	write(t, filepath.Join(dir, "injection"), marker+"\r\nx-admin: 1")
	write(t, filepath.Join(dir, "bom"), "\ufeff"+marker)
	write(t, filepath.Join(dir, "nul"), marker+"\x00")
	write(t, filepath.Join(dir, "trailing space"), marker+" ")
	write(t, filepath.Join(dir, "largest"), strings.Repeat("a", MaxCredential))
	write(t, filepath.Join(dir, "too large"), strings.Repeat("a", MaxCredential+1))
	write(t, filepath.Join(other, "absolute"), marker)
	if err := os.Symlink(filepath.Join(other, "absolute"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, ref string
		want      string // the value
		err       string // what the error says; DIR stands for the folder
	}{
		{"a variable", "env:GWC_TEST_SECRET", "sk-" + marker, ""},
		{"a variable that is not set", "env:GWC_TEST_UNSET", "", `secret "env:GWC_TEST_UNSET": the environment variable is not set`},
		{"a variable that is empty", "env:GWC_TEST_EMPTY", "", `secret "env:GWC_TEST_EMPTY": it is empty`},
		{"a file", "file:plain", "sk-file-" + marker, ""},
		{"a file that ends in a line feed", "file:newline", "sk-file-" + marker, ""},
		{"a file from another system", "file:crlf", "sk-file-" + marker, ""},
		{"a value with a space inside", "file:spaces", "Basic dXNlcjpw " + marker, ""},
		{"a file behind a link", "file:link", marker, ""},
		{"an absolute path", "file:" + filepath.Join(other, "absolute"), marker, ""},
		{"the largest file", "file:largest", strings.Repeat("a", MaxCredential), ""},
		{"a file that is missing", "file:missing", "", `secret "file:missing": open DIR/missing: no such file or directory`},
		{"a file without contents", "file:empty", "", `secret "file:empty": it is empty`},
		{"a file that is too large", "file:too large", "", `secret "file:too large": DIR/too large has more than 65536 bytes`},
		{"a folder", "file:.", "", `secret "file:.": DIR is not a regular file`},
		{"a pipe does not make the load wait", "file:pipe", "", `secret "file:pipe": DIR/pipe is not a regular file`},
		{"a second line", "file:two lines", "", `secret "file:two lines": it cannot be sent in a header: byte 7 of 13 is 0x0a, which is not printable ASCII`},
		{"a second header", "file:injection", "", `secret "file:injection": it cannot be sent in a header: byte 7 of 18 is 0x0d, which is not printable ASCII`},
		{"a byte order mark", "file:bom", "", `secret "file:bom": it cannot be sent in a header: byte 1 of 9 is 0xef, which is not printable ASCII`},
		{"a NUL", "file:nul", "", `secret "file:nul": it cannot be sent in a header: byte 7 of 7 is 0x00, which is not printable ASCII`},
		{"a space at the end", "file:trailing space", "", `secret "file:trailing space": it cannot be sent in a header: it begins or ends with a space`},
		{"a secret instead of a reference is not shown", "sk-" + marker, "", `a secret must be a reference, "env:NAME" or "file:PATH", but a text of 9 bytes was given (not shown: it may be a secret)`},
		{"an unknown scheme is not shown", "vault:" + marker, "", `a secret must be a reference, "env:NAME" or "file:PATH", but a text of 12 bytes was given (not shown: it may be a secret)`},
		{"no name", "env:", "", `a secret must be a reference, "env:NAME" or "file:PATH", but a text of 4 bytes was given (not shown: it may be a secret)`},
		{"no path", "file:", "", `a secret must be a reference, "env:NAME" or "file:PATH", but a text of 5 bytes was given (not shown: it may be a secret)`},
		{"nothing", "", "", `a secret must be a reference, "env:NAME" or "file:PATH", but a text of 0 bytes was given (not shown: it may be a secret)`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := NewStore(dir, nil).Resolve(tt.ref)
			got, msg := "", ""
			if err != nil {
				msg = strings.ReplaceAll(err.Error(), dir, "DIR")
			} else {
				got = v.Get()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("value: mismatch (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.err, msg); diff != "" {
				t.Errorf("error: mismatch (-want +got):\n%s", diff)
			}
			if strings.Contains(msg, marker) {
				t.Error("the error holds the secret")
			}
		})
	}
}

func TestCauseOfAnErrorCanBeAsked(t *testing.T) {
	_, err := NewStore(t.TempDir(), nil).Resolve("file:missing")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
}

func TestValueNeverPrints(t *testing.T) {
	t.Setenv("GWC_TEST_SECRET", "sk-"+marker)
	v, err := NewStore(t.TempDir(), nil).Resolve("env:GWC_TEST_SECRET")
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		V    *Value
		Name string
	}
	h := holder{v, "openai"}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		fmt.Fprintf(&out, verb+"\n", v)
		fmt.Fprintf(&out, verb+"\n", h)
		fmt.Fprintf(&out, verb+"\n", &h)
		fmt.Fprintf(&out, verb+"\n", []*Value{v})
		fmt.Fprintf(&out, verb+"\n", map[string]any{"v": v})
	}
	fmt.Fprintln(&out, v, fmt.Errorf("with %v", v))
	log := slog.New(slog.NewTextHandler(&out, nil))
	log.Info("text", "secret", v, "holder", h)
	log = slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("json", "secret", v, "holder", h)
	b, err := json.Marshal(map[string]any{"h": h, "v": v})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	if s := out.String(); strings.Contains(s, marker) || strings.Contains(strings.ToLower(s), fmt.Sprintf("%x", marker)) {
		t.Errorf("the secret was printed:\n%s", s)
	}
	if diff := cmp.Diff(`{"h":{"V":"[secret]","Name":"openai"},"v":"[secret]"}`, string(b)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestRefresh(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	var reports []string
	s := NewStore(dir, func(ref string, err error) {
		reports = append(reports, strings.ReplaceAll(fmt.Sprint(ref, " ", err), dir, "DIR"))
	})
	write(t, path, "one\n")
	v, err := s.Resolve("file:key")
	if err != nil {
		t.Fatal(err)
	}
	expect := func(step, want string, version uint64) {
		t.Helper()
		if got := v.Get(); got != want || v.Version() != version {
			t.Errorf("%s: the value is %q at version %d, want %q at %d", step, got, v.Version(), want, version)
		}
	}
	s.Refresh()
	expect("unchanged", "one", 0)
	write(t, path, "two\n")
	s.Refresh(filepath.Join(dir, "another"))
	expect("another file changed", "one", 0)
	s.Refresh(path)
	expect("changed", "two", 1)
	write(t, path, "two\nlines\n")
	s.Refresh()
	s.Refresh()
	expect("changed to something that is no secret", "two", 1)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.Refresh()
	s.Refresh()
	expect("removed", "two", 1)
	again, err := s.Resolve("file:key")
	if err != nil || again != v {
		t.Errorf("a new snapshot gets another value (%v), or an error: %v", again, err)
	}
	write(t, path, "two")
	s.Refresh()
	expect("back as it was", "two", 1)
	write(t, path, "three")
	if again, err = s.Resolve("file:key"); err != nil || again != v {
		t.Errorf("a new snapshot gets another value (%v), or an error: %v", again, err)
	}
	expect("changed before a load", "three", 2)
	want := []string{
		"file:key <nil>",
		`file:key secret "file:key": it cannot be sent in a header: byte 4 of 9 is 0x0a, which is not printable ASCII`,
		`file:key secret "file:key": open DIR/key: no such file or directory`,
		"file:key <nil>",
		"file:key <nil>",
	}
	if diff := cmp.Diff(want, reports); diff != "" {
		t.Errorf("reports: mismatch (-want +got):\n%s", diff)
	}
}

func TestFilesAndRetain(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GWC_TEST_SECRET", marker)
	s := NewStore(dir, nil)
	for _, name := range []string{"b", "a", "cert"} {
		write(t, filepath.Join(dir, name), "-----BEGIN X-----")
	}
	for _, ref := range []string{"file:b", "file:a", "env:GWC_TEST_SECRET", "file:cert"} {
		if _, err := s.Resolve(ref); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.ResolvePEM("file:cert"); err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "cert")}
	if diff := cmp.Diff(want, s.Files()); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	s.Retain([]string{"file:a", "env:GWC_TEST_SECRET"})
	if diff := cmp.Diff(want[:1], s.Files()); diff != "" {
		t.Errorf("after Retain: mismatch (-want +got):\n%s", diff)
	}
}

func TestPEMKeepsItsLines(t *testing.T) {
	dir := t.TempDir()
	const pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
	write(t, filepath.Join(dir, "cert.pem"), pem)
	s := NewStore(dir, nil)
	v, err := s.ResolvePEM("file:cert.pem")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(pem, v.Get()); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	if _, err := s.Resolve("file:cert.pem"); err == nil {
		t.Error("the same file passed as a credential")
	}
	write(t, filepath.Join(dir, "large.pem"), strings.Repeat("a", MaxPEM+1))
	if _, err := s.ResolvePEM("file:large.pem"); err == nil {
		t.Error("a file above the bound was read")
	}
}

func TestGetBesideRefresh(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	write(t, path, "value-0")
	s := NewStore(dir, nil)
	v, err := s.Resolve("file:key")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				if got := v.Get(); !strings.HasPrefix(got, "value-") {
					t.Errorf("read %q", got)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := range 100 {
		next := filepath.Join(dir, "next")
		write(t, next, fmt.Sprintf("value-%d", i))
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
		s.Refresh()
	}
	close(stop)
	wg.Wait()
	if got := v.Get(); got != "value-99" {
		t.Errorf("the last value is %q", got)
	}
}

func TestGetDoesNotAllocate(t *testing.T) {
	t.Setenv("GWC_TEST_SECRET", marker)
	v, err := NewStore(t.TempDir(), nil).Resolve("env:GWC_TEST_SECRET")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if a := testing.AllocsPerRun(100, func() { n += len(v.Get()) }); a != 0 || n == 0 {
		t.Errorf("%v allocations", a)
	}
}

// FuzzClean holds that what passes is one legal field value (RFC 9110 §5.5) which the file began with, and that what
// does not pass is not quoted.
func FuzzClean(f *testing.F) {
	f.Add("sk-abc\n")
	f.Add("\r\n")
	f.Add("a\r\nx-admin: 1")
	f.Add(" a")
	f.Add("\ufeffa")
	f.Fuzz(func(t *testing.T, raw string) {
		text, err := clean(raw, false)
		if err == nil {
			if !strings.HasPrefix(raw, text) || strings.Trim(raw[len(text):], "\r\n") != "" || strings.TrimSpace(text) != text || text == "" {
				t.Errorf("%q became %q", raw, text)
			}
			for _, c := range []byte(text) {
				if c < 0x20 || c > 0x7e {
					t.Errorf("%q passed with byte 0x%02x", text, c)
				}
			}
		}
		if _, err := clean(marker+raw+" ", false); err == nil || strings.Contains(err.Error(), marker) {
			t.Errorf("the error quotes the value, or there is none: %v", err)
		}
	})
}

func TestInARehearsalReferencesStandForThemselves(t *testing.T) {
	s := NewRehearsal()
	for ref, want := range map[string]string{
		"env:NO_SUCH_VARIABLE": "{env:NO_SUCH_VARIABLE}",
		"file:/no/such/file":   "{file:/no/such/file}",
		"file:a b\nc":          "{file:a?b?c}",
	} {
		for range 2 {
			v, err := s.Resolve(ref)
			if err != nil || v.Get() != want {
				t.Errorf("%q gives %v, want %q", ref, err, want)
			}
		}
	}
	s.Refresh()
	if f := s.Files(); len(f) != 0 {
		t.Errorf("it would watch %v", f)
	}
}
