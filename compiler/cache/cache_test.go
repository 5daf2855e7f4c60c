package cache

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/compiler/load"
)

func openAt(t testing.TB, dir string) *Cache {
	t.Helper()
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func key(s string) Key { return sha256.Sum256([]byte(s)) }

func TestWhatWasPutIsThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "cache")
	c := openAt(t, dir)
	if _, ok := c.Get(key("a")); ok {
		t.Error("an entry that nobody put is there")
	}
	for _, data := range []string{"", "text", strings.Repeat("long", 10_000)} {
		c.Put(key(data), []byte(data))
		if got, ok := c.Get(key(data)); !ok || string(got) != data {
			t.Errorf("got %d bytes, %v, want %d", len(got), ok, len(data))
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if got, ok := openAt(t, dir).Get(key("text")); !ok || string(got) != "text" {
		t.Errorf("another cache in the folder gives %q, %v", got, ok)
	}
	for _, name := range []string{dir, filepath.Dir(c.file(key("text"))), c.file(key("text"))} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %v %v", name, info.Mode(), err)
		}
	}
	var none *Cache
	none.Put(key("a"), nil)
	if _, ok := none.Get(key("a")); ok || none.Close() != nil {
		t.Error("no cache at all has an entry or an error")
	}
}

func TestDamagedEntriesAreAbsent(t *testing.T) {
	c := openAt(t, t.TempDir())
	data := []byte("what was worked out")
	c.Put(key("a"), data)
	name := c.file(key("a"))
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x20
		write(bad)
		if got, ok := c.Get(key("a")); ok {
			t.Errorf("an entry with byte %d changed gives %q", i, got)
		}
		write(good[:i])
		if got, ok := c.Get(key("a")); ok {
			t.Errorf("the first %d bytes of an entry give %q", i, got)
		}
	}
	// An entry under the name of another key is not that key's.
	other := c.file(key("b"))
	if err := os.MkdirAll(filepath.Dir(other), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, ok := c.Get(key("b")); ok {
		t.Errorf("an entry of another key gives %q", got)
	}
	c.Put(key("a"), data)
	if got, ok := c.Get(key("a")); !ok || !bytes.Equal(got, data) {
		t.Errorf("the entry was not made anew: %q, %v", got, ok)
	}
}

func FuzzEntry(f *testing.F) {
	sum := seal(key("a"), []byte("x"))
	f.Add(append(append([]byte(magic), sum[:]...), 'x'))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		data, ok := open(key("a"), b)
		if sum := seal(key("a"), data); ok && !bytes.Equal(b, append(append([]byte(magic), sum[:]...), data...)) {
			t.Error("an entry was taken that Put would not have written")
		}
	})
}

func TestManyMayReadAndWriteAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			c, err := Open(dir)
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 200 {
				k := fmt.Sprint(i % 20)
				if data, ok := c.Get(key(k)); ok && string(data) != k {
					t.Errorf("key %s gives %q", k, data)
				}
				c.Put(key(k), []byte(k))
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if strings.Contains(name, temporary) {
			t.Errorf("%s was left behind", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTheFolderStaysWithinItsBound(t *testing.T) {
	dir := t.TempDir()
	c := openAt(t, dir)
	c.max = 10_000
	old := time.Now().Add(-48 * time.Hour)
	for i := range 20 {
		k := key(fmt.Sprint(i))
		c.Put(k, make([]byte, 1000))
		if err := os.Chtimes(c.file(k), old, old.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	// Reading an entry is using it.
	if _, ok := c.Get(key("0")); !ok {
		t.Fatal("an entry is not there")
	}
	left := filepath.Join(filepath.Dir(c.file(key("0"))), temporary+"died")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(left, old, old); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	var have []int
	for i := range 20 {
		if _, err := os.Stat(c.file(key(fmt.Sprint(i)))); err == nil {
			have = append(have, i)
		}
	}
	if want := "[0 13 14 15 16 17 18 19]"; fmt.Sprint(have) != want {
		t.Errorf("entries %v are there, want %s", have, want)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("what a build that died left behind is still there")
	}
}

func TestAFolderThatCannotBeWrittenIsAnErrorAtTheEndOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil {
		t.Error("a file was opened as a cache")
	}
	if _, err := Open(filepath.Join(file, "below")); err == nil {
		t.Error("a folder below a file was opened")
	}
	dir := t.TempDir()
	c := openAt(t, dir)
	// A file stands where the entry's folder is to be: this fails for root too.
	if err := os.WriteFile(filepath.Dir(c.file(key("a"))), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Put(key("a"), []byte("a"))
	if _, ok := c.Get(key("a")); ok {
		t.Error("an entry that could not be written is there")
	}
	if err := c.Close(); err == nil {
		t.Error("nothing is said of an entry that could not be written")
	}
}

func TestFilesAreKnownByTheirStamps(t *testing.T) {
	repo, dir := t.TempDir(), t.TempDir()
	file := filepath.Join(repo, "gateway.cue")
	write := func(text string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	// began stands in for the time at which a build begins; the inode's own time cannot be set.
	build := func(began time.Time) (asked, known int) {
		t.Helper()
		tree := openAt(t, dir).Tree(repo)
		tree.began = began
		src, _, err := load.Open(t.Context(), os.DirFS(repo), "", func(path string, s load.Stamp) (load.Digest, bool) {
			asked++
			d, ok := tree.Known(path, s)
			if ok {
				known++
			}
			return d, ok
		})
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := src.Digest("gateway.cue"); !ok || d != sha256.Sum256(want) {
			t.Errorf("the file has digest %x, %v", d, ok)
		}
		if data, ok := src.Data("gateway.cue"); !ok || !bytes.Equal(data, want) {
			t.Errorf("the file is %q, %v, want %q: %v", data, ok, want, src.Err())
		}
		tree.Learn(src)
		return asked, known
	}
	past := time.Now().Add(-time.Hour)
	write("package gateway\n", past)
	later := time.Now().Add(time.Minute)
	if _, known := build(time.Now()); known != 0 {
		t.Error("a file is known that was never read")
	}
	if _, known := build(later); known != 0 {
		t.Error("a file is known that was read just after it changed")
	}
	asked, known := build(later.Add(time.Minute))
	if asked == 0 {
		t.Skip("this system says too little of files")
	}
	if known != 1 {
		t.Error("a file that has long been the same is read again")
	}
	write("package gatewax\n", past) // of the same size and time, but the inode has changed
	if _, known := build(later.Add(2 * time.Minute)); known != 0 {
		t.Error("a file that changed is known")
	}
}

func TestAFileThatChangesDuringABuildIsAnError(t *testing.T) {
	repo := t.TempDir()
	file := filepath.Join(repo, "gateway.cue")
	if err := os.WriteFile(file, []byte("package gateway\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	src, _, err := load.Open(t.Context(), os.DirFS(repo), "", func(string, load.Stamp) (load.Digest, bool) {
		return sha256.Sum256([]byte("what stood there when the build began")), true
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := src.Data("gateway.cue"); ok {
		t.Error("other bytes than those of the digest were given")
	}
	if !errors.Is(src.Err(), load.ErrChanged) {
		t.Errorf("the error is %v, want %v", src.Err(), load.ErrChanged)
	}
}
