package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler/specimen"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// gwc prepares the command as a process of its own, with a cache in a folder.
func gwc(t testing.TB, cache string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Args = append([]string{"gwc"}, args...) // TestMain goes by the name.
	cmd.Env = append(os.Environ(), cacheVariable+"="+cache)
	return cmd
}

// exitCode returns the exit code that a command ended with.
func exitCode(t testing.TB, err error) int {
	t.Helper()
	var e *exec.ExitError
	if err != nil && !errors.As(err, &e) {
		t.Fatal(err)
	}
	if e != nil {
		return e.ExitCode()
	}
	return 0
}

// companyIn writes a repository of a number of APIs.
func companyIn(t testing.TB, apis int) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range specimen.Company(apis, "http://127.0.0.1:9000") {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// noneLeft holds that no file is left behind that was being written.
func noneLeft(t testing.TB, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && (strings.HasPrefix(d.Name(), ".tmp-") || strings.HasPrefix(d.Name(), ".gateway.gwca")) {
				t.Errorf("%s was left behind", name)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// disk mounts a file system of its own of a few pages.
func disk(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("gwc-test", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("no small disk can be had here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillUp takes all room that a disk has but for n bytes.
func fillUp(t *testing.T, dir string, n int64) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, err = f.Write(make([]byte, 4096)); err == nil; _, err = f.Write(make([]byte, 4096)) {
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(info.Size() - n); err != nil {
		t.Fatal(err)
	}
}

func TestAFullDiskLeavesTheOldArtifact(t *testing.T) {
	small, large := companyIn(t, 10), companyIn(t, 500)
	out := disk(t, "size=256k")
	file := filepath.Join(out, "gateway.gwca")
	if b, err := gwc(t, "off", "build", "-C", small, "-o", file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fillUp(t, out, 16<<10)
	b, err := gwc(t, "off", "build", "-C", large, "-o", file).CombinedOutput()
	if c := exitCode(t, err); c != serve.Unreachable || !bytes.Contains(b, []byte("no space left on device")) {
		t.Errorf("exit code %d, want %d, and it says:\n%s", c, serve.Unreachable, b)
	}
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(old, now) {
		t.Errorf("the old artifact is not there any more: %d bytes, %v", len(now), err)
	}
	noneLeft(t, out)
}

func TestAFullDiskUnderTheCacheOnlyMakesBuildsSlower(t *testing.T) {
	repo := companyIn(t, 500)
	cache := disk(t, "size=256k")
	fillUp(t, cache, 16<<10)
	file := filepath.Join(t.TempDir(), "gateway.gwca")
	var stderr bytes.Buffer
	cmd := gwc(t, cache, "build", "-C", repo, "-o", file)
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	if n := strings.Count(stderr.String(), "no space left on device"); n != 1 {
		t.Errorf("the full disk is said %d times, want once:\n%s", n, &stderr)
	}
	noneLeft(t, cache)
}

func TestACacheThatCannotBeHadIsSaidInOneLine(t *testing.T) {
	repo := companyIn(t, 10)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, env := range map[string][]string{
		"a file in its place":          {cacheVariable + "=" + file},
		"a home that nothing can hold": {cacheVariable + "=", "XDG_CACHE_HOME=", "HOME=/proc/self"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "gateway.gwca")
			var stderr bytes.Buffer
			cmd := gwc(t, "", "build", "-C", repo, "-o", out)
			cmd.Env = append(cmd.Env, env...)
			cmd.Stderr = &stderr
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v\n%s", err, &stderr)
			}
			if n := strings.Count(stderr.String(), "without a cache"); n != 1 {
				t.Errorf("it is said %d times that there is no cache, want once:\n%s", n, &stderr)
			}
		})
	}
	t.Run("no home at all", func(t *testing.T) {
		var stderr bytes.Buffer
		cmd := gwc(t, "", "vet", "-C", repo)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v\n%s", err, &stderr)
		}
		if strings.Contains(stderr.String(), "cache") {
			t.Errorf("where nobody could expect a cache something is said of it:\n%s", &stderr)
		}
	})
}

func TestBuildsAtTheSameTimeGiveOneWholeArtifact(t *testing.T) {
	repo, cache, out := companyIn(t, 200), t.TempDir(), t.TempDir()
	file := filepath.Join(out, "gateway.gwca")
	var cmds []*exec.Cmd
	for range 4 {
		cmd := gwc(t, cache, "build", "-C", repo, "-o", file)
		cmd.Stderr = new(bytes.Buffer)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, cmd.Stderr)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := artifact.Decode(b); err != nil {
		t.Error(err)
	}
	noneLeft(t, cache, out)
}

func TestAnInterruptLeavesNothingHalfWritten(t *testing.T) {
	repo := companyIn(t, 1000)
	old := []byte("what was there before")
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for wait := 5 * time.Millisecond; wait < 2*time.Second; wait *= 3 {
			cache, out := t.TempDir(), t.TempDir()
			file := filepath.Join(out, "gateway.gwca")
			if err := os.WriteFile(file, old, 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := gwc(t, cache, "build", "-C", repo, "-o", file)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(wait)
			if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
			err := cmd.Wait()
			var e *exec.ExitError
			killed := errors.As(err, &e) && e.Sys().(syscall.WaitStatus).Signaled() // before the command began to listen
			b, readErr := os.ReadFile(file)
			if readErr != nil {
				t.Fatal(readErr)
			}
			isOld := bytes.Equal(b, old)
			if _, _, err := artifact.Decode(b); err != nil && !isOld {
				t.Errorf("%v after %v: neither the old artifact is there nor a whole new one: %v", sig, wait, err)
			}
			switch c := exitCode(t, err); {
			case killed:
			case c == 0 && isOld:
				t.Errorf("%v after %v: exit code 0, and the artifact is the old one", sig, wait)
			case c == 128+int(sig) && !isOld:
				t.Errorf("%v after %v: exit code %d, and the artifact is a new one", sig, wait, c)
			case c != 0 && c != 128+int(sig):
				t.Errorf("%v after %v: exit code %d\n%s", sig, wait, c, &stderr)
			}
			if strings.Contains(stderr.String(), "panic") || strings.Contains(stderr.String(), "a bug in gwc") {
				t.Errorf("%v after %v:\n%s", sig, wait, &stderr)
			}
			noneLeft(t, cache, out)
		}
	}
}

func TestAnInterruptAfterTheArtifactIsInItsPlaceChangesNothing(t *testing.T) {
	repo, cache := companyIn(t, 100), t.TempDir()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for range 3 {
			file := filepath.Join(t.TempDir(), "gateway.gwca")
			cmd := gwc(t, cache, "build", "-C", repo, "-o", file)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			var err error
			for waiting := true; waiting; {
				if _, e := os.Lstat(file); e == nil {
					if e := cmd.Process.Signal(sig); e != nil && !errors.Is(e, os.ErrProcessDone) {
						t.Fatal(e)
					}
					err, waiting = <-ended, false
					continue
				}
				select {
				case err = <-ended:
					waiting = false
				default:
				}
			}
			if err != nil {
				t.Errorf("%v: %v\n%s", sig, err, &stderr)
			}
		}
	}
}
