package revision

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// commit makes a git repository with one commit of these files and links.
func commit(t *testing.T, files, links map[string]string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("skipped: git is not installed")
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	dir := t.TempDir()
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=t", "-c", "user.email=t@gwc.example", "commit", "-q", "-m", "x"}} {
		if _, err := run(context.Background(), dir, nil, args...); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReadGivesWhatWasCommitted(t *testing.T) {
	dir := commit(t, map[string]string{
		"gateway.cue": "package gateway\n", "a/b/c.yaml": "x: 1\n", "a/b.json": "", "a/with space é.cue": "y", "notes.txt": "not read",
		".gitattributes": "*.cue export-ignore ident\n",
	}, map[string]string{"a/link.cue": "../gateway.cue", "a/again.cue": "link.cue", "out.cue": "../elsewhere.cue", "loop.cue": "loop.cue"})
	if err := os.WriteFile(filepath.Join(dir, "gateway.cue"), []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	fsys, id, err := Read(context.Background(), dir, "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	if len(id) != 40 {
		t.Errorf("the commit is %q", id)
	}
	want := map[string]string{"gateway.cue": "package gateway\n", "a/b/c.yaml": "x: 1\n", "a/b.json": "", "a/with space é.cue": "y",
		"a/link.cue": "package gateway\n", "a/again.cue": "package gateway\n"}
	got, dangling := map[string]string{}, []string{}
	if err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Type()&fs.ModeSymlink != 0:
			dangling = append(dangling, p)
		case !d.IsDir():
			b, err := fs.ReadFile(fsys, p)
			if err != nil {
				return err
			}
			got[p] = string(b)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("mismatch (-want +got)\n%s", d)
	}
	if d := cmp.Diff([]string{"loop.cue", "out.cue"}, dangling); d != "" {
		t.Errorf("links that lead nowhere: mismatch (-want +got)\n%s", d)
	}
	if _, err := fs.Stat(fsys, "out.cue"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link that leads out gives %v", err)
	}

	below, _, err := Read(context.Background(), filepath.Join(dir, "a"), "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := fs.ReadFile(below, "b/c.yaml"); err != nil || string(b) != "x: 1\n" {
		t.Errorf("a folder below gives %q, %v", b, err)
	}
	if _, err := fs.Stat(below, "link.cue"); err == nil {
		t.Error("a link out of the folder is followed")
	}
}

func TestReadIsAFileSystem(t *testing.T) {
	dir := commit(t, map[string]string{"gateway.cue": "a", "b/c.yaml": "b", "b/d/e.json": "c"}, nil)
	fsys, _, err := Read(context.Background(), dir, "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(fsys, "gateway.cue", "b/c.yaml", "b/d/e.json"); err != nil {
		t.Error(err)
	}
}

func TestReadRefuses(t *testing.T) {
	dir := commit(t, map[string]string{"gateway.cue": "a"}, nil)
	for name, ref := range map[string]string{
		"a name that is none": "nowhere", "a flag": "--help", "nothing": "", "a file's object": "HEAD:gateway.cue", "a range": "HEAD..HEAD",
	} {
		if _, _, err := Read(context.Background(), dir, ref); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := Read(context.Background(), t.TempDir(), "HEAD"); !errors.Is(err, ErrNoGit) {
		t.Errorf("outside of git: %v", err)
	}
}
