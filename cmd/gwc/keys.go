package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"cuelang.org/go/cue/format"
	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler/load"
)

func newKeys(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make keys for apps",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return usage("keys needs a command: new") },
	}
	cmd.AddCommand(newKeysNew(s))
	return cmd
}

func newKeysNew(s streams) *cobra.Command {
	var repo repository
	var asJSON bool
	var id, expires string
	cmd := &cobra.Command{
		Use:   "new [TENANT/APP]",
		Short: "Make a key, print it once, and write its hash into the app's file",
		Long: `new makes a key and prints it. It is printed once: only its hash is ever written down.

With TENANT/APP the hash is added to that app in the repository. Without one, nothing is written and no repository is
needed.`,
		Args: arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if expires != "" {
				if _, err := time.Parse(time.DateOnly, expires); err != nil {
					return usage("--expires %q is not a day such as 2027-06-30", expires)
				}
			}
			if id != "" && !validID.MatchString(id) {
				return usage("--id %q is not made of letters, digits, '.', '_' and '-'", id)
			}
			k := newKey()
			if len(args) == 0 {
				if k.id = id; k.id == "" {
					k.id = "key-" + hex.EncodeToString(k.hash[:3])
				}
				return k.print(s.out, asJSON)
			}
			tenant, app, ok := strings.Cut(args[0], "/")
			if !ok || tenant == "" || app == "" || strings.Contains(app, "/") {
				return usage("%q is not TENANT/APP", args[0])
			}
			return addKey(cmd.Context(), &repo, k, tenant, app, id, expires, asJSON, s)
		},
	}
	f := cmd.Flags()
	repo.bind(f)
	f.BoolVar(&asJSON, "json", false, `write {"id","key","hash"} as JSON`)
	f.StringVar(&id, "id", "", "label the key `ID` instead of the app's name and a number")
	f.StringVar(&expires, "expires", "", "let the key end with `DAY`, such as 2027-06-30")
	return cmd
}

var validID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// key is a new key. The secret is never written anywhere but to the caller's stdout.
type key struct {
	id     string
	secret string
	hash   [32]byte
}

// newKey makes "gwc_", 43 base-62 digits of 32 random bytes, and 6 digits of their CRC-32, by which scanners of
// leaked secrets can tell keys from other text.
func newKey() key {
	var b [32]byte
	rand.Read(b[:]) // never fails: it ends the process instead
	body := base62(b[:], 43)
	var sum [4]byte
	c := crc32.ChecksumIEEE([]byte(body))
	sum[0], sum[1], sum[2], sum[3] = byte(c>>24), byte(c>>16), byte(c>>8), byte(c)
	k := key{secret: "gwc_" + body + base62(sum[:], 6)}
	k.hash = sha256.Sum256([]byte(k.secret))
	return k
}

// base62 writes a number in digits 0-9A-Za-z, padded on the left.
func base62(b []byte, width int) string {
	s := new(big.Int).SetBytes(b).Text(62)
	return strings.Repeat("0", width-len(s)) + s
}

func (k *key) hashText() string { return "sha256:" + hex.EncodeToString(k.hash[:]) }

func (k *key) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return writeJSON(w, object{{"id", k.id}, {"key", k.secret}, {"hash", k.hashText()}})
	}
	if _, err := fmt.Fprintf(w, "id    %s\nkey   %s\nhash  %s\n", k.id, k.secret, k.hashText()); err != nil {
		return unreachable(err)
	}
	return nil
}

// addKey writes the hash into the app's file where the app stands in one as plain fields; else it says which line to
// add where. The key is printed last: an error before means that there is no key.
func addKey(ctx context.Context, repo *repository, k key, tenant, app, id, expires string, asJSON bool, s streams) error {
	root, err := repo.root()
	if err != nil {
		return err
	}
	src, report, err := load.Dir(root)
	if err != nil {
		return unreachable(cause(err))
	}
	file, at := findApp(src, tenant, app)
	if at == nil {
		if report.Failed() {
			return &exit{code: serve.Invalid, err: fmt.Errorf("app %q was not found, and not all files could be read; see gwc vet", tenant+"/"+app)}
		}
		known, err := appExists(ctx, root, tenant, app)
		if err != nil {
			return err
		}
		if !known {
			return &exit{code: serve.Invalid, err: fmt.Errorf("there is no app %q in the repository", tenant+"/"+app)}
		}
	}
	taken := at.ids()
	if k.id = id; k.id == "" {
		for n := len(taken) + 1; ; n++ {
			if k.id = fmt.Sprintf("%s-%d", app, n); !taken[k.id] {
				break
			}
		}
	} else if taken[k.id] {
		return &exit{code: serve.Invalid, err: fmt.Errorf("app %q has a key %q already", tenant+"/"+app, k.id)}
	}
	entry := fmt.Sprintf("{id: %q, hash: %q}", k.id, k.hashText())
	if expires != "" {
		entry = fmt.Sprintf("{id: %q, hash: %q, expires: %q}", k.id, k.hashText(), expires)
	}
	var edited []byte
	if at != nil {
		edited = at.insert(file.Data, entry)
		if formatted(file.Data) {
			if b, err := format.Source(edited); err == nil {
				edited = b
			}
		}
		if _, now := findAppIn(file.Path, edited, tenant, app); now == nil || !now.ids()[k.id] {
			edited = nil // the file is written in a way that this edit does not fit
		}
	}
	if edited == nil {
		s.say("the app is not written as plain fields; add this to its keys:")
		s.say("  %s", entry)
		return k.print(s.out, asJSON)
	}
	name := filepath.Join(root, filepath.FromSlash(file.Path))
	if err := writeFile(name, edited); err != nil {
		return err
	}
	s.say("wrote the hash of %q to %s; the key is printed this once", k.id, name)
	return k.print(s.out, asJSON)
}

func formatted(src []byte) bool {
	b, err := format.Source(src)
	return err == nil && string(b) == string(src)
}

// appExists compiles far enough to know the names of all apps.
func appExists(ctx context.Context, root, tenant, app string) (bool, error) {
	c := compiling{repository: repository{dir: root}}
	r, err := c.compile(ctx, time.Time{}, "lower")
	var e *exit
	switch {
	case errors.As(err, &e):
		return false, err
	case r.Program == nil:
		return false, &exit{code: serve.Invalid, err: fmt.Errorf("the repository does not compile; see gwc vet")}
	}
	for i := range r.Program.Apps {
		if a := &r.Program.Apps[i]; a.Name == app && r.Program.Tenants[a.Tenant].Name == tenant {
			return true, nil
		}
	}
	return false, nil
}
