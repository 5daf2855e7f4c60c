// Package serve is the command line of the data plane, shared by gwcd and `gwc serve`: flags and signals enter, a
// running gateway and an exit code leave. It links nothing of the compiler.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/gwc-dev/gwc/runtime"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
)

// Exit codes of gwc and gwcd.
const (
	OK          = 0
	Invalid     = 1  // the configuration is wrong
	Untrusted   = 4  // a bad digest or signature, an artifact newer than this binary
	Usage       = 64 // wrong usage
	Unreachable = 69 // something outside is unreachable
	Bug         = 70 // a bug in gwc
)

// Flags are the flags of the data plane.
type Flags struct {
	Listen string
	Admin  string
	Drain  time.Duration
	Pprof  bool
	// RequireKeys are public keys or files that hold one each; Require is how many of them must have signed, 0: all.
	RequireKeys []string
	Require     int

	policy sign.Policy // of both, made by Check
}

// Bind adds the flags to a set.
func (f *Flags) Bind(fs *pflag.FlagSet) {
	fs.StringVar(&f.Listen, "listen", "", "listen on `ADDR` instead of the artifact's address")
	fs.StringVar(&f.Admin, "admin", "", "serve health, metrics and the snapshot on `ADDR` instead of the artifact's address")
	fs.DurationVar(&f.Drain, "drain", runtime.DefaultDrain, "wait for at most `D` until what is in flight has ended, after SIGTERM or SIGINT")
	fs.BoolVar(&f.Pprof, "pprof", false, "serve profiles on the admin address")
	fs.StringArrayVar(&f.RequireKeys, "require-key", nil, "serve only artifacts that `KEY` has signed: \"ed25519:…\" or a file that holds one; may be repeated")
	fs.IntVar(&f.Require, "require", 0, "serve artifacts that at least `N` of the required keys have signed, instead of all")
}

// Check returns what is wrong with the flags, or nil.
func (f *Flags) Check() error {
	for _, a := range []struct{ flag, addr string }{{"listen", f.Listen}, {"admin", f.Admin}} {
		if a.addr == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(a.addr); err != nil {
			return fmt.Errorf("--%s %q is not host:port", a.flag, a.addr)
		}
	}
	if f.Drain <= 0 {
		return fmt.Errorf("--drain %s is not a positive duration", f.Drain)
	}
	var err error
	f.policy, err = Policy("require-key", f.RequireKeys, f.Require)
	return err
}

// Policy returns the policy of a repeated flag and --require.
func Policy(flag string, keys []string, need int) (p sign.Policy, err error) {
	for _, k := range keys {
		public, err := PublicKey(k)
		if err != nil {
			return p, fmt.Errorf("--%s: %w", flag, err)
		}
		p.Keys = append(p.Keys, public)
	}
	p.Need = need
	switch {
	case need > 0 && len(keys) == 0:
		return p, fmt.Errorf("--require %d says how many keys must have signed, and --%s names none", need, flag)
	case need < 0 || need > len(keys):
		return p, fmt.Errorf("--require %d is not between 1 and %d, the number of keys", need, len(keys))
	}
	if err := p.Validate(); err != nil {
		return p, fmt.Errorf("--%s: %w", flag, err)
	}
	return p, nil
}

// maxKeyFile bounds a key's file.
const maxKeyFile = 4 << 10

// PublicKey reads a public key from the command line: the key itself, or the file that holds it.
func PublicKey(arg string) (sign.PublicKey, error) {
	if strings.HasPrefix(arg, "ed25519:") {
		return sign.ParsePublicKey(arg)
	}
	text, _, err := ReadKeyFile(arg)
	if err != nil {
		return sign.PublicKey{}, err
	}
	k, err := sign.ParsePublicKey(strings.TrimRight(text, "\r\n"))
	if err != nil {
		return k, fmt.Errorf("%s: %w", arg, err)
	}
	return k, nil
}

// ReadKeyFile reads the file of a key. Errors name the file and hold nothing of it.
func ReadKeyFile(name string) (text string, mode fs.FileMode, err error) {
	fail := func(err error) (string, fs.FileMode, error) {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return "", 0, fmt.Errorf("cannot read the key %s: %w", name, err)
	}
	// A pipe would wait for its writer.
	info, err := os.Stat(name)
	if err != nil {
		return fail(err)
	}
	if !info.Mode().IsRegular() {
		return fail(errors.New("it is not a regular file"))
	}
	f, err := os.Open(name)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil { // of what was opened
		return fail(err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return fail(err)
	}
	if len(b) > maxKeyFile {
		return fail(errors.New("it is too large for a key"))
	}
	return string(b), info.Mode(), nil
}

// Run serves an artifact's file until a signal comes or ctx ends, and returns the exit code. name begins each line
// on stderr.
func Run(ctx context.Context, name, file string, f Flags, stderr io.Writer) int {
	ctx, stop := Signals(ctx)
	defer stop()
	err := runtime.Run(ctx, runtime.Options{
		Path: file, Listen: f.Listen, Admin: f.Admin, Drain: f.Drain, Pprof: f.Pprof, Require: f.policy,
		Log:   slog.New(slog.NewTextHandler(stderr, nil)),
		Ready: func(i runtime.Info) { fmt.Fprintf(stderr, "%s: %s\n", name, Ready(i)) },
	})
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
	}
	return Code(err)
}

// Signals returns a context that ends with SIGTERM or SIGINT. A second signal acts as if nobody listened.
func Signals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// Ready says in one line what a gateway that has become ready serves.
func Ready(i runtime.Info) string {
	var at []string
	for _, l := range slices.Sorted(maps.Keys(i.Listeners)) {
		at = append(at, i.Listeners[l].String())
	}
	admin := ""
	if i.Admin != nil {
		admin = fmt.Sprintf(", admin on %s", i.Admin)
	}
	return fmt.Sprintf("serving %s on %s%s, loaded in %d ms", i.Digest, strings.Join(at, ", "), admin, i.LoadTime.Milliseconds())
}

// Code returns the exit code for what [runtime.Run] and the readers of artifacts return.
func Code(err error) int {
	for _, untrusted := range []error{
		artifact.ErrTruncated, artifact.ErrDigest, artifact.ErrFormat, artifact.ErrNewer, artifact.ErrTooLarge, artifact.ErrContent,
		sign.ErrUnsigned, sign.ErrSignature,
	} {
		if errors.Is(err, untrusted) {
			return Untrusted
		}
	}
	var system syscall.Errno
	switch {
	case err == nil:
		return OK
	case errors.Is(err, runtime.ErrListen):
		return Unreachable
	case errors.Is(err, fs.ErrNotExist):
		return Usage
	case errors.As(err, &system), errors.Is(err, os.ErrPermission):
		return Unreachable
	}
	return Invalid
}
